-- Bulk writes: a batch is one call, each column one array, so the statement is the same for any number of rows.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION reserve_sensor_event_ids(how_many BIGINT) RETURNS SETOF BIGINT
LANGUAGE sql
SET search_path FROM CURRENT
AS $$ SELECT nextval(pg_get_serial_sequence('sensor_events', 'id')) FROM generate_series(1, how_many) $$;
COMMENT ON FUNCTION reserve_sensor_event_ids(BIGINT) IS 'Hands out ids of sensor events, for rows that are stored by key later. Ids that are not used stay unused.';

CREATE FUNCTION reserve_prediction_ids(how_many BIGINT) RETURNS SETOF BIGINT
LANGUAGE sql
SET search_path FROM CURRENT
AS $$ SELECT nextval(pg_get_serial_sequence('predictions', 'id')) FROM generate_series(1, how_many) $$;
COMMENT ON FUNCTION reserve_prediction_ids(BIGINT) IS 'Hands out ids of predictions, for rows that are stored by id later. Ids that are not used stay unused.';

-- Columns are read by subscript where the plan is kept: that takes half the time of unnest() with many arrays, which
-- keeps each of them in a store of its own. (In EXECUTE each subscript would search its array from the start.) A
-- column of nothing but nulls may come as an empty array: both ways read null beyond its end. Attributes come once for
-- all rows that share them, with the position of each row's: reading JSON costs more than all other columns together.
--
-- Upsert by sensor and instant. `sensors`, `earliest` and `latest` tell what the rows span; whoever has the rows finds
-- them sooner than this function would. They only choose the way: wrong ones cost time, and change no result. Three
-- ways, by what the batch turns out to be:
-- * Nothing stored of these sensors in the batch's range of time (a live feed, a first load): a plain INSERT, which
--   is a third faster than one with ON CONFLICT. If somebody else stores one of the rows meanwhile, the next way.
-- * Rows that are stored and equal are left out by a join, which only reads, and the rest goes through ON CONFLICT.
--   (ON CONFLICT alone would lock, and so write, every row that it leaves as it is.)
-- * A batch that is small, or of whose first rows few are stored as they are, goes through ON CONFLICT as it is: a
--   look ahead has to be planned for its range of time, and would leave out too little.
CREATE FUNCTION upsert_sensor_events(
    sensors TEXT[],
    earliest TIMESTAMPTZ,
    latest TIMESTAMPTZ,
    timestamps TIMESTAMPTZ[],
    room_ids TEXT[],
    sensor_ids TEXT[],
    sensor_types TEXT[],
    states TEXT[],
    numeric_values DOUBLE PRECISION[],
    previous_states TEXT[],
    attribute_values JSONB[],
    attributes_at INT[],
    human_triggered BOOLEAN[],
    confidence_scores DOUBLE PRECISION[],
    processed_ats TIMESTAMPTZ[],
    OUT inserted BIGINT,
    OUT updated BIGINT,
    OUT unchanged BIGINT
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
-- A plan for given arrays would hold them flat, and each subscript search its array from the start. (EXECUTE plans for
-- given values all the same.)
SET plan_cache_mode TO force_generic_plan
-- The look ahead is a hash join, or a nested loop over the batch: sorting texts, and starting workers, takes longer.
SET enable_mergejoin TO off
-- What comes again was mostly written of late, and is in memory: probing for it beats reading its whole chunk.
SET random_page_cost TO 1
SET max_parallel_workers_per_gather TO 0
SET jit TO off
AS $$
DECLARE
    worth_a_look_ahead CONSTANT INT := 500;
    sample CONSTANT INT := 50;
    rows CONSTANT INT := cardinality(timestamps);
    -- Positions of the rows that are stored as they are. EXISTS, because a plan made for these values then leaves the
    -- other chunks out, which it does not for a LEFT JOIN; and the batch stays the outer side, so that no wrong
    -- estimate of the stored rows makes it read the whole batch for each of them.
    find_equal CONSTANT TEXT :=
        'SELECT coalesce(array_agg(i.position), ARRAY[]::BIGINT[])
        FROM unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) WITH ORDINALITY AS i (
            timestamp, room_id, sensor_id, sensor_type, state, numeric_value, previous_state, attributes,
            is_human_triggered, confidence_score, processed_at, position
        )
        WHERE EXISTS (
            SELECT FROM sensor_events AS e
            WHERE e.sensor_id = i.sensor_id AND e.timestamp = i.timestamp AND e.timestamp BETWEEN $2 AND $3 %s
                AND (
                    e.room_id, e.sensor_type, e.state, e.numeric_value, e.previous_state, e.attributes,
                    e.is_human_triggered, e.confidence_score, e.processed_at
                ) IS NOT DISTINCT FROM (
                    i.room_id, i.sensor_type, i.state, i.numeric_value, i.previous_state, i.attributes,
                    i.is_human_triggered, i.confidence_score, coalesce(i.processed_at, e.processed_at)
                )
        )';
    -- Makes one read of each sensor's range out of a probe for each row. Worth it where the range holds little else.
    of_these_sensors CONSTANT TEXT := 'AND e.sensor_id = ANY ($1)';
    rows_of_a_sensor CONSTANT INT := rows / greatest(cardinality(sensors), 1);
    is_dense BOOLEAN;
    equal BIGINT[] := '{}';
    to_write BIGINT[];
    is_fresh BOOLEAN;
