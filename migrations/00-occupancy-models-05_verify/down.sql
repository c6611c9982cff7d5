DROP FUNCTION verify_sensor_events(BOOLEAN, BOOLEAN);
DROP VIEW sensor_event_references;
