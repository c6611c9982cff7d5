-- A job of ours would call a procedure that is gone.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM remove_sensor_events_retention();
    END IF;
END
$$;
DROP FUNCTION remove_sensor_events_retention();
DROP FUNCTION add_sensor_events_retention(INTERVAL, INTERVAL);
DROP FUNCTION sensor_events_retention_job();
DROP PROCEDURE sensor_events_retention(INT, JSONB);
DROP FUNCTION drop_sensor_events_before(TIMESTAMPTZ, INTERVAL, BOOLEAN);
