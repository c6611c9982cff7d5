CREATE TABLE work_orders (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    description TEXT NOT NULL,
    meter_id TEXT,
    read_at TIMESTAMPTZ
);
COMMENT ON TABLE work_orders IS 'What somebody should repair, and the reading of a meter that says so.';
COMMENT ON COLUMN work_orders.meter_id IS 'The meter of the reading; null once the reading is gone.';
COMMENT ON COLUMN work_orders.read_at IS 'When that meter was read; null once the reading is gone.';

-- Readings have no id of their own: the reference has their whole primary key.
SELECT diesel_timescale.create_reference_target('energy_readings', 'read_at');
SELECT diesel_timescale.add_reference('work_orders', ARRAY['meter_id', 'read_at'], 'energy_readings', 'SET NULL');
