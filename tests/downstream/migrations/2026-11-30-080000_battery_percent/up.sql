-- A column of this crate on a table of occupancy-models. The prefix keeps it apart from columns that occupancy-models may
-- add. Nullable and without a default: every row stays valid, and none is rewritten.
ALTER TABLE sensor_events ADD COLUMN home_energy_battery_percent SMALLINT;
COMMENT ON COLUMN sensor_events.home_energy_battery_percent IS 'The charge of the battery of the sensor, from 0 to 100; null for one on the mains.';
