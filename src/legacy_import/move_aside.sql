DO $$
BEGIN
    -- Where ours are already, there is nothing to move.
    IF to_regclass('legacy.sensor_events') IS NULL AND to_regclass('referenced_events') IS NULL THEN
        CREATE SCHEMA IF NOT EXISTS legacy;
        ALTER TABLE IF EXISTS predictions SET SCHEMA legacy;
        ALTER TABLE sensor_events SET SCHEMA legacy;
    END IF;
END
$$;
