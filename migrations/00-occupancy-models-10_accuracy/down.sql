DROP VIEW daily_prediction_accuracy;
-- Those that come with the crate would keep sensor_events from being dropped.
SELECT diesel_timescale.drop_continuous_aggregate('hourly_activity');
SELECT diesel_timescale.drop_continuous_aggregate('hourly_statistics');
