-- Reading events whose chunks are known only when the query runs, and recording outcomes.
--
-- A join determines at run time which chunks it needs: all of them are planned, and each is probed for every row. These
-- functions look up the timestamps first, and then run one statement (by EXECUTE, so that it is planned for its values)
-- for each span of time that has any.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- What a function of this file takes as a batch: each column one array of as many elements, counted from 1. An array that
-- is shorter, NULL, or counted from elsewhere would lose values silently, because a subscript beyond its end reads NULL.
-- `shapes` has `concat(cardinality(a), array_dims(a))` of each column.
CREATE FUNCTION refuse_uneven_columns(function_name TEXT, rows INT, columns TEXT[], shapes TEXT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    expected CONSTANT TEXT := CASE WHEN rows > 0 THEN format('%s[1:%s]', rows, rows) ELSE '0' END;
    wrong RECORD;
BEGIN
    SELECT c.name, c.shape INTO wrong
    FROM unnest(columns, shapes) WITH ORDINALITY AS c (name, shape, position)
    WHERE c.shape <> expected
    ORDER BY c.position
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format(
                '%s(): %s is %s, and %s has %s elements', function_name, wrong.name,
                CASE
                    WHEN wrong.shape = '' THEN 'NULL'
                    WHEN wrong.shape = '0' THEN 'empty'
                    ELSE 'an array of ' || replace(wrong.shape, '[', ' [')
                END,
                columns[1], coalesce(rows, 0)
            ),
            HINT = 'Give every column one element for each row, counted from 1.',
            COLUMN = wrong.name,
            CONSTRAINT = 'occupancy_models:uneven_columns';
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_uneven_columns(TEXT, INT, TEXT[], TEXT[]) IS 'Raises an error if the columns of a batch are not arrays of the same length.';

CREATE FUNCTION sensor_event_by_id(event_id BIGINT) RETURNS SETOF sensor_events
LANGUAGE plpgsql STABLE ROWS 1
SET search_path FROM CURRENT
AS $$
DECLARE
    found_at TIMESTAMPTZ;
BEGIN
    RETURN QUERY EXECUTE 'SELECT * FROM sensor_events WHERE id = $1 AND timestamp >= $2' USING event_id, now() - INTERVAL '1 day';
    IF FOUND THEN
        RETURN;
    END IF;
    found_at := diesel_timescale.time_of_id('sensor_events', 'id', 'timestamp', event_id, NULL::TIMESTAMPTZ);
    IF found_at IS NOT NULL THEN
        RETURN QUERY EXECUTE 'SELECT * FROM sensor_events WHERE id = $1 AND timestamp = $2' USING event_id, found_at;
    ELSE
        RETURN QUERY EXECUTE 'SELECT * FROM sensor_events WHERE id = $1' USING event_id;
    END IF;
END
$$;
COMMENT ON FUNCTION sensor_event_by_id(BIGINT) IS 'The event with this id, if there is one. Looks into the last day, then where ids and times that rise together lead, then everything.';

CREATE FUNCTION sensor_events_by_keys(ids BIGINT[], timestamps TIMESTAMPTZ[]) RETURNS SETOF sensor_events
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    span RECORD;
BEGIN
    PERFORM refuse_uneven_columns(
        'sensor_events_by_keys', cardinality(ids),
        ARRAY[
            'ids', 'timestamps'
        ],
        ARRAY[
            concat(cardinality(ids), array_dims(ids)), concat(cardinality(timestamps), array_dims(timestamps))
        ]
    );
    FOR span IN
        SELECT min(key.timestamp) AS lower, max(key.timestamp) AS upper, array_agg(key.id ORDER BY key.id) AS ids
        FROM unnest(ids, timestamps) AS key (id, timestamp)
        -- A week has a handful of chunks at most, unless they are hours long.
        GROUP BY date_bin('7 days', key.timestamp, '2000-01-03')
    LOOP
        -- An id has one timestamp, so the ids alone name the events. From a subquery, because the planner would look
        -- at each of them for each chunk; sorted, because each chunk would sort them for its index.
        RETURN QUERY EXECUTE '
            SELECT *
            FROM sensor_events
            WHERE id = ANY (ARRAY(SELECT unnest($1))) AND timestamp BETWEEN $2 AND $3'
        USING span.ids, span.lower, span.upper;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sensor_events_by_keys(BIGINT[], TIMESTAMPTZ[]) IS 'The events with these ids and timestamps, as far as they exist, in no order. Reads only the chunks of those weeks. A timestamp that is not the one of its id may find the event all the same.';

-- Not by way of sensor_events_by_keys(), which would copy the rows once more.
CREATE FUNCTION referenced_sensor_events(event_ids BIGINT[]) RETURNS SETOF sensor_events
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    span RECORD;
BEGIN
    FOR span IN
        SELECT min(timestamp) AS lower, max(timestamp) AS upper, array_agg(id ORDER BY id) AS ids
        FROM referenced_events
        WHERE id = ANY (event_ids)
        GROUP BY date_bin('7 days', timestamp, '2000-01-03')
    LOOP
        RETURN QUERY EXECUTE '
            SELECT *
            FROM sensor_events
            WHERE id = ANY (ARRAY(SELECT unnest($1))) AND timestamp BETWEEN $2 AND $3'
        USING span.ids, span.lower, span.upper;
    END LOOP;
END
$$;
COMMENT ON FUNCTION referenced_sensor_events(BIGINT[]) IS 'The events with these ids that something references, in no order. Reads only the chunks of those weeks.';

CREATE FUNCTION record_prediction_outcomes(
    ids BIGINT[],
    actual_times TIMESTAMPTZ[],
    tolerance_microseconds BIGINT,
    OUT recorded BIGINT,
    OUT accurate BIGINT,
    OUT missed BIGINT,
    OUT unknown_ids BIGINT[]
)
LANGUAGE sql
SET search_path FROM CURRENT
BEGIN ATOMIC
    SELECT
        refuse_uneven_columns(
            'record_prediction_outcomes', cardinality(ids), ARRAY['ids', 'actual_times'],
            ARRAY[concat(cardinality(ids), array_dims(ids)), concat(cardinality(actual_times), array_dims(actual_times))]
        ),
        refuse_repeated_ids('record_prediction_outcomes', 'predictions', ids);
    WITH outcomes AS (
        SELECT id, actual
        FROM unnest(ids, actual_times) AS outcome (id, actual)
    ), written AS (
        UPDATE predictions
        SET actual_transition_time = outcomes.actual,
            accuracy_minutes = abs(extract(EPOCH FROM outcomes.actual - predicted_transition_time)) / 60,
            is_accurate = coalesce(
                abs(extract(EPOCH FROM outcomes.actual - predicted_transition_time)) * 1000000 <= tolerance_microseconds,
                false
            ),
            validation_timestamp = now()
        FROM outcomes
        WHERE predictions.id = outcomes.id
        RETURNING predictions.id, is_accurate, actual_transition_time
    )
    SELECT
        count(*),
        count(*) FILTER (WHERE is_accurate),
        count(*) FILTER (WHERE actual_transition_time IS NULL),
        ARRAY(SELECT id FROM outcomes WHERE id NOT IN (SELECT id FROM written) ORDER BY id)
    FROM written;
END;
COMMENT ON FUNCTION record_prediction_outcomes(BIGINT[], TIMESTAMPTZ[], BIGINT) IS 'Records when the transitions of these predictions took place (null: never), and whether that was within the tolerance of the predicted time.';

-- Recent windows first: what reports at all has mostly reported lately, and a window plans only its own chunks.
CREATE FUNCTION latest_sensor_events(sensor_ids TEXT[], as_of TIMESTAMPTZ, since TIMESTAMPTZ) RETURNS SETOF sensor_events
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    remaining TEXT[] := ARRAY(SELECT DISTINCT s FROM unnest(sensor_ids) AS s);
    look_back INTERVAL;
    found sensor_events[];
BEGIN
    FOREACH look_back IN ARRAY ARRAY[INTERVAL '6 hours', INTERVAL '2 days', INTERVAL '30 days', NULL] LOOP
        EXIT WHEN remaining = '{}';
        -- A probe of the index of (sensor_id, timestamp) for each sensor, from the newest chunk back.
        EXECUTE
            'SELECT coalesce(array_agg(last.event), ARRAY[]::sensor_events[])
            FROM unnest($1) AS s
            CROSS JOIN LATERAL (
                SELECT e AS event
                FROM sensor_events AS e
                WHERE e.sensor_id = s AND e.timestamp <= $2 AND e.timestamp >= $3
                ORDER BY e.timestamp DESC
                LIMIT 1
            ) AS last'
            INTO found
            USING remaining, as_of, greatest(since, coalesce(as_of - look_back, '-infinity'));
        RETURN QUERY SELECT e.* FROM unnest(found) AS e;
        EXIT WHEN since >= as_of - look_back;
        remaining := ARRAY(SELECT unnest(remaining) EXCEPT SELECT e.sensor_id FROM unnest(found) AS e);
    END LOOP;
END
$$;
COMMENT ON FUNCTION latest_sensor_events(TEXT[], TIMESTAMPTZ, TIMESTAMPTZ) IS 'The last event of each of these sensors at an instant, not before since, in no order.';
