DROP FUNCTION latest_sensor_events(TEXT[], TIMESTAMPTZ, TIMESTAMPTZ);
DROP FUNCTION record_prediction_outcomes(BIGINT[], TIMESTAMPTZ[], BIGINT);
DROP FUNCTION referenced_sensor_events(BIGINT[]);
DROP FUNCTION sensor_events_by_keys(BIGINT[], TIMESTAMPTZ[]);
DROP FUNCTION sensor_event_by_id(BIGINT);
DROP FUNCTION refuse_uneven_columns(TEXT, INT, TEXT[], TEXT[]);
