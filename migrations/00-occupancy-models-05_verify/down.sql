DROP FUNCTION verify_sensor_events(BOOLEAN, BOOLEAN);
DROP FUNCTION verify_sequence(REGCLASS);
DROP FUNCTION verify_duplicate_ids();
DROP FUNCTION verify_prediction_reference();
DROP FUNCTION verify_event_keys();
DROP FUNCTION verify_hypertable(BOOLEAN);
