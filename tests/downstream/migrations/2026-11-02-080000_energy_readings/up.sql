-- A hypertable once src/setup.rs has set it up. The key contains the time, as every unique index of a hypertable must.
CREATE TABLE energy_readings (
    meter_id TEXT NOT NULL,
    read_at TIMESTAMPTZ NOT NULL,
    room_id TEXT NOT NULL,
    watt_hours DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (meter_id, read_at)
);
COMMENT ON TABLE energy_readings IS 'What the meters have counted.';
