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

-- What a function of this file takes as a batch: each column one array of as many elements, counted from 1. An array that
-- is shorter, NULL, or counted from elsewhere would lose values silently, because a subscript beyond its end reads NULL.
-- `shapes` has `concat(cardinality(a), array_dims(a))` of each column.
CREATE FUNCTION refuse_uneven_columns(function_name TEXT, rows INT, columns TEXT[], shapes TEXT[], may_be_empty TEXT[] DEFAULT '{}') RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    expected CONSTANT TEXT := CASE WHEN rows > 0 THEN format('%s[1:%s]', rows, rows) ELSE '0' END;
    wrong RECORD;
BEGIN
    SELECT c.name, c.shape INTO wrong
    FROM unnest(columns, shapes) WITH ORDINALITY AS c (name, shape, position)
    WHERE c.shape <> expected AND NOT (c.shape = '0' AND c.name = ANY (may_be_empty))
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
            HINT = 'Give every column one element for each row, counted from 1. Only a column that may be null may be empty instead, which means null in every row.',
            COLUMN = wrong.name,
            CONSTRAINT = 'occupancy_models:uneven_columns';
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_uneven_columns(TEXT, INT, TEXT[], TEXT[], TEXT[]) IS 'Raises an error if the columns of a batch are not arrays of the same length.';

