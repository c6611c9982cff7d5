DROP VIEW daily_prediction_accuracy;
-- Those that come with the crate would keep sensor_events from being dropped.
SELECT drop_continuous_aggregate('hourly_activity');
SELECT drop_continuous_aggregate('hourly_statistics');
DROP FUNCTION unset_refresh_policy(NAME);
DROP FUNCTION set_refresh_policy(NAME, INTERVAL, INTERVAL, INTERVAL);
DROP FUNCTION drop_continuous_aggregate(NAME);
DROP FUNCTION alter_continuous_aggregate(NAME, BOOLEAN);
DROP FUNCTION create_continuous_aggregate(NAME, TEXT, BOOLEAN, BOOLEAN);
DROP FUNCTION is_continuous_aggregate(NAME);