BEGIN
    inserted := 0;
    updated := 0;
    unchanged := 0;
    IF rows >= worth_a_look_ahead THEN
        -- EXECUTE, here and below, because a plan made for these values leaves the other chunks out.
        EXECUTE
            -- The first row alone tells most batches that come again.
            'SELECT NOT EXISTS (SELECT FROM sensor_events WHERE sensor_id = $4 AND timestamp = $5)
                AND NOT EXISTS (
                    SELECT FROM unnest($1) AS sensor
                    CROSS JOIN LATERAL (
                        SELECT FROM sensor_events AS e
                        WHERE e.sensor_id = sensor AND e.timestamp BETWEEN $2 AND $3
                        LIMIT 1
                    ) AS stored
                )'
            INTO is_fresh USING sensors, earliest, latest, sensor_ids[1], timestamps[1];
        IF is_fresh THEN
            BEGIN
                INSERT INTO sensor_events (
                    timestamp, room_id, sensor_id, sensor_type, state, numeric_value, previous_state, attributes,
                    is_human_triggered, confidence_score, processed_at
                )
                SELECT
                    timestamps[i], room_ids[i], sensor_ids[i], sensor_types[i], states[i], numeric_values[i],
                    previous_states[i], attribute_values[attributes_at[i]], human_triggered[i], confidence_scores[i],
                    processed_ats[i]
                FROM generate_series(1, rows) AS i;
                inserted := rows;
                RETURN;
            EXCEPTION WHEN unique_violation THEN
                NULL;
            END;
        END IF;

        EXECUTE format(find_equal, '') INTO equal
            USING
                sensors, earliest, latest, timestamps[:sample], room_ids[:sample], sensor_ids[:sample],
                sensor_types[:sample], states[:sample], numeric_values[:sample], previous_states[:sample],
                ARRAY(SELECT attribute_values[attributes_at[i]] FROM generate_series(1, sample) AS i),
                human_triggered[:sample], confidence_scores[:sample], processed_ats[:sample];
        IF cardinality(equal) >= sample / 4 THEN
            EXECUTE
                'SELECT count(*) <= $4 FROM (
                    SELECT FROM sensor_events WHERE sensor_id = $1 AND timestamp BETWEEN $2 AND $3 LIMIT $4 + 1
                ) AS stored'
                INTO is_dense USING sensor_ids[1], earliest, latest, 4 * rows_of_a_sensor;
            EXECUTE format(find_equal, CASE WHEN is_dense THEN of_these_sensors ELSE '' END) INTO equal
                USING
                    sensors, earliest, latest, timestamps, room_ids, sensor_ids, sensor_types, states, numeric_values,
                    previous_states, ARRAY(SELECT attribute_values[attributes_at[i]] FROM generate_series(1, rows) AS i),
                    human_triggered, confidence_scores, processed_ats;
        END IF;
        IF cardinality(equal) = rows THEN
            unchanged := rows;
            RETURN;
        END IF;
    END IF;
    to_write := CASE
        WHEN equal = '{}' THEN ARRAY(SELECT generate_series(1, rows))
        ELSE ARRAY(SELECT generate_series(1, rows) EXCEPT SELECT unnest(equal) ORDER BY 1)
    END;

    WITH written AS (
        INSERT INTO sensor_events AS e (
            timestamp, room_id, sensor_id, sensor_type, state, numeric_value, previous_state, attributes,
            is_human_triggered, confidence_score, processed_at
        )
        SELECT
            timestamps[i], room_ids[i], sensor_ids[i], sensor_types[i], states[i], numeric_values[i],
            previous_states[i], attribute_values[attributes_at[i]], human_triggered[i], confidence_scores[i],
            processed_ats[i]
        FROM unnest(to_write) AS i
        ON CONFLICT (sensor_id, timestamp) DO UPDATE SET
            room_id = EXCLUDED.room_id,
            sensor_type = EXCLUDED.sensor_type,
            state = EXCLUDED.state,
            numeric_value = EXCLUDED.numeric_value,
            previous_state = EXCLUDED.previous_state,
            attributes = EXCLUDED.attributes,
            is_human_triggered = EXCLUDED.is_human_triggered,
            confidence_score = EXCLUDED.confidence_score,
            processed_at = coalesce(EXCLUDED.processed_at, e.processed_at)
        WHERE (
            e.room_id, e.sensor_type, e.state, e.numeric_value, e.previous_state, e.attributes,
            e.is_human_triggered, e.confidence_score, e.processed_at
        ) IS DISTINCT FROM (
            EXCLUDED.room_id, EXCLUDED.sensor_type, EXCLUDED.state, EXCLUDED.numeric_value, EXCLUDED.previous_state,
            EXCLUDED.attributes, EXCLUDED.is_human_triggered, EXCLUDED.confidence_score,
            coalesce(EXCLUDED.processed_at, e.processed_at)
        )
        -- A row that was there has been locked by this transaction.
        RETURNING e.xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new)
    INTO inserted, updated
    FROM written;
    unchanged := rows - inserted - updated;