CREATE FUNCTION refuse_repeated_ids(function_name TEXT, table_name TEXT, ids BIGINT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    repeated RECORD;
BEGIN
    SELECT id INTO repeated FROM unnest(ids) AS id GROUP BY id HAVING count(*) > 1 OR id IS NULL ORDER BY id LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF repeated.id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = format('%s(): an element of ids is NULL', function_name),
            HINT = 'Give the id of each row.',
            COLUMN = 'ids', CONSTRAINT = 'occupancy_models:uneven_columns';
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'cardinality_violation',
        MESSAGE = format('%s(): the id %s comes twice', function_name, repeated.id),
        HINT = 'Give each id once, with the row that counts.',
        TABLE = table_name, COLUMN = repeated.id::TEXT, CONSTRAINT = 'occupancy_models:id_repeated';
END
$$;
COMMENT ON FUNCTION refuse_repeated_ids(TEXT, TEXT, BIGINT[]) IS 'Raises an error if an id is null or comes twice.';

CREATE FUNCTION refuse_unknown_ids(table_name TEXT, ids BIGINT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    handed_out CONSTANT BIGINT := coalesce(pg_sequence_last_value(pg_get_serial_sequence(table_name, 'id')::REGCLASS), 0);
    unknown_id CONSTANT BIGINT := (SELECT min(id) FROM unnest(ids) AS id WHERE id > handed_out OR id < 1);
BEGIN
    IF unknown_id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the id %s was never handed out', unknown_id),
            HINT = 'Reserve ids first, or let the database assign them.',
            TABLE = table_name, COLUMN = unknown_id::TEXT, CONSTRAINT = 'occupancy_models:id_not_handed_out';
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_unknown_ids(TEXT, BIGINT[]) IS 'Raises an error if the sequence of the table has not handed an id out.';

-- Columns are read by subscript where the plan is kept: that takes half the time of unnest() with many arrays, which
-- keeps each of them in a store of its own. (In EXECUTE each subscript would search its array from the start.) A
-- column of nothing but nulls may come as an empty array: both ways read null beyond its end. Attributes come once for
-- all rows that share them, with the position of each row's: reading JSON costs more than all other columns together.
--
-- Whatever is written here is written in one order, by timestamp, sensor and id, whatever order it comes in: two calls
-- with the same rows in different orders would deadlock. Time first, because a call that has to create a chunk waits for
-- every other one that has, so it must have passed all older rows by then. Texts by their bytes, so that the collation
-- plays no part.
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
    PERFORM refuse_uneven_columns(
        'upsert_sensor_events', cardinality(timestamps),
        ARRAY[
            'timestamps', 'room_ids', 'sensor_ids', 'sensor_types', 'states', 'attributes_at', 'human_triggered',
            'numeric_values', 'previous_states', 'confidence_scores', 'processed_ats'
        ],
        ARRAY[
            concat(cardinality(timestamps), array_dims(timestamps)),
            concat(cardinality(room_ids), array_dims(room_ids)),
            concat(cardinality(sensor_ids), array_dims(sensor_ids)),
            concat(cardinality(sensor_types), array_dims(sensor_types)),
            concat(cardinality(states), array_dims(states)),
            concat(cardinality(attributes_at), array_dims(attributes_at)),
            concat(cardinality(human_triggered), array_dims(human_triggered)),
            concat(cardinality(numeric_values), array_dims(numeric_values)),
            concat(cardinality(previous_states), array_dims(previous_states)),
            concat(cardinality(confidence_scores), array_dims(confidence_scores)),
            concat(cardinality(processed_ats), array_dims(processed_ats))
        ],
        ARRAY['numeric_values', 'previous_states', 'confidence_scores', 'processed_ats']
    );
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
                FROM (
                    SELECT i FROM generate_series(1, rows) AS i ORDER BY timestamps[i], sensor_ids[i] COLLATE "C"
                ) AS in_order;
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
    to_write := ARRAY(
        SELECT i
        FROM (SELECT generate_series(1, rows) EXCEPT SELECT unnest(equal)) AS differing (i)
        ORDER BY timestamps[i], sensor_ids[i] COLLATE "C"
    );

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
    PERFORM refuse_uneven_columns(
        'sensor_event_ids', cardinality(timestamps),
        ARRAY[
            'timestamps', 'sensor_ids'
        ],
        ARRAY[
            concat(cardinality(timestamps), array_dims(timestamps)),
            concat(cardinality(sensor_ids), array_dims(sensor_ids))
        ]
    );
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

-- Upsert by key: for ids that are chosen before the row is stored. It lets in no id that exists with another timestamp,
-- none that comes twice, and none that the sequence has not handed out.
--
-- No index can keep the id alone unique, so those who store ids of the same range take turns. They do so by locking rows
-- of this table, which takes rights on it: an advisory lock could be taken, and kept, by any role that can connect.
CREATE TABLE sensor_event_id_locks (
    slot INT PRIMARY KEY CHECK (slot BETWEEN 0 AND 63)
);
COMMENT ON TABLE sensor_event_id_locks IS 'What upserts of sensor events by key lock while they check their ids: a row for each 64th range of 65,536 ids.';
COMMENT ON COLUMN sensor_event_id_locks.slot IS 'The ranges of ids, counted from 0, whose number leaves this remainder when divided by 64.';
INSERT INTO sensor_event_id_locks SELECT generate_series(0, 63);
SELECT diesel_timescale.keep_rows('sensor_event_id_locks', 'slot');

CREATE FUNCTION lock_sensor_event_ids(ids BIGINT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    slots CONSTANT INT[] := ARRAY(SELECT DISTINCT (id >> 16) % 64 FROM unnest(ids) AS id);
    locked BIGINT;
BEGIN
    PERFORM FROM sensor_event_id_locks WHERE slot = ANY (slots) ORDER BY slot FOR UPDATE;
    GET DIAGNOSTICS locked = ROW_COUNT;
    -- A copy of the schema without its data has none of them.
    IF locked < cardinality(slots) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'sensor_event_id_locks lacks rows',
            HINT = 'Run: INSERT INTO sensor_event_id_locks SELECT generate_series(0, 63) ON CONFLICT DO NOTHING',
            TABLE = 'sensor_event_id_locks';
    END IF;
END
$$;
COMMENT ON FUNCTION lock_sensor_event_ids(BIGINT[]) IS 'Waits for, and holds off, every other call for ids of the same ranges to the end of the transaction.';

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
    taken RECORD;
BEGIN
    PERFORM refuse_uneven_columns(
        'upsert_sensor_events_by_key', cardinality(ids),
        ARRAY[
            'ids', 'timestamps', 'room_ids', 'sensor_ids', 'sensor_types', 'states', 'attributes_at',
            'human_triggered', 'numeric_values', 'previous_states', 'confidence_scores', 'processed_ats'
        ],
        ARRAY[
            concat(cardinality(ids), array_dims(ids)), concat(cardinality(timestamps), array_dims(timestamps)),
            concat(cardinality(room_ids), array_dims(room_ids)),
            concat(cardinality(sensor_ids), array_dims(sensor_ids)),
            concat(cardinality(sensor_types), array_dims(sensor_types)),
            concat(cardinality(states), array_dims(states)),
            concat(cardinality(attributes_at), array_dims(attributes_at)),
            concat(cardinality(human_triggered), array_dims(human_triggered)),
            concat(cardinality(numeric_values), array_dims(numeric_values)),
            concat(cardinality(previous_states), array_dims(previous_states)),
            concat(cardinality(confidence_scores), array_dims(confidence_scores)),
            concat(cardinality(processed_ats), array_dims(processed_ats))
        ],
        ARRAY['numeric_values', 'previous_states', 'confidence_scores', 'processed_ats']
    );
    PERFORM diesel_timescale.refuse_old_snapshot('sensor_events', 'an upsert by key');
    PERFORM refuse_repeated_ids('upsert_sensor_events_by_key', 'sensor_events', ids);
    PERFORM refuse_unknown_ids('sensor_events', ids);

    PERFORM lock_sensor_event_ids(ids);
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
        SELECT
            ids[i], timestamps[i], room_ids[i], sensor_ids[i], sensor_types[i], states[i], numeric_values[i],
            previous_states[i], attribute_values[attributes_at[i]], human_triggered[i], confidence_scores[i],
            processed_ats[i]
        FROM (
            SELECT i
            FROM generate_series(1, cardinality(ids)) AS i
            ORDER BY timestamps[i], sensor_ids[i] COLLATE "C", ids[i]
        ) AS in_order
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
COMMENT ON FUNCTION upsert_sensor_events_by_key(BIGINT[], TIMESTAMPTZ[], TEXT[], TEXT[], TEXT[], TEXT[], DOUBLE PRECISION[], TEXT[], JSONB[], INT[], BOOLEAN[], DOUBLE PRECISION[], TIMESTAMPTZ[]) IS 'Stores events by ids that were handed out before, each once. Refuses an id that comes twice, that the sequence has not handed out, or that exists with another timestamp.';

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
-- As above: subscripts are fast where the plan is kept.
SET plan_cache_mode TO force_generic_plan
SET jit TO off
AS $$
DECLARE
    -- The trigger registers the events row by row: in one order, as two calls for the same events would deadlock otherwise.
    in_order CONSTANT INT[] := ARRAY(
        SELECT i FROM generate_series(1, cardinality(room_ids)) AS i ORDER BY triggering_event_ids[i], i
    );
BEGIN
    PERFORM refuse_uneven_columns(
        'insert_predictions', cardinality(room_ids),
        ARRAY[
            'room_ids', 'prediction_times', 'predicted_transition_times', 'transition_types', 'confidence_scores',
            'model_types', 'model_versions', 'prediction_interval_lowers', 'prediction_interval_uppers',
            'feature_importances', 'alternative_values', 'triggering_event_ids', 'triggering_event_timestamps',
            'processing_times_ms'
        ],
        ARRAY[
            concat(cardinality(room_ids), array_dims(room_ids)),
            concat(cardinality(prediction_times), array_dims(prediction_times)),
            concat(cardinality(predicted_transition_times), array_dims(predicted_transition_times)),
            concat(cardinality(transition_types), array_dims(transition_types)),
            concat(cardinality(confidence_scores), array_dims(confidence_scores)),
            concat(cardinality(model_types), array_dims(model_types)),
            concat(cardinality(model_versions), array_dims(model_versions)),
            concat(cardinality(prediction_interval_lowers), array_dims(prediction_interval_lowers)),
            concat(cardinality(prediction_interval_uppers), array_dims(prediction_interval_uppers)),
            concat(cardinality(feature_importances), array_dims(feature_importances)),
            concat(cardinality(alternative_values), array_dims(alternative_values)),
            concat(cardinality(triggering_event_ids), array_dims(triggering_event_ids)),
            concat(cardinality(triggering_event_timestamps), array_dims(triggering_event_timestamps)),
            concat(cardinality(processing_times_ms), array_dims(processing_times_ms))
        ],
        ARRAY['prediction_interval_lowers', 'prediction_interval_uppers', 'feature_importances', 'alternative_values', 'triggering_event_ids', 'triggering_event_timestamps', 'processing_times_ms']
    );
    -- A role that may only insert predictions leaves it to the trigger, one by one.
    IF has_function_privilege('register_sensor_events(bigint[], timestamptz[])', 'EXECUTE') THEN
        PERFORM register_sensor_events(triggering_event_ids, triggering_event_timestamps);
    END IF;
    RETURN QUERY
    WITH written AS (
        INSERT INTO predictions (
            room_id, prediction_time, predicted_transition_time, transition_type, confidence_score,
            prediction_interval_lower, prediction_interval_upper, model_type, model_version, feature_importance,
            alternatives, triggering_event_id, processing_time_ms
        )
        SELECT
            room_ids[i], prediction_times[i], predicted_transition_times[i], transition_types[i], confidence_scores[i],
            prediction_interval_lowers[i], prediction_interval_uppers[i], model_types[i], model_versions[i],
            feature_importances[i], alternative_values[i], triggering_event_ids[i], processing_times_ms[i]
        FROM unnest(in_order) AS i
        RETURNING id
    )
    -- A session takes ids from the sequence in ascending order, so the smallest is that of the first row in order.
    SELECT written_in_order.id
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS nth FROM written) AS written_in_order
    JOIN unnest(in_order) WITH ORDINALITY AS given (position, nth) USING (nth)
    ORDER BY given.position;
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
-- As above: subscripts are fast where the plan is kept.
SET plan_cache_mode TO force_generic_plan
SET jit TO off
AS $$
BEGIN
    PERFORM refuse_uneven_columns(
        'upsert_predictions', cardinality(ids),
        ARRAY[
            'ids', 'room_ids', 'prediction_times', 'predicted_transition_times', 'transition_types',
            'confidence_scores', 'model_types', 'model_versions', 'prediction_interval_lowers',
            'prediction_interval_uppers', 'feature_importances', 'alternative_values', 'triggering_event_ids',
            'triggering_event_timestamps', 'processing_times_ms'
        ],
        ARRAY[
            concat(cardinality(ids), array_dims(ids)), concat(cardinality(room_ids), array_dims(room_ids)),
            concat(cardinality(prediction_times), array_dims(prediction_times)),
            concat(cardinality(predicted_transition_times), array_dims(predicted_transition_times)),
            concat(cardinality(transition_types), array_dims(transition_types)),
            concat(cardinality(confidence_scores), array_dims(confidence_scores)),
            concat(cardinality(model_types), array_dims(model_types)),
            concat(cardinality(model_versions), array_dims(model_versions)),
            concat(cardinality(prediction_interval_lowers), array_dims(prediction_interval_lowers)),
            concat(cardinality(prediction_interval_uppers), array_dims(prediction_interval_uppers)),
            concat(cardinality(feature_importances), array_dims(feature_importances)),
            concat(cardinality(alternative_values), array_dims(alternative_values)),
            concat(cardinality(triggering_event_ids), array_dims(triggering_event_ids)),
            concat(cardinality(triggering_event_timestamps), array_dims(triggering_event_timestamps)),
            concat(cardinality(processing_times_ms), array_dims(processing_times_ms))
        ],
        ARRAY['prediction_interval_lowers', 'prediction_interval_uppers', 'feature_importances', 'alternative_values', 'triggering_event_ids', 'triggering_event_timestamps', 'processing_times_ms']
    );
    PERFORM refuse_repeated_ids('upsert_predictions', 'predictions', ids);
    PERFORM refuse_unknown_ids('predictions', ids);
    IF has_function_privilege('register_sensor_events(bigint[], timestamptz[])', 'EXECUTE') THEN
        PERFORM register_sensor_events(triggering_event_ids, triggering_event_timestamps);
    END IF;
    -- Rows that are there are locked in one order, whatever their events are now.
    PERFORM FROM predictions WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
    WITH written AS (
        INSERT INTO predictions AS p (
            id, room_id, prediction_time, predicted_transition_time, transition_type, confidence_score,
            prediction_interval_lower, prediction_interval_upper, model_type, model_version, feature_importance,
            alternatives, triggering_event_id, processing_time_ms
        )
        OVERRIDING SYSTEM VALUE
        SELECT
            ids[i], room_ids[i], prediction_times[i], predicted_transition_times[i], transition_types[i],
            confidence_scores[i], prediction_interval_lowers[i], prediction_interval_uppers[i], model_types[i],
            model_versions[i], feature_importances[i], alternative_values[i], triggering_event_ids[i],
            processing_times_ms[i]
        -- The trigger registers the events row by row, so their order comes first.
        FROM (
            SELECT i FROM generate_series(1, cardinality(ids)) AS i ORDER BY triggering_event_ids[i], ids[i]
        ) AS in_order
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
