-- Import of predictions: what is stored already of a batch, and the events that triggered them.
--
-- Ids are those of one database. In a file, an event goes by its sensor and timestamp, and a prediction by what it
-- says: the room, when it was made, which transition it expects when, and the model. No index keeps the latter unique,
-- as an application may store a prediction twice; so imports take turns, and look for what is stored.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION sensor_event_ids_at(sensor_ids TEXT[], timestamps TIMESTAMPTZ[]) RETURNS TABLE (place BIGINT, event_id BIGINT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    span RECORD;
BEGIN
    PERFORM refuse_uneven_columns(
        'sensor_event_ids_at', cardinality(sensor_ids), ARRAY['sensor_ids', 'timestamps'],
        ARRAY[
            concat(cardinality(sensor_ids), array_dims(sensor_ids)), concat(cardinality(timestamps), array_dims(timestamps))
        ]
    );
    FOR span IN
        SELECT
            min(g.at) AS lower, max(g.at) AS upper, array_agg(g.place) AS places,
            array_agg(g.sensor_id) AS sensors, array_agg(g.at) AS instants
        FROM unnest(sensor_ids, timestamps) WITH ORDINALITY AS g (sensor_id, at, place)
        WHERE g.sensor_id IS NOT NULL AND g.at IS NOT NULL
        -- A week has a handful of chunks at most, unless they are hours long.
        GROUP BY floor(extract(EPOCH FROM g.at) / 604800)
    LOOP
        RETURN QUERY EXECUTE '
            SELECT g.place, e.id
            FROM unnest($1, $2, $3) AS g (place, sensor_id, at)
            JOIN sensor_events AS e ON e.sensor_id = g.sensor_id AND e.timestamp = g.at
            WHERE e.timestamp BETWEEN $4 AND $5'
        USING span.places, span.sensors, span.instants, span.lower, span.upper;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sensor_event_ids_at(TEXT[], TIMESTAMPTZ[]) IS 'The ids of the events of these sensors at these instants, as far as they exist, each with its place among them, from 1. A null is left out. Reads only the chunks of those weeks.';

CREATE FUNCTION predictions_to_import(
    room_ids TEXT[],
    prediction_times TIMESTAMPTZ[],
    predicted_transition_times TIMESTAMPTZ[],
    transition_types TEXT[],
    model_types TEXT[],
    model_versions TEXT[],
    have_outcomes BOOLEAN[],
    sensor_ids TEXT[],
    event_timestamps TIMESTAMPTZ[]
) RETURNS TABLE (id BIGINT, is_stored BOOLEAN, lacks_outcome BOOLEAN, lacks_event BOOLEAN, event_id BIGINT)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    stored_ids BIGINT[];
    incomplete_ids BIGINT[];
BEGIN
    PERFORM refuse_uneven_columns(
        'predictions_to_import', cardinality(room_ids),
        ARRAY[
            'room_ids', 'prediction_times', 'predicted_transition_times', 'transition_types', 'model_types', 'model_versions',
            'have_outcomes', 'sensor_ids', 'event_timestamps'
        ],
        ARRAY[
            concat(cardinality(room_ids), array_dims(room_ids)),
            concat(cardinality(prediction_times), array_dims(prediction_times)),
            concat(cardinality(predicted_transition_times), array_dims(predicted_transition_times)),
            concat(cardinality(transition_types), array_dims(transition_types)),
            concat(cardinality(model_types), array_dims(model_types)),
            concat(cardinality(model_versions), array_dims(model_versions)),
            concat(cardinality(have_outcomes), array_dims(have_outcomes)),
            concat(cardinality(sensor_ids), array_dims(sensor_ids)),
            concat(cardinality(event_timestamps), array_dims(event_timestamps))
        ]
    );
    IF diesel_timescale.snapshot_may_be_old() THEN
        PERFORM diesel_timescale.refuse(
            'diesel_timescale:isolation_too_high', 'invalid_transaction_state',
            format('an import of predictions cannot run under %s', upper(current_setting('transaction_isolation'))),
            'Run it under READ COMMITTED.',
            detail => 'It could not see, and so would store again, what was imported after its snapshot.',
            relation => 'predictions'
        );
    END IF;
    -- Nobody else who reads or writes predictions waits for this.
    LOCK TABLE predictions IN SHARE UPDATE EXCLUSIVE MODE;
    -- By EXECUTE, so that it is planned for the size that the table has now.
    EXECUTE '
        SELECT array_agg(p.id ORDER BY g.place), array_agg(p.id) FILTER (WHERE p.is_incomplete)
        FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY AS g (
            room_id, prediction_time, predicted_transition_time, transition_type, model_type, model_version,
            has_outcome, sensor_id, place
        )
        LEFT JOIN LATERAL (
            SELECT
                p.id,
                g.has_outcome AND p.validation_timestamp IS NULL
                    OR g.sensor_id IS NOT NULL AND p.triggering_event_id IS NULL AS is_incomplete
            FROM predictions AS p
            WHERE (p.room_id, p.prediction_time, p.predicted_transition_time)
                    = (g.room_id, g.prediction_time, g.predicted_transition_time)
                AND (p.transition_type, p.model_type, p.model_version) = (g.transition_type, g.model_type, g.model_version)
            -- Of several the oldest. An expression, so that they are not looked for along the primary key.
            ORDER BY p.id + 0
            LIMIT 1
        ) AS p ON true'
        INTO stored_ids, incomplete_ids
        USING
            room_ids, prediction_times, predicted_transition_times, transition_types, model_types, model_versions,
            have_outcomes, sensor_ids;
    -- What is going to be completed is locked, in the order of the ids: what others record meanwhile is seen, and
    -- stays.
    RETURN QUERY
        WITH incomplete AS MATERIALIZED (
            SELECT p.id, p.validation_timestamp IS NULL AS lacks_outcome, p.triggering_event_id IS NULL AS lacks_event
            FROM predictions AS p
            WHERE p.id = ANY (incomplete_ids)
            ORDER BY p.id
            FOR NO KEY UPDATE
        )
        SELECT
            coalesce(g.id, nextval(pg_get_serial_sequence('predictions', 'id'))),
            g.id IS NOT NULL,
            g.id IS NULL OR coalesce(i.lacks_outcome, false),
            g.id IS NULL OR coalesce(i.lacks_event, false),
            e.event_id
        FROM unnest(stored_ids) WITH ORDINALITY AS g (id, place)
        LEFT JOIN incomplete AS i ON i.id = g.id
        LEFT JOIN sensor_event_ids_at(sensor_ids, event_timestamps) AS e ON e.place = g.place
        ORDER BY g.place;
END
$$;
COMMENT ON FUNCTION predictions_to_import(TEXT[], TIMESTAMPTZ[], TIMESTAMPTZ[], TEXT[], TEXT[], TEXT[], BOOLEAN[], TEXT[], TIMESTAMPTZ[]) IS 'For each of these predictions, in order: the id of the one that is stored already, or a new one; whether an outcome and a triggering event are to be stored; the id of the event of its sensor and timestamp, if there is one. Imports wait for each other to the end of their transactions.';
