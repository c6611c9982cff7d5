DROP TABLE sensor_events;
DROP FUNCTION refuse_sensor_event_key_change();
