-- Continuous aggregates, or plain views of the same name and columns where the server has none.
--
-- A continuous aggregate is made without data, which may happen in any transaction, and filled by a refresh, which may
-- not. The comment on the view is its definition, by which a view that is there already is compared.
--
-- A view that may not be there is named by its name and schema, which is that of the caller by default: the defaults of
-- arguments are evaluated before the function's own search_path holds.

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
    definition_search_path TEXT DEFAULT current_setting('search_path'),
    -- The hypertable or continuous aggregate that the definition reads, for an error that helps.
    source REGCLASS DEFAULT NULL,
    -- Their names, in order; none: those of the definition.
    columns NAME[] DEFAULT '{}',
    has_windows BOOLEAN DEFAULT false
) RETURNS TEXT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    feature CONSTANT TEXT := CASE WHEN has_windows THEN 'AggregateWindows' ELSE 'ContinuousAggregates' END;
    qualified CONSTANT TEXT := format('%I.%I', view_schema, view_name);
    present CONSTANT REGCLASS := to_regclass(qualified);
    is_plain_view CONSTANT BOOLEAN := allow_plain_view AND NOT has_feature(feature);
    -- Quoted whether they need it or not, as a declared set-up has them.
    names CONSTANT TEXT := coalesce((
        SELECT '(' || string_agg('"' || replace(name, '"', '""') || '"', ', ' ORDER BY n) || ') ' FROM unnest(columns) WITH ORDINALITY AS c (name, n)
    ), '');
    marked CONSTANT TEXT := CASE WHEN is_plain_view THEN 'View: ' || names || plain_definition ELSE 'Continuous aggregate: ' || names || definition END;
BEGIN
    IF NOT is_plain_view THEN
        PERFORM require_feature(feature);
        IF source IS NOT NULL THEN
            PERFORM require_integer_now(source);
        END IF;
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
            PERFORM alter_continuous_aggregate(present, materialized_only);
        END IF;
        RETURN 'already_there';
    END IF;
    IF is_plain_view THEN
        PERFORM set_config('search_path', definition_search_path, true);
        EXECUTE format('CREATE VIEW %s %sWITH (security_invoker = true) AS %s', qualified, names, plain_definition);
    ELSE
        -- With the schema of time_bucket. Both hold until this function ends.
        PERFORM set_config('search_path', format('%s, %I', definition_search_path, timescaledb_schema()), true);
        IF has_windows THEN
            PERFORM set_config('timescaledb.enable_cagg_window_functions', 'on', true);
        END IF;
        EXECUTE format(
            'CREATE MATERIALIZED VIEW %s %sWITH (timescaledb.continuous, timescaledb.materialized_only = %L) AS %s WITH NO DATA',
            qualified, names, materialized_only, definition
        );
    END IF;
    EXECUTE format('COMMENT ON VIEW %s IS %L', qualified, marked);
    RETURN CASE WHEN is_plain_view THEN 'plain_view' ELSE 'created' END;
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_continuous_aggregate(NAME, TEXT, TEXT, BOOLEAN, BOOLEAN, NAME, TEXT, REGCLASS, NAME[], BOOLEAN) IS 'Makes a continuous aggregate without data, or a plain view, or finds that it is there; what it shows of rows that are not materialized is set all the same. The outcome is created, already_there or plain_view.';

CREATE OR REPLACE FUNCTION diesel_timescale.alter_continuous_aggregate(view REGCLASS, materialized_only BOOLEAN) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER MATERIALIZED VIEW %s SET (timescaledb.materialized_only = %L)', view, materialized_only);
END
$$;
COMMENT ON FUNCTION diesel_timescale.alter_continuous_aggregate(REGCLASS, BOOLEAN) IS 'Sets whether a continuous aggregate shows only what it has materialized, or the latest rows as well.';

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
    view REGCLASS,
    start_offset INTERVAL DEFAULT NULL, start_offset_integer BIGINT DEFAULT NULL,
    end_offset INTERVAL DEFAULT NULL, end_offset_integer BIGINT DEFAULT NULL,
    schedule_interval INTERVAL DEFAULT NULL
) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    time_type CONSTANT REGTYPE := time_type_of(view);
    job INT;
BEGIN
    PERFORM refuse_refresh_beyond_retention(view, coalesce(start_offset::TEXT, start_offset_integer::TEXT));
    PERFORM remove_refresh_policy(view);
    EXECUTE format(
        'SELECT %I.add_continuous_aggregate_policy($1, %s, %s, $6)',
        timescaledb_schema(), length_as(time_type, '$2', '$3'), length_as(time_type, '$4', '$5')
    ) INTO job USING view, start_offset, start_offset_integer, end_offset, end_offset_integer, schedule_interval;
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_refresh_policy(REGCLASS, INTERVAL, BIGINT, INTERVAL, BIGINT, INTERVAL) IS 'Refreshes a continuous aggregate in the background, from start_offset ago (null: from the beginning) to end_offset ago, numbers where its buckets count units, and returns the job. Takes the place of a policy that is there.';

CREATE OR REPLACE FUNCTION diesel_timescale.remove_refresh_policy(view REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT BOOLEAN := policy_job(view, 'policy_refresh_continuous_aggregate') IS NOT NULL;
BEGIN
    IF present THEN
        EXECUTE format('SELECT %I.remove_continuous_aggregate_policy($1)', timescaledb_schema()) USING view;
    END IF;
    RETURN present;
END
$$;
COMMENT ON FUNCTION diesel_timescale.remove_refresh_policy(REGCLASS) IS 'Removes the refresh policy of a continuous aggregate. False if there is none.';
