-- Retention of sensor_events, in one call and as a job.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION drop_sensor_events_before(
    cutoff TIMESTAMPTZ,
    lock_timeout INTERVAL DEFAULT INTERVAL '30 seconds',
    keep_referenced BOOLEAN DEFAULT false,
    OUT chunks_dropped BIGINT,
    OUT rows_deleted BIGINT,
    OUT events_released BIGINT,
    OUT dropped_before TIMESTAMPTZ
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    SELECT d.chunks_dropped, d.rows_deleted, d.rows_released, d.dropped_before
    INTO chunks_dropped, rows_deleted, events_released, dropped_before
    FROM diesel_timescale.drop_referenced_rows_before(
        'sensor_events', cutoff, lock_timeout => drop_sensor_events_before.lock_timeout, keep_referenced => drop_sensor_events_before.keep_referenced
    ) AS d;
END
$$;
COMMENT ON FUNCTION drop_sensor_events_before(TIMESTAMPTZ, INTERVAL, BOOLEAN) IS 'Retention: drops the chunks that end by the cutoff and clears every reference to their events, in one transaction. On a plain table it deletes the rows before the cutoff. Events that a RESTRICT key references: an error, or with keep_referenced their chunks stay. Tries again until lock_timeout has passed if others have these events locked.';

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
REVOKE EXECUTE ON PROCEDURE sensor_events_retention(INT, JSONB) FROM PUBLIC;

CREATE FUNCTION sensor_events_retention_job() RETURNS INT
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT diesel_timescale.has_timescaledb() THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT job_id
        FROM timescaledb_information.jobs
        WHERE proc_name = 'sensor_events_retention'
            -- Any role can add a job of its own, which does nothing.
            AND EXISTS (
                SELECT FROM pg_roles
                WHERE owner::TEXT IN (rolname, quote_ident(rolname))
                    AND (rolsuper OR oid = (SELECT relowner FROM pg_class WHERE oid = 'sensor_events'::REGCLASS))
            )
            AND proc_schema = (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = 'sensor_events'::REGCLASS)
        ORDER BY job_id
        LIMIT 1
    );
END
$$;
COMMENT ON FUNCTION sensor_events_retention_job() IS 'The job that retention of sensor events runs as, or null.';

CREATE FUNCTION add_sensor_events_retention(drop_after INTERVAL, schedule_interval INTERVAL) RETURNS INT
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    job INT;
BEGIN
    PERFORM diesel_timescale.refuse_retention_of_nothing(drop_after);
    PERFORM diesel_timescale.refuse_retention_within_refresh('sensor_events', drop_after::TEXT);
    PERFORM remove_sensor_events_retention();
    EXECUTE format('SELECT %I.add_job($1, $2, config => $3)', diesel_timescale.timescaledb_schema())
        INTO job
        USING
            'sensor_events_retention(int, jsonb)'::REGPROCEDURE::REGPROC,
            schedule_interval,
            jsonb_build_object(
                'drop_after', drop_after,
                -- For diesel_timescale.refuse_refresh_beyond_retention.
                'retention_of', (
                    SELECT format('%I.%I', nspname, relname)
                    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                    WHERE pg_class.oid = 'sensor_events'::REGCLASS
                )
            );
    RETURN job;
END
$$;
COMMENT ON FUNCTION add_sensor_events_retention(INTERVAL, INTERVAL) IS 'Drops sensor events in the background once they are this old, clearing the references to them, and returns the job. Replaces an existing one.';
REVOKE EXECUTE ON FUNCTION add_sensor_events_retention(INTERVAL, INTERVAL) FROM PUBLIC;

CREATE FUNCTION remove_sensor_events_retention() RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    present CONSTANT INT := sensor_events_retention_job();
    -- What tiers have added.
    was_there CONSTANT BOOLEAN := CASE
        WHEN diesel_timescale.has_timescaledb() THEN diesel_timescale.remove_reference_retention('sensor_events')
        ELSE false
    END;
BEGIN
    IF present IS NULL THEN
        RETURN was_there;
    END IF;
    EXECUTE format('SELECT %I.delete_job($1)', diesel_timescale.timescaledb_schema()) USING present;
    RETURN true;
END
$$;
COMMENT ON FUNCTION remove_sensor_events_retention() IS 'Removes the retention job of sensor events. False if there is none.';
REVOKE EXECUTE ON FUNCTION remove_sensor_events_retention() FROM PUBLIC;