END
$$;
COMMENT ON FUNCTION upsert_sensor_events(TEXT[], TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ[], TEXT[], TEXT[], TEXT[], TEXT[], DOUBLE PRECISION[], TEXT[], JSONB[], INT[], BOOLEAN[], DOUBLE PRECISION[], TIMESTAMPTZ[]) IS 'Stores events, each once by sensor and instant. Rows that are stored already are updated where they differ; processed_at is not cleared. No sensor and instant may be repeated among the rows.';

CREATE FUNCTION sensor_event_ids(sensor_ids TEXT[], timestamps TIMESTAMPTZ[], OUT ids BIGINT[])
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    -- Who asks for no keys does not wait for a plan.
    IF cardinality(timestamps) = 0 THEN
        ids := '{}';
        RETURN;
    END IF;
    -- An inner join of its own, because a plan leaves no chunks out for a LEFT JOIN.
    EXECUTE
        'WITH stored AS MATERIALIZED (
            SELECT i.position, e.id
            FROM unnest($1, $2) WITH ORDINALITY AS i (sensor_id, timestamp, position)
            JOIN sensor_events AS e ON e.sensor_id = i.sensor_id AND e.timestamp = i.timestamp
            WHERE e.timestamp BETWEEN $3 AND $4
        )
        SELECT array_agg(stored.id ORDER BY position)
        FROM generate_series(1, cardinality($1)) AS position
        LEFT JOIN stored USING (position)'
        INTO ids
        USING sensor_ids, timestamps, (SELECT min(t) FROM unnest(timestamps) AS t), (SELECT max(t) FROM unnest(timestamps) AS t);
END
$$;
COMMENT ON FUNCTION sensor_event_ids(TEXT[], TIMESTAMPTZ[]) IS 'The ids of the events of these sensors at these instants, in the same order; null where there is none.';

