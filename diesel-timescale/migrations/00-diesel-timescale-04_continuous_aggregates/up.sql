-- Continuous aggregates, or plain views of the same name and columns where the server has none.
--
-- A continuous aggregate is made without data, which may happen in any transaction, and filled by a refresh, which may
-- not. The comment on the view is its definition: what is there already is told by it from what is another view.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION is_continuous_aggregate(view_name NAME) RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    IF to_regclass('timescaledb_information.continuous_aggregates') IS NULL THEN
        RETURN false;
    END IF;
    RETURN EXISTS (
        SELECT
        FROM timescaledb_information.continuous_aggregates AS a
        WHERE a.view_name = is_continuous_aggregate.view_name AND view_schema = current_schema()
    );
END
$$;
COMMENT ON FUNCTION is_continuous_aggregate(NAME) IS 'Whether this view, in this schema, is a continuous aggregate.';

CREATE FUNCTION create_continuous_aggregate(
    view_name NAME,
    definition TEXT,
    is_plain_view BOOLEAN,
    materialized_only BOOLEAN
) RETURNS TEXT
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    present CONSTANT REGCLASS := to_regclass(quote_ident(current_schema()) || '.' || quote_ident(view_name));
    marked CONSTANT TEXT := CASE WHEN is_plain_view THEN 'View: ' ELSE 'Continuous aggregate: ' END || definition;
BEGIN
    IF present IS NOT NULL THEN
        IF obj_description(present, 'pg_class') IS DISTINCT FROM marked THEN
            RAISE EXCEPTION USING
                ERRCODE = 'duplicate_table',
                MESSAGE = format('%s is there already, and defined otherwise', present),
                HINT = 'Drop it first, or take another name.',
                TABLE = view_name, CONSTRAINT = 'occupancy_models:other_aggregate';
        END IF;
        IF is_plain_view THEN
            RETURN 'plain_view';
        END IF;
        IF (
            SELECT a.materialized_only
            FROM timescaledb_information.continuous_aggregates AS a
            WHERE a.view_name = create_continuous_aggregate.view_name AND a.view_schema = current_schema()
        ) <> create_continuous_aggregate.materialized_only THEN
            PERFORM alter_continuous_aggregate(view_name, materialized_only);
        END IF;
        RETURN 'already_there';
    END IF;
    IF is_plain_view THEN
        EXECUTE format('CREATE VIEW %I AS %s', view_name, definition);
    ELSE
        -- For time_bucket, until this function ends.
        PERFORM set_config('search_path', format('%s, %I', current_setting('search_path'), timescaledb_schema()), true);
        EXECUTE format(
            'CREATE MATERIALIZED VIEW %I WITH (timescaledb.continuous, timescaledb.materialized_only = %L) AS %s WITH NO DATA',
            view_name, materialized_only, definition
        );
    END IF;
    EXECUTE format('COMMENT ON VIEW %I IS %L', view_name, marked);
    RETURN CASE WHEN is_plain_view THEN 'plain_view' ELSE 'created' END;
END
$$;
COMMENT ON FUNCTION create_continuous_aggregate(NAME, TEXT, BOOLEAN, BOOLEAN) IS 'Makes a continuous aggregate without data, or a plain view, or finds that it is there; what it shows of rows that are not materialized is set all the same. The outcome is created, already_there or plain_view.';

CREATE FUNCTION alter_continuous_aggregate(view_name NAME, materialized_only BOOLEAN) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    EXECUTE format('ALTER MATERIALIZED VIEW %I SET (timescaledb.materialized_only = %L)', view_name, materialized_only);
END
$$;
COMMENT ON FUNCTION alter_continuous_aggregate(NAME, BOOLEAN) IS 'Sets whether a continuous aggregate shows only what it has materialized, or the latest rows as well.';

