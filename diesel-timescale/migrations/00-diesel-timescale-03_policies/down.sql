-- A job of ours would call a procedure that is gone.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM unset_sensor_events_retention();
    END IF;
END
$$;
DROP FUNCTION unset_retention_policy(REGCLASS);
DROP FUNCTION set_retention_policy(REGCLASS, INTERVAL);
DROP FUNCTION unset_sensor_events_retention();
DROP FUNCTION set_sensor_events_retention(INTERVAL, INTERVAL);
DROP FUNCTION refuse_retention_of_nothing(INTERVAL);
DROP FUNCTION sensor_events_retention_job();
DROP PROCEDURE sensor_events_retention(INT, JSONB);
DROP FUNCTION unset_columnstore_policy(REGCLASS);
DROP FUNCTION set_columnstore_policy(REGCLASS, INTERVAL);
DROP FUNCTION columnstore_policy_job(REGCLASS);
DROP FUNCTION convert_chunk(REGCLASS, BOOLEAN);
DROP FUNCTION disable_columnstore(REGCLASS);
DROP FUNCTION enable_columnstore(REGCLASS, NAME[], NAME[], BOOLEAN[]);
DROP FUNCTION drop_chunks_before(REGCLASS, TIMESTAMPTZ);
DROP FUNCTION add_hash_dimension(REGCLASS, NAME, INT);
DROP FUNCTION change_chunk_interval(REGCLASS, INTERVAL);
DROP FUNCTION refuse_loss_of_referenced_rows(REGCLASS, TEXT);
DROP FUNCTION timescaledb_names_columnstore();
DROP FUNCTION timescaledb_schema();