-- Upsert by key: the one door for ids that are chosen before the row is stored. It lets in no id that exists with
-- another timestamp, and none that the sequence has not handed out.
CREATE FUNCTION upsert_sensor_events_by_key(
    ids BIGINT[],
    timestamps TIMESTAMPTZ[],
    room_ids TEXT[],
    sensor_ids TEXT[],
    sensor_types TEXT[],
    states TEXT[],
    numeric_values DOUBLE PRECISION[],
    previous_states TEXT[],
    attribute_values JSONB[],
    attributes_at INT[],
    human_triggered BOOLEAN[],
    confidence_scores DOUBLE PRECISION[],
    processed_ats TIMESTAMPTZ[],
    OUT inserted BIGINT,
    OUT updated BIGINT,
    OUT unchanged BIGINT
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
-- As above: subscripts are fast where the plan is kept.
SET plan_cache_mode TO force_generic_plan
-- A nested loop over the batch and as many stored rows would take the square of their number.
SET enable_nestloop TO off
-- The setting above makes plans look costly enough to be compiled, which takes longer than they run.
SET jit TO off
AS $$
DECLARE
    handed_out CONSTANT BIGINT := coalesce(pg_sequence_last_value(pg_get_serial_sequence('sensor_events', 'id')::REGCLASS), 0);
    unknown_id CONSTANT BIGINT := (SELECT min(id) FROM unnest(ids) AS id WHERE id > handed_out OR id < 1);
    taken RECORD;
BEGIN
    PERFORM diesel_timescale.refuse_old_snapshot('sensor_events', 'an upsert by key');
    IF unknown_id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the id %s was never handed out', unknown_id),
            HINT = 'Reserve ids first, or let the database assign them.',
            TABLE = 'sensor_events', COLUMN = unknown_id::TEXT, CONSTRAINT = 'occupancy_models:id_not_handed_out';
    END IF;

    -- Who stores ids of the same range at the same time takes turns, so that the check below holds. No index can
    -- keep the id alone unique.
    PERFORM pg_advisory_xact_lock('sensor_events'::REGCLASS::INT, (range_of_ids % 2147483647)::INT)
    FROM (SELECT DISTINCT id >> 16 AS range_of_ids FROM unnest(ids) AS id ORDER BY 1) AS ranges;
    EXECUTE
        'SELECT e.id, e.timestamp
        FROM sensor_events AS e
        JOIN unnest($1, $2) AS i (id, timestamp) ON i.id = e.id
        WHERE e.id BETWEEN $3 AND $4 AND e.timestamp <> i.timestamp
        ORDER BY e.id
        LIMIT 1'
        INTO taken
        USING ids, timestamps, (SELECT min(id) FROM unnest(ids) AS id), (SELECT max(id) FROM unnest(ids) AS id);
    IF taken.id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation',
            MESSAGE = format('the id %s belongs to the event of %s', taken.id, taken.timestamp),
            HINT = 'Reserve an id for each event; an id never goes to another one.',
            TABLE = 'sensor_events', COLUMN = taken.id::TEXT, CONSTRAINT = 'occupancy_models:id_taken';
    END IF;

    WITH written AS (
        INSERT INTO sensor_events AS e (
            id, timestamp, room_id, sensor_id, sensor_type, state, numeric_value, previous_state, attributes,
            is_human_triggered, confidence_score, processed_at
        )
        OVERRIDING SYSTEM VALUE
        SELECT *
        FROM unnest(
            ids, timestamps, room_ids, sensor_ids, sensor_types, states, numeric_values, previous_states,
            ARRAY(SELECT attribute_values[attributes_at[i]] FROM generate_series(1, cardinality(ids)) AS i),
            human_triggered, confidence_scores, processed_ats
        )
        ON CONFLICT (id, timestamp) DO UPDATE SET
            room_id = EXCLUDED.room_id,
            sensor_id = EXCLUDED.sensor_id,
            sensor_type = EXCLUDED.sensor_type,
            state = EXCLUDED.state,
            numeric_value = EXCLUDED.numeric_value,
            previous_state = EXCLUDED.previous_state,
            attributes = EXCLUDED.attributes,
            is_human_triggered = EXCLUDED.is_human_triggered,
            confidence_score = EXCLUDED.confidence_score,
            processed_at = coalesce(EXCLUDED.processed_at, e.processed_at)
        WHERE (
            e.room_id, e.sensor_id, e.sensor_type, e.state, e.numeric_value, e.previous_state, e.attributes,
            e.is_human_triggered, e.confidence_score, e.processed_at
        ) IS DISTINCT FROM (
            EXCLUDED.room_id, EXCLUDED.sensor_id, EXCLUDED.sensor_type, EXCLUDED.state, EXCLUDED.numeric_value,
            EXCLUDED.previous_state, EXCLUDED.attributes, EXCLUDED.is_human_triggered, EXCLUDED.confidence_score,
            coalesce(EXCLUDED.processed_at, e.processed_at)
        )
        RETURNING e.xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new)
    INTO inserted, updated
    FROM written;
    unchanged := cardinality(ids) - inserted - updated;
END
$$;
COMMENT ON FUNCTION upsert_sensor_events_by_key(BIGINT[], TIMESTAMPTZ[], TEXT[], TEXT[], TEXT[], TEXT[], DOUBLE PRECISION[], TEXT[], JSONB[], INT[], BOOLEAN[], DOUBLE PRECISION[], TIMESTAMPTZ[]) IS 'Stores events by ids that were handed out before, each once. Refuses an id that the sequence has not handed out, or that exists with another timestamp.';

CREATE FUNCTION insert_predictions(
    room_ids TEXT[],
    prediction_times TIMESTAMPTZ[],
    predicted_transition_times TIMESTAMPTZ[],
    transition_types TEXT[],
    confidence_scores DOUBLE PRECISION[],
    prediction_interval_lowers TIMESTAMPTZ[],
    prediction_interval_uppers TIMESTAMPTZ[],
    model_types TEXT[],
    model_versions TEXT[],
    feature_importances JSONB[],
    alternative_values JSONB[],
    triggering_event_ids BIGINT[],
    triggering_event_timestamps TIMESTAMPTZ[],
    processing_times_ms DOUBLE PRECISION[]
) RETURNS SETOF BIGINT
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    -- A role that may only insert predictions leaves it to the trigger, one by one.
    IF has_function_privilege('register_sensor_events(bigint[], timestamptz[])', 'EXECUTE') THEN
        PERFORM register_sensor_events(triggering_event_ids, triggering_event_timestamps);
    END IF;
    RETURN QUERY
    INSERT INTO predictions (
        room_id, prediction_time, predicted_transition_time, transition_type, confidence_score,
        prediction_interval_lower, prediction_interval_upper, model_type, model_version, feature_importance,
        alternatives, triggering_event_id, processing_time_ms
    )
    SELECT *
    FROM unnest(
        room_ids, prediction_times, predicted_transition_times, transition_types, confidence_scores,
        prediction_interval_lowers, prediction_interval_uppers, model_types, model_versions, feature_importances,
        alternative_values, triggering_event_ids, processing_times_ms
    )
    RETURNING id;
END
$$;
COMMENT ON FUNCTION insert_predictions(TEXT[], TIMESTAMPTZ[], TIMESTAMPTZ[], TEXT[], DOUBLE PRECISION[], TIMESTAMPTZ[], TIMESTAMPTZ[], TEXT[], TEXT[], JSONB[], JSONB[], BIGINT[], TIMESTAMPTZ[], DOUBLE PRECISION[]) IS 'Stores predictions, registering their triggering events in one pass, and returns their ids in the order of the rows.';

CREATE FUNCTION upsert_predictions(
    ids BIGINT[],
    room_ids TEXT[],
    prediction_times TIMESTAMPTZ[],
    predicted_transition_times TIMESTAMPTZ[],
    transition_types TEXT[],
    confidence_scores DOUBLE PRECISION[],
    prediction_interval_lowers TIMESTAMPTZ[],
    prediction_interval_uppers TIMESTAMPTZ[],
    model_types TEXT[],
    model_versions TEXT[],
    feature_importances JSONB[],
    alternative_values JSONB[],
    triggering_event_ids BIGINT[],
    triggering_event_timestamps TIMESTAMPTZ[],
    processing_times_ms DOUBLE PRECISION[],
    OUT inserted BIGINT,
    OUT updated BIGINT,
    OUT unchanged BIGINT
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    handed_out CONSTANT BIGINT := coalesce(pg_sequence_last_value(pg_get_serial_sequence('predictions', 'id')::REGCLASS), 0);
    unknown_id CONSTANT BIGINT := (SELECT min(id) FROM unnest(ids) AS id WHERE id > handed_out OR id < 1);
BEGIN
    IF unknown_id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the id %s was never handed out', unknown_id),
            HINT = 'Reserve ids first, or let the database assign them.',
            TABLE = 'predictions', COLUMN = unknown_id::TEXT, CONSTRAINT = 'occupancy_models:id_not_handed_out';
    END IF;
    IF has_function_privilege('register_sensor_events(bigint[], timestamptz[])', 'EXECUTE') THEN
        PERFORM register_sensor_events(triggering_event_ids, triggering_event_timestamps);
    END IF;
    WITH written AS (
        INSERT INTO predictions AS p (
            id, room_id, prediction_time, predicted_transition_time, transition_type, confidence_score,
            prediction_interval_lower, prediction_interval_upper, model_type, model_version, feature_importance,
            alternatives, triggering_event_id, processing_time_ms
        )
        OVERRIDING SYSTEM VALUE
        SELECT *
        FROM unnest(
            ids, room_ids, prediction_times, predicted_transition_times, transition_types, confidence_scores,
            prediction_interval_lowers, prediction_interval_uppers, model_types, model_versions, feature_importances,
            alternative_values, triggering_event_ids, processing_times_ms
        )
        ON CONFLICT (id) DO UPDATE SET
            room_id = EXCLUDED.room_id,
            prediction_time = EXCLUDED.prediction_time,
            predicted_transition_time = EXCLUDED.predicted_transition_time,
            transition_type = EXCLUDED.transition_type,
            confidence_score = EXCLUDED.confidence_score,
            prediction_interval_lower = EXCLUDED.prediction_interval_lower,
            prediction_interval_upper = EXCLUDED.prediction_interval_upper,
            model_type = EXCLUDED.model_type,
            model_version = EXCLUDED.model_version,
            feature_importance = EXCLUDED.feature_importance,
            alternatives = EXCLUDED.alternatives,
            triggering_event_id = EXCLUDED.triggering_event_id,
            processing_time_ms = EXCLUDED.processing_time_ms
        WHERE (
            p.room_id, p.prediction_time, p.predicted_transition_time, p.transition_type, p.confidence_score,
            p.prediction_interval_lower, p.prediction_interval_upper, p.model_type, p.model_version,
            p.feature_importance, p.alternatives, p.triggering_event_id, p.processing_time_ms
        ) IS DISTINCT FROM (
            EXCLUDED.room_id, EXCLUDED.prediction_time, EXCLUDED.predicted_transition_time, EXCLUDED.transition_type,
            EXCLUDED.confidence_score, EXCLUDED.prediction_interval_lower, EXCLUDED.prediction_interval_upper,
            EXCLUDED.model_type, EXCLUDED.model_version, EXCLUDED.feature_importance, EXCLUDED.alternatives,
            EXCLUDED.triggering_event_id, EXCLUDED.processing_time_ms
        )
        RETURNING p.xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new)
    INTO inserted, updated
    FROM written;
    unchanged := cardinality(ids) - inserted - updated;
END
$$;
COMMENT ON FUNCTION upsert_predictions(BIGINT[], TEXT[], TIMESTAMPTZ[], TIMESTAMPTZ[], TEXT[], DOUBLE PRECISION[], TIMESTAMPTZ[], TIMESTAMPTZ[], TEXT[], TEXT[], JSONB[], JSONB[], BIGINT[], TIMESTAMPTZ[], DOUBLE PRECISION[]) IS 'Stores predictions by ids that were handed out before, each once. What validation has recorded stays.';
