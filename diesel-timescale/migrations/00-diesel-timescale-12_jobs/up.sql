-- Jobs: their schedule, how they do, and procedures that an application declares for jobs of its own.

CREATE OR REPLACE FUNCTION diesel_timescale.job_time_zones() RETURNS TABLE (job_id INT, time_zone TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF has_timescaledb() THEN
        -- The views leave it out, and later releases have moved the table.
        RETURN QUERY EXECUTE format(
            'SELECT id, timezone FROM %s', coalesce(to_regclass('_timescaledb_catalog.bgw_job'), to_regclass('_timescaledb_config.bgw_job'))
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.job_time_zones() IS 'The time zone that the fixed schedule of each job goes by, null for UTC.';

CREATE OR REPLACE FUNCTION diesel_timescale.set_job_schedule(
    job INT,
    schedule_interval INTERVAL DEFAULT NULL,
    initial_start TIMESTAMPTZ DEFAULT NULL,
    fixed_schedule BOOLEAN DEFAULT NULL,
    time_zone TEXT DEFAULT NULL,
    max_runtime INTERVAL DEFAULT NULL,
    max_retries INT DEFAULT NULL,
    retry_period INTERVAL DEFAULT NULL,
    scheduled BOOLEAN DEFAULT NULL,
    next_start TIMESTAMPTZ DEFAULT NULL,
    config JSONB DEFAULT NULL
) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    present RECORD;
    is_fixed CONSTANT BOOLEAN := coalesce(
        set_job_schedule.fixed_schedule,
        CASE WHEN set_job_schedule.initial_start IS NOT NULL OR set_job_schedule.time_zone IS NOT NULL THEN true END
    );
    starts TIMESTAMPTZ := set_job_schedule.initial_start;
    due TIMESTAMPTZ := set_job_schedule.next_start;
    zone TEXT;
BEGIN
    PERFORM require_feature('Jobs');
    SELECT j.fixed_schedule, j.initial_start, j.next_start, z.time_zone INTO present
    FROM timescaledb_information.jobs AS j
    JOIN job_time_zones() AS z USING (job_id)
    WHERE job_id = set_job_schedule.job;
    -- alter_job() takes the time zone away unless it is given again, and the start of a schedule that it makes fixed.
    zone := coalesce(set_job_schedule.time_zone, present.time_zone);
    IF is_fixed THEN
        starts := coalesce(starts, present.initial_start);
    END IF;
    -- A time zone lets it compute when the job is due, even where nothing of that has changed: one that is paused would run.
    IF due IS NULL AND is_fixed IS NULL AND set_job_schedule.schedule_interval IS NULL AND present.time_zone IS NOT NULL THEN
        due := nullif(present.next_start, '-infinity');
    END IF;
    EXECUTE format(
        'SELECT FROM %I.alter_job($1, schedule_interval => $2, max_runtime => $3, max_retries => $4, retry_period => $5,
             scheduled => $6, config => $7, next_start => $8, fixed_schedule => $9, initial_start => $10, timezone => $11)',
        timescaledb_schema()
    ) USING
        job, set_job_schedule.schedule_interval, set_job_schedule.max_runtime, set_job_schedule.max_retries,
        set_job_schedule.retry_period, set_job_schedule.scheduled, set_job_schedule.config, due, is_fixed, starts, zone;
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.set_job_schedule(INT, INTERVAL, TIMESTAMPTZ, BOOLEAN, TEXT, INTERVAL, INT, INTERVAL, BOOLEAN, TIMESTAMPTZ, JSONB) IS 'Sets when a job runs, and what happens when a run fails; null leaves as it is. A start or a time zone makes the schedule fixed. Returns the job.';

CREATE OR REPLACE FUNCTION diesel_timescale.job_report()
RETURNS TABLE (
    job_id INT, procedure_schema TEXT, procedure TEXT, hypertable_schema TEXT, hypertable TEXT,
    schedule_interval INTERVAL, is_fixed BOOLEAN, initial_start TIMESTAMPTZ, time_zone TEXT,
    max_runtime INTERVAL, max_retries INT, retry_period INTERVAL, is_scheduled BOOLEAN, config JSONB,
    next_start TIMESTAMPTZ, last_run_started_at TIMESTAMPTZ, last_successful_finish TIMESTAMPTZ, last_run_duration INTERVAL,
    last_run_status TEXT, total_runs BIGINT, total_successes BIGINT, total_failures BIGINT, last_error TEXT, health TEXT
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_feature('Jobs');
    RETURN QUERY
        SELECT
            j.job_id, j.proc_schema::TEXT, j.proc_name::TEXT, j.hypertable_schema::TEXT, j.hypertable_name::TEXT,
            j.schedule_interval, j.fixed_schedule, j.initial_start, z.time_zone,
            j.max_runtime, j.max_retries, j.retry_period, j.scheduled, j.config,
            -- What has not happened yet did so at -infinity.
            j.next_start, nullif(s.last_run_started_at, '-infinity'), nullif(s.last_successful_finish, '-infinity'), s.last_run_duration,
            s.last_run_status, coalesce(s.total_runs, 0), coalesce(s.total_successes, 0), coalesce(s.total_failures, 0), failed.err_message,
            CASE
                WHEN NOT j.scheduled OR j.next_start = 'infinity' THEN 'paused'
                -- Some releases tell the process only once it has done something.
                WHEN s.job_status = 'Running' OR (j.next_start = '-infinity' AND isfinite(s.last_run_started_at)) THEN 'running'
                WHEN s.last_run_status = 'Failed' AND failed.err_message LIKE '%cannot drop portal%' THEN 'reported_failed'
                WHEN s.last_run_status = 'Failed' THEN 'failing'
                WHEN isfinite(j.next_start) AND j.next_start < now() - INTERVAL '1 minute' THEN 'late'
                WHEN nullif(s.last_run_started_at, '-infinity') IS NULL THEN 'not_run_yet'
                ELSE 'healthy'
            END
        FROM timescaledb_information.jobs AS j
        LEFT JOIN job_time_zones() AS z USING (job_id)
        LEFT JOIN timescaledb_information.job_stats AS s USING (job_id)
        LEFT JOIN LATERAL (
            SELECT e.err_message FROM timescaledb_information.job_errors AS e
            WHERE e.job_id = j.job_id ORDER BY e.start_time DESC LIMIT 1
        ) AS failed ON true
        ORDER BY j.job_id;
END
$$;
COMMENT ON FUNCTION diesel_timescale.job_report() IS 'The jobs of this database with their last run and their health: paused, running, reported_failed (by a fault of the server, although the work is done), failing, late by more than a minute, not_run_yet, or healthy.';

-- Procedures for jobs. The config of each has the fields of an example, of the same types.
CREATE OR REPLACE FUNCTION diesel_timescale.check_job_config(procedure_name TEXT, example JSONB, config JSONB) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    problem TEXT;
BEGIN
    IF coalesce(jsonb_typeof(config), 'null') <> 'object' THEN
        problem := format('is %s, not an object', coalesce(jsonb_typeof(config), 'null'));
    ELSE
        problem := (
            SELECT CASE
                WHEN key IS NULL THEN format('has no %s', expected.name)
                WHEN expected.name IS NULL THEN format('has the unknown field %s', key)
                ELSE format('has %s in %s, not %s', jsonb_typeof(value), key, jsonb_typeof(expected.sample))
            END
            FROM jsonb_each(config) AS given (key, value)
            FULL JOIN jsonb_each(example) AS expected (name, sample) ON name = key
            -- A field that is null in the example may be left out, and have any type.
            WHERE CASE
                WHEN name IS NULL THEN true
                WHEN jsonb_typeof(sample) = 'null' THEN false
                ELSE key IS NULL OR jsonb_typeof(value) <> jsonb_typeof(sample)
            END
            ORDER BY coalesce(name, key)
            LIMIT 1
        );
    END IF;
    IF problem IS NOT NULL THEN
        PERFORM refuse(
            'diesel_timescale:job_config', 'invalid_parameter_value',
            format('the config of %s %s', procedure_name, problem),
            format('Give one like %s.', example)
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.check_job_config(TEXT, JSONB, JSONB) IS 'Raises an error unless the config of a job has the fields of an example, and no others, of the same types.';

CREATE OR REPLACE FUNCTION diesel_timescale.job_procedure_facts(procedure_name NAME, procedure_schema NAME DEFAULT current_schema()) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    qualified CONSTANT TEXT := format('%I.%I', procedure_schema, procedure_name);
    checking CONSTANT TEXT := format('%I.%I', procedure_schema, short_name(procedure_name, '_check'));
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'body', prosrc,
            -- What create_job_procedure() has said of the config; null where something else has made the procedure.
            'config', (
                SELECT substring(description FROM '^Config of a job: (.*)$')::JSONB
                FROM (SELECT obj_description(to_regprocedure(checking || '(jsonb)'), 'pg_proc')) AS c (description)
                WHERE description LIKE 'Config of a job: %'
            )
        )
        FROM pg_proc
        WHERE oid = to_regprocedure(qualified || '(int, jsonb)')
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.job_procedure_facts(NAME, NAME) IS 'The body of a procedure for jobs, and the example of its config; null if there is none.';

CREATE OR REPLACE FUNCTION diesel_timescale.procedure_jobs(procedure_name NAME, procedure_schema NAME DEFAULT current_schema())
RETURNS TABLE (job_id INT, config JSONB)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF has_timescaledb() THEN
        RETURN QUERY
            SELECT j.job_id, j.config
            FROM timescaledb_information.jobs AS j
            WHERE j.proc_schema = procedure_schema AND j.proc_name = procedure_name
            ORDER BY j.job_id;
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.procedure_jobs(NAME, NAME) IS 'The jobs that run a procedure, each with its config.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_job_procedure(
    procedure_name NAME, body TEXT, example JSONB, procedure_schema NAME DEFAULT current_schema()
) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    qualified CONSTANT TEXT := format('%I.%I', procedure_schema, procedure_name);
    checking CONSTANT TEXT := format('%I.%I', procedure_schema, short_name(procedure_name, '_check'));
    present CONSTANT JSONB := job_procedure_facts(procedure_name, procedure_schema);
BEGIN
    IF present ->> 'body' = body AND present -> 'config' = example THEN
        RETURN false;
    ELSIF present -> 'config' = 'null' OR (present IS NULL AND to_regprocedure(checking || '(jsonb)') IS NOT NULL) THEN
        PERFORM refuse(
            'diesel_timescale:other_procedure', 'duplicate_function',
            format('%s or %s is there already, and is not of this kind', qualified, checking),
            'Drop it first, or take another name.'
        );
    END IF;
    -- What jobs have now must fit, or they would fail from now on.
    PERFORM check_job_config(qualified, example, config) FROM procedure_jobs(procedure_name, procedure_schema);
    EXECUTE format('CREATE OR REPLACE PROCEDURE %s(job_id INT, config JSONB) LANGUAGE plpgsql AS %L', qualified, body);
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION %s(config JSONB) RETURNS VOID LANGUAGE sql STABLE
         RETURN diesel_timescale.check_job_config(%L, %L, config)',
        checking, qualified, example
    );
    EXECUTE format('COMMENT ON FUNCTION %s(JSONB) IS %L', checking, 'Config of a job: ' || example::TEXT);
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_job_procedure(NAME, TEXT, JSONB, NAME) IS 'Makes a procedure that jobs run, in PL/pgSQL, with the arguments job_id and config, and the function that checks a config against an example. False if it is there so already.';

