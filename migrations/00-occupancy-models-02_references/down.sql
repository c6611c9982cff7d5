-- The trigger functions of tables that were dropped without unreference_sensor_events().
DO $$
DECLARE
    left_over REGPROCEDURE;
BEGIN
    FOR left_over IN
        SELECT oid
        FROM pg_proc
        WHERE is_reference_function(oid)
            AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = pg_proc.oid)
    LOOP
        EXECUTE format('DROP FUNCTION %s', left_over);
    END LOOP;
END
$$;
DROP FUNCTION unreference_sensor_events(REGCLASS, NAME);
DROP FUNCTION reference_sensor_events(REGCLASS, NAME);
DROP FUNCTION register_present_references(REGCLASS, NAME);
DROP FUNCTION check_reference_column(REGCLASS, NAME, BOOLEAN);
DROP FUNCTION drop_reference_triggers(REGCLASS, NAME);
DROP FUNCTION create_reference_trigger(REGCLASS, NAME);
DROP FUNCTION reference_triggers(REGCLASS, NAME);
DROP FUNCTION is_reference_function(OID);
DROP FUNCTION reference_function_name(REGCLASS, NAME);
DROP FUNCTION release_missing_events();
DROP TRIGGER sensor_events_release_all_references ON sensor_events;
DROP FUNCTION release_truncated_events();
DROP TRIGGER sensor_events_release_references ON sensor_events;
DROP FUNCTION release_deleted_event();
DROP FUNCTION register_sensor_events(BIGINT[], TIMESTAMPTZ[]);
DROP FUNCTION register_sensor_event(BIGINT);
DROP FUNCTION register_in_rowstore(REGCLASS, BIGINT[], TIMESTAMPTZ[]);
DROP FUNCTION register_in_columnstore(BIGINT[], TIMESTAMPTZ[]);
DROP FUNCTION settle_registration(REGCLASS, BIGINT, TIMESTAMPTZ);
DROP FUNCTION find_sensor_event(BIGINT);
DROP FUNCTION is_in_columnstore(REGCLASS);
DROP FUNCTION refuse_old_snapshot(TEXT);
DROP FUNCTION snapshot_may_be_old();
DROP TABLE referenced_events_epoch;
DROP TABLE referenced_events;
