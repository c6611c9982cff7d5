SELECT diesel_timescale.remove_reference('work_orders', ARRAY['meter_id', 'read_at'], 'energy_readings');
SELECT diesel_timescale.drop_reference_target('energy_readings');
DROP TABLE work_orders;