CREATE FUNCTION drop_continuous_aggregate(view_name NAME) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF to_regclass(quote_ident(current_schema()) || '.' || quote_ident(view_name)) IS NULL THEN
        RETURN false;
    END IF;
    IF is_continuous_aggregate(view_name) THEN
        EXECUTE format('DROP MATERIALIZED VIEW %I', view_name);
    ELSE
        EXECUTE format('DROP VIEW %I', view_name);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION drop_continuous_aggregate(NAME) IS 'Drops a continuous aggregate, or the plain view in its place. False if there is none.';

CREATE FUNCTION set_refresh_policy(
    view_name NAME,
    start_offset INTERVAL,
    end_offset INTERVAL,
    schedule_interval INTERVAL
) RETURNS INT
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    job INT;
BEGIN
    PERFORM unset_refresh_policy(view_name);
    EXECUTE format('SELECT %I.add_continuous_aggregate_policy($1, $2, $3, $4)', timescaledb_schema())
        INTO job USING quote_ident(view_name)::REGCLASS, start_offset, end_offset, schedule_interval;
    RETURN job;
END
$$;
COMMENT ON FUNCTION set_refresh_policy(NAME, INTERVAL, INTERVAL, INTERVAL) IS 'Refreshes a continuous aggregate in the background, from start_offset ago (null: from the beginning) to end_offset ago, and returns the job. Takes the place of a policy that is there.';

CREATE FUNCTION unset_refresh_policy(view_name NAME) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path FROM CURRENT
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
            AND a.view_name = unset_refresh_policy.view_name AND a.view_schema = current_schema()
    ) OR EXISTS (
        -- Some releases name the view itself.
        SELECT
        FROM timescaledb_information.jobs AS j
        WHERE j.proc_name = 'policy_refresh_continuous_aggregate'
            AND j.hypertable_name = unset_refresh_policy.view_name AND j.hypertable_schema = current_schema()
    );
    IF present THEN
        EXECUTE format('SELECT %I.remove_continuous_aggregate_policy($1)', timescaledb_schema())
            USING quote_ident(view_name)::REGCLASS;
    END IF;
    RETURN present;
END
$$;
COMMENT ON FUNCTION unset_refresh_policy(NAME) IS 'Removes the refresh policy of a continuous aggregate. False if there is none.';

-- Predictions are no hypertable, so this is a plain view on every server.
CREATE VIEW daily_prediction_accuracy AS
SELECT
    date_bin(INTERVAL '1 day', prediction_time, TIMESTAMPTZ '2000-01-03 00:00+00') AS bucket,
    room_id,
    model_type,
    count(*) AS predictions,
    count(validation_timestamp) AS validated,
    count(*) FILTER (WHERE is_accurate) AS accurate,
    avg(accuracy_minutes) AS mean_error_minutes,
    sqrt(avg(accuracy_minutes * accuracy_minutes)) AS rmse_minutes
FROM predictions
GROUP BY 1, 2, 3;
COMMENT ON VIEW daily_prediction_accuracy IS 'How accurate the predictions of a day were, by room and kind of model.';
COMMENT ON COLUMN daily_prediction_accuracy.bucket IS 'The day, from midnight UTC, that the predictions were made on.';
COMMENT ON COLUMN daily_prediction_accuracy.room_id IS 'The room.';
COMMENT ON COLUMN daily_prediction_accuracy.model_type IS 'The kind of model.';
COMMENT ON COLUMN daily_prediction_accuracy.predictions IS 'How many predictions were made.';
COMMENT ON COLUMN daily_prediction_accuracy.validated IS 'How many of them are validated.';
COMMENT ON COLUMN daily_prediction_accuracy.accurate IS 'How many of them were accurate.';
COMMENT ON COLUMN daily_prediction_accuracy.mean_error_minutes IS 'The mean of the minutes between predicted and actual transition; null where none took place.';
COMMENT ON COLUMN daily_prediction_accuracy.rmse_minutes IS 'The root of the mean of the squares of those minutes.';
