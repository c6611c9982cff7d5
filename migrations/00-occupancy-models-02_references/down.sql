-- The trigger functions of tables that were dropped without remove_sensor_event_reference().
DO $$
DECLARE
    left_over REGPROCEDURE;
BEGIN
    FOR left_over IN
        SELECT oid
        FROM pg_proc
        WHERE proname LIKE 'reference\_%' AND strpos(prosrc, format('PERFORM %I.register_sensor_events(NEW.', current_schema())) > 0
            AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = pg_proc.oid)
    LOOP
        EXECUTE format('DROP FUNCTION %s', left_over);
    END LOOP;
END
$$;
DROP FUNCTION clear_dangling_event_references();
DROP FUNCTION remove_sensor_event_reference(REGCLASS, NAME);
DROP FUNCTION add_sensor_event_reference(REGCLASS, NAME, TEXT);
SELECT diesel_timescale.drop_reference_target('sensor_events');
