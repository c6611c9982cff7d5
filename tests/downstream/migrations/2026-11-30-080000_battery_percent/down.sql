ALTER TABLE sensor_events DROP COLUMN home_energy_battery_percent;
