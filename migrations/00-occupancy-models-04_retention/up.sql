-- Retention of sensor_events, in one call and as a job.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- drop_chunks fires no trigger, so a plain drop_chunks, or the server's own retention policy, would leave references to
-- events that are gone. A lock on a chunk holds up every read that does not leave that chunk out, and so does waiting
-- for it. So all of it happens in a moment or not at all: an attempt that cannot have its locks gives back what it has.
CREATE FUNCTION drop_sensor_event_chunks(
    cutoff TIMESTAMPTZ,
    patience INTERVAL,
    OUT chunks_dropped BIGINT,
    OUT events_released BIGINT,
    OUT dropped_before TIMESTAMPTZ
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    extension_schema CONSTANT NAME := (SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb');
    chunks TEXT[];
    chunk TEXT;
    end_of_patience TIMESTAMPTZ;
    late RECORD;
    released BIGINT;
BEGIN
    SELECT max(range_end), array_agg(format('%I.%I', chunk_schema, chunk_name) ORDER BY range_end)
    INTO dropped_before, chunks
    FROM timescaledb_information.chunks
    WHERE (hypertable_schema, hypertable_name) = (
            SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = 'sensor_events'::REGCLASS
        )
        AND range_end <= cutoff;
    chunks_dropped := 0;
    events_released := 0;
    IF chunks IS NULL THEN
        RETURN;
    END IF;

    PERFORM set_config('lock_timeout', format('%s ms', ceil(extract(epoch FROM patience) * 1000)), true);
    DELETE FROM referenced_events WHERE timestamp < dropped_before;
    GET DIAGNOSTICS events_released = ROW_COUNT;
    end_of_patience := clock_timestamp() + patience;
    FOREACH chunk IN ARRAY chunks LOOP
        PERFORM set_config('lock_timeout', format('%s ms', greatest(1, ceil(extract(epoch FROM end_of_patience - clock_timestamp()) * 1000))), true);
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', chunk);
    END LOOP;
    EXECUTE format('SELECT count(*) FROM %I.drop_chunks($1, older_than => $2)', extension_schema)
        INTO chunks_dropped USING 'sensor_events'::REGCLASS, dropped_before;
    -- Registered before the chunks were locked; not what is in a chunk that has come since.
    FOR late IN SELECT id, timestamp FROM referenced_events WHERE timestamp < dropped_before LOOP
        EXECUTE 'DELETE FROM referenced_events WHERE id = $1 AND NOT EXISTS (SELECT FROM sensor_events WHERE id = $1 AND timestamp = $2)'
            USING late.id, late.timestamp;
        GET DIAGNOSTICS released = ROW_COUNT;
        events_released := events_released + released;
    END LOOP;
END
$$;
COMMENT ON FUNCTION drop_sensor_event_chunks(TIMESTAMPTZ, INTERVAL) IS 'One attempt of drop_sensor_events_before on a hypertable, which waits for locks on chunks no longer than patience.';

CREATE FUNCTION drop_sensor_events_before(
    cutoff TIMESTAMPTZ,
    lock_timeout INTERVAL DEFAULT INTERVAL '30 seconds',
    OUT chunks_dropped BIGINT,
    OUT rows_deleted BIGINT,
    OUT events_released BIGINT,
    OUT dropped_before TIMESTAMPTZ
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET row_security TO off
AS $$
DECLARE
    is_hypertable CONSTANT BOOLEAN := (diesel_timescale.hypertable_report('sensor_events')).time_column IS NOT NULL;
    own_timeout CONSTANT TEXT := current_setting('lock_timeout');
    give_up_at CONSTANT TIMESTAMPTZ := clock_timestamp() + lock_timeout;
    longest CONSTANT INTERVAL := INTERVAL '400 milliseconds';
    patience INTERVAL := INTERVAL '100 milliseconds';
BEGIN
    PERFORM refuse_old_snapshot('drop_sensor_events_before()');
    rows_deleted := 0;
    LOOP
        BEGIN
            IF is_hypertable THEN
                SELECT d.* INTO chunks_dropped, events_released, dropped_before FROM drop_sensor_event_chunks(cutoff, patience) AS d;
            ELSE
                -- Locks rows only.
                PERFORM set_config('lock_timeout', format('%s ms', greatest(1, extract(epoch FROM lock_timeout) * 1000)::INT), true);
                chunks_dropped := 0;
                DELETE FROM referenced_events WHERE timestamp < cutoff;
                GET DIAGNOSTICS events_released = ROW_COUNT;
                DELETE FROM sensor_events WHERE timestamp < cutoff;
                GET DIAGNOSTICS rows_deleted = ROW_COUNT;
                dropped_before := cutoff;
            END IF;
            PERFORM set_config('lock_timeout', own_timeout, true);
            RETURN;
        -- Others have locked what it drops, or drop it themselves.
        EXCEPTION WHEN lock_not_available OR undefined_table THEN
            IF clock_timestamp() >= give_up_at THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'lock_not_available',
                    MESSAGE = format('retention of sensor_events could not lock within %s what it drops', lock_timeout),
                    HINT = 'Long transactions that have read these events are in the way (see pg_stat_activity). Run it again later, or allow more time.',
                    TABLE = 'sensor_events', CONSTRAINT = 'occupancy_models:lock_timeout';
            END IF;
        END;
        -- Whoever waited for the attempt has its turn.
        PERFORM pg_sleep_for(patience);
        patience := least(patience * 1.5, longest);
    END LOOP;
END
$$;
COMMENT ON FUNCTION drop_sensor_events_before(TIMESTAMPTZ, INTERVAL) IS 'Retention: drops the chunks that end by the cutoff and clears every reference to their events, in one transaction. On a plain table it deletes the rows before the cutoff. Tries again until lock_timeout has passed if others have these events locked.';

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
