-- Continuous aggregates, or plain views of the same name and columns where the server has none.
--
-- A continuous aggregate is made without data, which may happen in any transaction, and filled by a refresh, which may
-- not. The comment on the view is its definition: what is there already is told by it from what is another view.
--
-- A view is named by its name and schema, which is that of the caller by default: the defaults of arguments are
-- evaluated before the function's own search_path holds.

CREATE OR REPLACE FUNCTION diesel_timescale.is_continuous_aggregate(view_name NAME, view_schema NAME DEFAULT current_schema()) RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN false;
    END IF;
    RETURN EXISTS (
        SELECT
        FROM timescaledb_information.continuous_aggregates AS a
        WHERE a.view_name = is_continuous_aggregate.view_name AND a.view_schema = is_continuous_aggregate.view_schema
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.is_continuous_aggregate(NAME, NAME) IS 'Whether this view, in this schema, is a continuous aggregate.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_continuous_aggregate(
    view_name NAME,
    definition TEXT,
    plain_definition TEXT,
    allow_plain_view BOOLEAN,
    materialized_only BOOLEAN,
    view_schema NAME DEFAULT current_schema(),
    -- What the names in the definition mean.
    definition_search_path TEXT DEFAULT current_setting('search_path')
) RETURNS TEXT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    qualified CONSTANT TEXT := format('%I.%I', view_schema, view_name);
    present CONSTANT REGCLASS := to_regclass(qualified);
    is_plain_view CONSTANT BOOLEAN := allow_plain_view AND NOT has_feature('ContinuousAggregates');
    marked CONSTANT TEXT := CASE WHEN is_plain_view THEN 'View: ' || plain_definition ELSE 'Continuous aggregate: ' || definition END;
BEGIN
    IF NOT is_plain_view THEN
        PERFORM require_feature('ContinuousAggregates');
    END IF;
    IF present IS NOT NULL THEN
        IF obj_description(present, 'pg_class') IS DISTINCT FROM marked THEN
            PERFORM refuse(
                'diesel_timescale:other_aggregate', 'duplicate_table',
                format('%s is there already, and defined otherwise', present),
                'Drop it first, or take another name.',
                relation => present
            );
        END IF;
        IF is_plain_view THEN
            RETURN 'plain_view';
        END IF;
        IF (
            SELECT a.materialized_only
            FROM timescaledb_information.continuous_aggregates AS a
            WHERE a.view_name = create_continuous_aggregate.view_name AND a.view_schema = create_continuous_aggregate.view_schema
        ) <> create_continuous_aggregate.materialized_only THEN
            PERFORM alter_continuous_aggregate(view_name, materialized_only, view_schema);
        END IF;
        RETURN 'already_there';
    END IF;
    IF is_plain_view THEN
        PERFORM set_config('search_path', definition_search_path, true);
        EXECUTE format('CREATE VIEW %s WITH (security_invoker = true) AS %s', qualified, plain_definition);
    ELSE
        -- With the schema of time_bucket. Both hold until this function ends.
        PERFORM set_config('search_path', format('%s, %I', definition_search_path, timescaledb_schema()), true);
        EXECUTE format(
            'CREATE MATERIALIZED VIEW %s WITH (timescaledb.continuous, timescaledb.materialized_only = %L) AS %s WITH NO DATA',
            qualified, materialized_only, definition
        );
    END IF;
    EXECUTE format('COMMENT ON VIEW %s IS %L', qualified, marked);
    RETURN CASE WHEN is_plain_view THEN 'plain_view' ELSE 'created' END;
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_continuous_aggregate(NAME, TEXT, TEXT, BOOLEAN, BOOLEAN, NAME, TEXT) IS 'Makes a continuous aggregate without data, or a plain view, or finds that it is there; what it shows of rows that are not materialized is set all the same. The outcome is created, already_there or plain_view.';

CREATE OR REPLACE FUNCTION diesel_timescale.alter_continuous_aggregate(
    view_name NAME,
    materialized_only BOOLEAN,
    view_schema NAME DEFAULT current_schema()
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER MATERIALIZED VIEW %I.%I SET (timescaledb.materialized_only = %L)', view_schema, view_name, materialized_only);
END
$$;
COMMENT ON FUNCTION diesel_timescale.alter_continuous_aggregate(NAME, BOOLEAN, NAME) IS 'Sets whether a continuous aggregate shows only what it has materialized, or the latest rows as well.';

CREATE OR REPLACE FUNCTION diesel_timescale.drop_continuous_aggregate(view_name NAME, view_schema NAME DEFAULT current_schema()) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF to_regclass(format('%I.%I', view_schema, view_name)) IS NULL THEN
        RETURN false;
    END IF;
    IF is_continuous_aggregate(view_name, view_schema) THEN
        EXECUTE format('DROP MATERIALIZED VIEW %I.%I', view_schema, view_name);
    ELSE
        EXECUTE format('DROP VIEW %I.%I', view_schema, view_name);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.drop_continuous_aggregate(NAME, NAME) IS 'Drops a continuous aggregate, or the plain view in its place. False if there is none.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_refresh_policy(
    view_name NAME,
    start_offset INTERVAL,
    end_offset INTERVAL,
    schedule_interval INTERVAL,
    view_schema NAME DEFAULT current_schema()
) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    job INT;
BEGIN
    PERFORM refuse_refresh_beyond_retention(format('%I.%I', view_schema, view_name)::REGCLASS, start_offset::TEXT);
    PERFORM remove_refresh_policy(view_name, view_schema);
    EXECUTE format('SELECT %I.add_continuous_aggregate_policy($1, $2, $3, $4)', timescaledb_schema())
        INTO job USING format('%I.%I', view_schema, view_name)::REGCLASS, start_offset, end_offset, schedule_interval;
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_refresh_policy(NAME, INTERVAL, INTERVAL, INTERVAL, NAME) IS 'Refreshes a continuous aggregate in the background, from start_offset ago (null: from the beginning) to end_offset ago, and returns the job. Takes the place of a policy that is there.';

CREATE OR REPLACE FUNCTION diesel_timescale.remove_refresh_policy(view_name NAME, view_schema NAME DEFAULT current_schema()) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present BOOLEAN;
BEGIN
    present := EXISTS (
        SELECT
        FROM timescaledb_information.jobs AS j
        JOIN timescaledb_information.continuous_aggregates AS a
            ON a.materialization_hypertable_schema = j.hypertable_schema
            AND a.materialization_hypertable_name = j.hypertable_name
        WHERE j.proc_name = 'policy_refresh_continuous_aggregate'
            AND a.view_name = remove_refresh_policy.view_name AND a.view_schema = remove_refresh_policy.view_schema
    ) OR EXISTS (
        -- Some releases name the view itself.
        SELECT
        FROM timescaledb_information.jobs AS j
        WHERE j.proc_name = 'policy_refresh_continuous_aggregate'
            AND j.hypertable_name = remove_refresh_policy.view_name AND j.hypertable_schema = remove_refresh_policy.view_schema
    );
    IF present THEN
        EXECUTE format('SELECT %I.remove_continuous_aggregate_policy($1)', timescaledb_schema())
            USING format('%I.%I', view_schema, view_name)::REGCLASS;
    END IF;
    RETURN present;
END
$$;
COMMENT ON FUNCTION diesel_timescale.remove_refresh_policy(NAME, NAME) IS 'Removes the refresh policy of a continuous aggregate. False if there is none.';
