-- Retention of sensor_events, in one call and as a job.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- Retention that references survive. drop_chunks fires no trigger, so a plain drop_chunks, or the server's own
-- retention policy, would leave references to events that are gone.
CREATE FUNCTION drop_sensor_events_before(
    cutoff TIMESTAMPTZ,
    OUT chunks_dropped BIGINT,
    OUT rows_deleted BIGINT,
    OUT events_released BIGINT,
    OUT dropped_before TIMESTAMPTZ
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    extension_schema NAME := (SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb');
BEGIN
    PERFORM refuse_old_snapshot('drop_sensor_events_before()');
    -- References first, chunks second, as in every registration.
    PERFORM lock_referenced_events();
    chunks_dropped := 0;
    rows_deleted := 0;
    IF (diesel_timescale.hypertable_report('sensor_events')).time_column IS NULL THEN
        WITH released AS (
            DELETE FROM referenced_events WHERE timestamp < cutoff RETURNING id
        )
        SELECT count(*) INTO events_released FROM released;
        DELETE FROM sensor_events WHERE timestamp < cutoff;
        GET DIAGNOSTICS rows_deleted = ROW_COUNT;
        dropped_before := cutoff;
        RETURN;
    END IF;

    -- Only whole chunks go, so what is gone ends where the youngest of them does.
    SELECT max(range_end) INTO dropped_before
    FROM timescaledb_information.chunks
    WHERE hypertable_schema = (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = 'sensor_events'::REGCLASS)
        AND hypertable_name = 'sensor_events'
        AND range_end <= cutoff;
    EXECUTE format('SELECT count(*) FROM %I.drop_chunks($1, older_than => $2)', extension_schema)
        INTO chunks_dropped USING 'sensor_events'::REGCLASS, cutoff;
    WITH released AS (
        DELETE FROM referenced_events WHERE timestamp < dropped_before RETURNING id
    )
    SELECT count(*) INTO events_released FROM released;
END
$$;
COMMENT ON FUNCTION drop_sensor_events_before(TIMESTAMPTZ) IS 'Retention: drops the chunks that end by the cutoff and clears every reference to their events, in one transaction. On a plain table it deletes the rows before the cutoff.';

-- The job.
CREATE PROCEDURE sensor_events_retention(job_id INT, config JSONB)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM drop_sensor_events_before(now() - (config ->> 'drop_after')::INTERVAL);
END
$$;
COMMENT ON PROCEDURE sensor_events_retention(INT, JSONB) IS 'Job: drops the sensor events that are older than drop_after, and clears the references to them.';

CREATE FUNCTION sensor_events_retention_job() RETURNS INT
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN (
        SELECT job_id
        FROM timescaledb_information.jobs
        WHERE proc_name = 'sensor_events_retention'
            AND proc_schema = (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = 'sensor_events'::REGCLASS)
        ORDER BY job_id
        LIMIT 1
    );
END
$$;
COMMENT ON FUNCTION sensor_events_retention_job() IS 'The job that retention of sensor events runs as, or null.';

CREATE FUNCTION set_sensor_events_retention(drop_after INTERVAL, schedule_interval INTERVAL) RETURNS INT
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    job INT;
BEGIN
    PERFORM diesel_timescale.refuse_retention_of_nothing(drop_after);
    PERFORM unset_sensor_events_retention();
    EXECUTE format('SELECT %I.add_job($1, $2, config => $3)', diesel_timescale.timescaledb_schema())
        INTO job
        USING
            'sensor_events_retention(int, jsonb)'::REGPROCEDURE::REGPROC,
            schedule_interval,
            jsonb_build_object('drop_after', drop_after);
    RETURN job;
END
$$;
COMMENT ON FUNCTION set_sensor_events_retention(INTERVAL, INTERVAL) IS 'Drops sensor events in the background once they are this old, clearing the references to them, and returns the job. Takes the place of such a job that is there.';

CREATE FUNCTION unset_sensor_events_retention() RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    present CONSTANT INT := sensor_events_retention_job();
BEGIN
    IF present IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT %I.delete_job($1)', diesel_timescale.timescaledb_schema()) USING present;
    RETURN true;
END
$$;
COMMENT ON FUNCTION unset_sensor_events_retention() IS 'Removes the retention job of sensor events. False if there is none.';
