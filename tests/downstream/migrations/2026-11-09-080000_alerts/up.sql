CREATE TABLE alerts (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id TEXT NOT NULL,
    raised_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    message TEXT NOT NULL,
    sensor_event_id BIGINT
);
COMMENT ON TABLE alerts IS 'What somebody should look at, and the sensor event that says so.';
COMMENT ON COLUMN alerts.sensor_event_id IS 'The id of the sensor event; null for an alert that a person raised.';

-- The foreign key, its index and its trigger. An alert is of no use without its event, and goes with it.
SELECT diesel_timescale.add_reference('alerts', ARRAY['sensor_event_id'], 'sensor_events', 'CASCADE');