CREATE OR REPLACE FUNCTION diesel_timescale.drop_job_procedure(procedure_name NAME, procedure_schema NAME DEFAULT current_schema()) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT JSONB := job_procedure_facts(procedure_name, procedure_schema);
    job INT;
BEGIN
    IF present IS NULL THEN
        RETURN false;
    ELSIF present -> 'config' = 'null' THEN
        PERFORM refuse(
            'diesel_timescale:other_procedure', 'wrong_object_type',
            format('%I.%I is not of this kind', procedure_schema, procedure_name),
            'Delete its jobs and drop it by hand, if it is not needed.'
        );
    END IF;
    FOR job IN SELECT job_id FROM procedure_jobs(procedure_name, procedure_schema) LOOP
        EXECUTE format('SELECT %I.delete_job($1)', timescaledb_schema()) USING job;
    END LOOP;
    EXECUTE format('DROP PROCEDURE %I.%I(INT, JSONB)', procedure_schema, procedure_name);
    EXECUTE format('DROP FUNCTION IF EXISTS %I.%I(JSONB)', procedure_schema, short_name(procedure_name, '_check'));
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.drop_job_procedure(NAME, NAME) IS 'Deletes the jobs that run a procedure, and drops it. False if there is none.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_procedure_job(
    procedure_name NAME, schedule_interval INTERVAL, config JSONB, procedure_schema NAME DEFAULT current_schema()
) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    checking CONSTANT TEXT := format('%I.%I', procedure_schema, short_name(procedure_name, '_check'));
    present CONSTANT JSONB := job_procedure_facts(procedure_name, procedure_schema);
    job INT;
