-- The trigger functions of tables that were dropped without unreference_sensor_events().
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
DROP FUNCTION release_missing_events();
DROP FUNCTION unreference_sensor_events(REGCLASS, NAME);
DROP FUNCTION reference_sensor_events(REGCLASS, NAME, TEXT);
SELECT diesel_timescale.drop_reference_target('sensor_events');
