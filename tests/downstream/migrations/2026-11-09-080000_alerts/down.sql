SELECT diesel_timescale.remove_reference('alerts', ARRAY['sensor_event_id'], 'sensor_events');
DROP TABLE alerts;
