-- Sensor events: one row for each reading that a sensor reports.
--
-- The table is written so that it can become a hypertable on `timestamp` (setup_hypertable does that): every
-- unique index contains the partition column, and no foreign key points here. What wants to reference an event
-- references `referenced_events` (next migration).

-- Functions fix their search_path to the schema that they are installed in (SET search_path FROM CURRENT below),
-- so what they do never depends on who calls them.
SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE TABLE sensor_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    -- Nothing at infinity, which retention would never reach.
    timestamp TIMESTAMPTZ NOT NULL DEFAULT now() CHECK (isfinite(timestamp)),
    room_id TEXT NOT NULL CHECK (room_id <> ''),
    sensor_id TEXT NOT NULL CHECK (sensor_id <> ''),
    sensor_type TEXT NOT NULL CHECK (sensor_type <> ''),
    state TEXT NOT NULL,
    numeric_value DOUBLE PRECISION,
    previous_state TEXT,
    attributes JSONB NOT NULL DEFAULT '{}',
    is_human_triggered BOOLEAN NOT NULL DEFAULT true,
    confidence_score DOUBLE PRECISION CHECK (confidence_score BETWEEN 0 AND 1),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    processed_at TIMESTAMPTZ,
    PRIMARY KEY (id, timestamp),
    -- One reading a sensor and instant. Doubles as the index for "one sensor over time".
    UNIQUE (sensor_id, timestamp)
)
-- Room on each page for changed rows, so that a change of what no index has, such as processed_at, leaves the indexes
-- alone. Chunks take this over.
WITH (fillfactor = 70);

CREATE INDEX sensor_events_room_id_timestamp_idx ON sensor_events (room_id, timestamp DESC);

COMMENT ON TABLE sensor_events IS 'One row for each reading that a sensor reports. A hypertable on `timestamp` once it is set up.';
COMMENT ON COLUMN sensor_events.id IS 'Assigned by the database, unique across all chunks. Never reused.';
COMMENT ON COLUMN sensor_events.timestamp IS 'When the sensor reported, to the microsecond. Partitions the hypertable; part of the key.';
COMMENT ON COLUMN sensor_events.room_id IS 'The room that the sensor is in. Not empty.';
COMMENT ON COLUMN sensor_events.sensor_id IS 'The sensor. Not empty; one reading a sensor and instant.';
COMMENT ON COLUMN sensor_events.sensor_type IS 'What the sensor measures, such as `motion` or `temperature`. Any text is accepted.';
COMMENT ON COLUMN sensor_events.state IS 'The state as the sensor reported it, such as `on`, `closed` or `21.5`. Any text is accepted.';
COMMENT ON COLUMN sensor_events.numeric_value IS 'The state as a number, in the unit of the sensor; null where the state is no number.';
COMMENT ON COLUMN sensor_events.previous_state IS 'The state that this sensor reported before, if known.';
COMMENT ON COLUMN sensor_events.attributes IS 'Whatever else the sensor reported, a JSON object by convention.';
COMMENT ON COLUMN sensor_events.is_human_triggered IS 'Whether a person, rather than an automation, caused the event.';
COMMENT ON COLUMN sensor_events.confidence_score IS 'How far to trust the reading, from 0 to 1; null where nothing is known.';
COMMENT ON COLUMN sensor_events.created_at IS 'When the row was stored.';
COMMENT ON COLUMN sensor_events.processed_at IS 'When the application has processed the event; null until then.';
