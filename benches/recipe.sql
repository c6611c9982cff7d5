-- The events table of the known recipe, with its ten indexes (ids and UNIQUE (id) left out: no hypertable can have
-- that; its states are an enum, which has no place for numbers). Only benchmarks use it.
CREATE TYPE recipe_sensor_type AS ENUM (
    'motion', 'presence', 'door', 'window', 'temperature', 'humidity', 'light', 'pressure', 'air_quality'
);
CREATE TABLE recipe_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    timestamp TIMESTAMPTZ NOT NULL DEFAULT now(),
    room_id VARCHAR(50) NOT NULL,
    sensor_id VARCHAR(100) NOT NULL,
    sensor_type recipe_sensor_type NOT NULL,
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
