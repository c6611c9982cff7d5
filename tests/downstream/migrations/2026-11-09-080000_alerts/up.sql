CREATE TABLE alerts (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id TEXT NOT NULL,
    raised_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    message TEXT NOT NULL,
    sensor_event_id BIGINT
);
COMMENT ON TABLE alerts IS 'What somebody should look at, and the sensor event that says so.';
COMMENT ON COLUMN alerts.sensor_event_id IS 'The id of the sensor event; null once that event is gone.';

-- The foreign key, its index and its trigger; occupancy-models has installed the function.
SELECT add_sensor_event_reference('alerts', 'sensor_event_id');
