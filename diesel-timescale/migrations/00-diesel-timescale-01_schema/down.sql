DROP FUNCTION diesel_timescale.refuse(TEXT, TEXT, TEXT, TEXT, TEXT, REGCLASS, TEXT);
DO $$
BEGIN
    -- The migration history stays where it is kept here.
    IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('diesel_timescale')) THEN
        DROP SCHEMA diesel_timescale;
    END IF;
END
$$;
