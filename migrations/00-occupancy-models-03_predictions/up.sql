-- Predictions: when a room is expected to change its occupancy, and their outcomes.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE TABLE predictions (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id TEXT NOT NULL CHECK (room_id <> ''),
    prediction_time TIMESTAMPTZ NOT NULL DEFAULT now(),
    predicted_transition_time TIMESTAMPTZ NOT NULL,
    transition_type TEXT NOT NULL
        CHECK (transition_type IN ('occupied_to_vacant', 'vacant_to_occupied', 'state_change')),
    confidence_score DOUBLE PRECISION NOT NULL CHECK (confidence_score BETWEEN 0 AND 1),
    prediction_interval_lower TIMESTAMPTZ,
    prediction_interval_upper TIMESTAMPTZ,
    model_type TEXT NOT NULL CHECK (model_type <> ''),
    model_version TEXT NOT NULL,
    feature_importance JSONB,
    alternatives JSONB,
    actual_transition_time TIMESTAMPTZ,
    accuracy_minutes DOUBLE PRECISION CHECK (accuracy_minutes >= 0),
    is_accurate BOOLEAN,
    validation_timestamp TIMESTAMPTZ,
    triggering_event_id BIGINT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    processing_time_ms DOUBLE PRECISION CHECK (processing_time_ms >= 0),
    CHECK (prediction_interval_lower <= prediction_interval_upper)
);

-- A room's predictions by time.
CREATE INDEX predictions_room_id_prediction_time_idx ON predictions (room_id, prediction_time DESC);
-- Predictions whose validation is pending.
CREATE INDEX predictions_pending_validation_idx ON predictions (prediction_time) WHERE validation_timestamp IS NULL;

-- The foreign key, its index and its trigger.
SELECT add_sensor_event_reference('predictions', 'triggering_event_id');

COMMENT ON TABLE predictions IS 'When a room is expected to change its occupancy, why, and the outcome.';
COMMENT ON COLUMN predictions.id IS 'Assigned by the database.';
COMMENT ON COLUMN predictions.room_id IS 'The room. Not empty.';
COMMENT ON COLUMN predictions.prediction_time IS 'When the prediction was made.';
COMMENT ON COLUMN predictions.predicted_transition_time IS 'When the transition is expected.';
COMMENT ON COLUMN predictions.transition_type IS 'Which transition: `occupied_to_vacant`, `vacant_to_occupied` or `state_change`. No other value is accepted.';
COMMENT ON COLUMN predictions.confidence_score IS 'How sure the model is, from 0 to 1.';
COMMENT ON COLUMN predictions.prediction_interval_lower IS 'The transition is not expected before; never after the upper end.';
COMMENT ON COLUMN predictions.prediction_interval_upper IS 'The transition is not expected after.';
COMMENT ON COLUMN predictions.model_type IS 'The kind of model, such as `lstm` or `hmm`. Any text is accepted.';
COMMENT ON COLUMN predictions.model_version IS 'Which version of the model.';
COMMENT ON COLUMN predictions.feature_importance IS 'What the prediction rests on: feature to weight, by convention.';
COMMENT ON COLUMN predictions.alternatives IS 'Further predictions that the model considered.';
COMMENT ON COLUMN predictions.actual_transition_time IS 'When the transition took place; null until known, or if it never came.';
COMMENT ON COLUMN predictions.accuracy_minutes IS 'Minutes between the predicted and the actual transition, without sign.';
COMMENT ON COLUMN predictions.is_accurate IS 'Whether that is within the tolerance of whoever validated it.';
COMMENT ON COLUMN predictions.validation_timestamp IS 'When the outcome was recorded; null while validation is pending.';
COMMENT ON COLUMN predictions.triggering_event_id IS 'The id of the sensor event that triggered the prediction; null once that event is gone.';
COMMENT ON COLUMN predictions.created_at IS 'When the row was stored.';
COMMENT ON COLUMN predictions.processing_time_ms IS 'How long the model took, in milliseconds.';