BEGIN
    PERFORM require_feature('Jobs');
    job := (
        SELECT min(j.job_id)
        FROM procedure_jobs(procedure_name, procedure_schema) AS j
        WHERE j.config IS NOT DISTINCT FROM add_procedure_job.config
    );
    IF job IS NOT NULL THEN
        RETURN set_job_schedule(job, schedule_interval, scheduled => true);
    END IF;
    EXECUTE format('SELECT %I.add_job($1, $2, config => $3%s)', timescaledb_schema(), CASE WHEN present -> 'config' <> 'null' THEN ', check_config => $4' END)
        INTO job
        USING
            format('%I.%I', procedure_schema, procedure_name)::REGPROC, schedule_interval, config,
            to_regprocedure(checking || '(jsonb)')::REGPROC;
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_procedure_job(NAME, INTERVAL, JSONB, NAME) IS 'Runs a procedure in the background with a config, which is checked, and returns the job. One of the same config that is there gets the interval and is enabled.';

CREATE OR REPLACE FUNCTION diesel_timescale.set_job_config(job INT, config JSONB) RETURNS INT
LANGUAGE sql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN diesel_timescale.set_job_schedule(job, config => config);
COMMENT ON FUNCTION diesel_timescale.set_job_config(INT, JSONB) IS 'Sets the config of a job, which the function that checks it may refuse. Returns the job.';

CREATE OR REPLACE FUNCTION diesel_timescale.merge_job_config(job INT, settings JSONB) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN set_job_schedule(job, config => (SELECT coalesce(config, '{}') || settings FROM timescaledb_information.jobs WHERE job_id = job));
END
$$;
COMMENT ON FUNCTION diesel_timescale.merge_job_config(INT, JSONB) IS 'Sets these fields of the config of a job, and leaves the others as they are. Returns the job.';
