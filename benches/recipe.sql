-- The events table of the known recipe, with its ten indexes (ids and UNIQUE (id) left out: no hypertable can have
-- that). Only benchmarks use it.
CREATE TABLE recipe_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    timestamp TIMESTAMPTZ NOT NULL DEFAULT now(),
    room_id TEXT NOT NULL,
    sensor_id TEXT NOT NULL,
    sensor_type TEXT NOT NULL,
    state TEXT NOT NULL,
    numeric_value DOUBLE PRECISION,
    previous_state TEXT,
    attributes JSONB NOT NULL DEFAULT '{}',
    is_human_triggered BOOLEAN NOT NULL DEFAULT true,
    confidence_score DOUBLE PRECISION CHECK (confidence_score BETWEEN 0 AND 1),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    processed_at TIMESTAMPTZ,
    PRIMARY KEY (id, timestamp)
);
CREATE INDEX ON recipe_events (room_id);
CREATE INDEX ON recipe_events (sensor_id);
CREATE INDEX ON recipe_events (room_id, sensor_id, timestamp);
CREATE INDEX ON recipe_events (room_id, timestamp DESC);
CREATE INDEX ON recipe_events (room_id, timestamp) WHERE state <> previous_state;
CREATE INDEX ON recipe_events (sensor_type, timestamp);
CREATE INDEX ON recipe_events (is_human_triggered, timestamp);
CREATE INDEX ON recipe_events (room_id, sensor_id, state, timestamp);
CREATE INDEX ON recipe_events (room_id, timestamp) WHERE sensor_type = 'motion';
