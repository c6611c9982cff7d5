-- A hypertable once src/setup.rs has set it up, as it says what a number of milliseconds means.
CREATE TABLE power_samples (
    device_id TEXT NOT NULL,
    measured_ms BIGINT NOT NULL,
    watts DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (device_id, measured_ms)
);
COMMENT ON TABLE power_samples IS 'What devices use, as they report it.';
COMMENT ON COLUMN power_samples.measured_ms IS 'When, as the device counts: in milliseconds since 1970-01-01 00:00 UTC.';
