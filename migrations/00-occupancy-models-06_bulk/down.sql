DROP FUNCTION check_prediction_ids(BIGINT[]);
DROP FUNCTION check_sensor_event_keys(BIGINT[], TIMESTAMPTZ[]);
DROP FUNCTION lock_sensor_event_ids(BIGINT[]);
DROP TABLE sensor_event_id_locks;
DROP FUNCTION refuse_unknown_ids(TEXT, BIGINT[]);
DROP FUNCTION refuse_repeated_ids(TEXT, TEXT, BIGINT[]);
DROP FUNCTION reserve_prediction_ids(BIGINT);
DROP FUNCTION reserve_sensor_event_ids(BIGINT);
