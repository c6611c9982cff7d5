// @generated automatically by Diesel CLI.

diesel::table! {
    /// When a room is expected to change its occupancy, why, and the outcome.
    predictions (id) {
        /// Assigned by the database.
        id -> Int8,
        /// The room. Not empty.
        room_id -> Text,
        /// When the prediction was made.
        prediction_time -> Timestamptz,
        /// When the transition is expected.
        predicted_transition_time -> Timestamptz,
        /// Which transition: `occupied_to_vacant`, `vacant_to_occupied` or `state_change`. No other value is accepted.
        transition_type -> Text,
        /// How sure the model is, from 0 to 1.
        confidence_score -> Float8,
        /// The transition is not expected before; never after the upper end.
        prediction_interval_lower -> Nullable<Timestamptz>,
        /// The transition is not expected after.
        prediction_interval_upper -> Nullable<Timestamptz>,
        /// The kind of model, such as `lstm` or `hmm`. Any text is accepted.
        model_type -> Text,
        /// Which version of the model.
        model_version -> Text,
        /// What the prediction rests on: feature to weight, by convention.
        feature_importance -> Nullable<Jsonb>,
        /// Further predictions that the model considered.
        alternatives -> Nullable<Jsonb>,
        /// When the transition took place; null until known, or if it never came.
        actual_transition_time -> Nullable<Timestamptz>,
        /// Minutes between the predicted and the actual transition, without sign.
        accuracy_minutes -> Nullable<Float8>,
        /// Whether that is within the tolerance of whoever validated it.
        is_accurate -> Nullable<Bool>,
        /// When the outcome was recorded; null while validation is pending.
        validation_timestamp -> Nullable<Timestamptz>,
        /// The id of the sensor event that triggered the prediction; null once that event is gone.
        triggering_event_id -> Nullable<Int8>,
        /// When the row was stored.
        created_at -> Timestamptz,
        /// How long the model took, in milliseconds.
        processing_time_ms -> Nullable<Float8>,
    }
}

diesel::table! {
    /// One row for each sensor event that something references. Kept by triggers; not written by hand.
    referenced_events (id) {
        /// The id of the event in `sensor_events`.
        id -> Int8,
        /// The timestamp of the event: with the id its key, and the way to its chunk.
        timestamp -> Timestamptz,
    }
}

diesel::table! {
    /// One row for each reading that a sensor reports. A hypertable on `timestamp` once it is set up.
    sensor_events (id, timestamp) {
        /// Assigned by the database, unique across all chunks. Never reused.
        id -> Int8,
        /// When the sensor reported, to the microsecond. Partitions the hypertable; part of the key.
        timestamp -> Timestamptz,
        /// The room that the sensor is in. Not empty.
        room_id -> Text,
        /// The sensor. Not empty; one reading a sensor and instant.
        sensor_id -> Text,
        /// What the sensor measures, such as `motion` or `temperature`. Any text is accepted.
        sensor_type -> Text,
        /// The state as the sensor reported it, such as `on`, `closed` or `21.5`. Any text is accepted.
        state -> Text,
        /// The state as a number, in the unit of the sensor; null where the state is no number.
        numeric_value -> Nullable<Float8>,
        /// The state that this sensor reported before, if known.
        previous_state -> Nullable<Text>,
        /// Whatever else the sensor reported, a JSON object by convention.
        attributes -> Jsonb,
        /// Whether a person, rather than an automation, caused the event.
        is_human_triggered -> Bool,
        /// How far to trust the reading, from 0 to 1; null where nothing is known.
        confidence_score -> Nullable<Float8>,
        /// When the row was stored.
        created_at -> Timestamptz,
        /// When the application has processed the event; null until then.
        processed_at -> Nullable<Timestamptz>,
    }
}

diesel::joinable!(predictions -> referenced_events (triggering_event_id));

diesel::allow_tables_to_appear_in_same_query!(predictions, referenced_events, sensor_events,);

// Columns that can be selected from a query over events.
diesel_timescale::usable_in_subquery!(sensor_events {
    id,
    timestamp,
    room_id,
    sensor_id,
    sensor_type,
    state,
    numeric_value,
    previous_state,
    attributes,
    is_human_triggered,
    confidence_score,
    created_at,
    processed_at,
});
