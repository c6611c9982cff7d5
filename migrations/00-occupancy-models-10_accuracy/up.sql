-- How accurate predictions were, day by day.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- Predictions are no hypertable, so this is a plain view on every server.
CREATE VIEW daily_prediction_accuracy AS
SELECT
    date_bin(INTERVAL '1 day', prediction_time, TIMESTAMPTZ '2000-01-03 00:00+00') AS bucket,
    room_id,
    model_type,
    count(*) AS predictions,
    count(validation_timestamp) AS validated,
    count(*) FILTER (WHERE is_accurate) AS accurate,
    avg(accuracy_minutes) AS mean_error_minutes,
    sqrt(avg(accuracy_minutes * accuracy_minutes)) AS rmse_minutes
FROM predictions
GROUP BY 1, 2, 3;
COMMENT ON VIEW daily_prediction_accuracy IS 'How accurate the predictions of a day were, by room and kind of model.';
COMMENT ON COLUMN daily_prediction_accuracy.bucket IS 'The day, from midnight UTC, that the predictions were made on.';
COMMENT ON COLUMN daily_prediction_accuracy.room_id IS 'The room.';
COMMENT ON COLUMN daily_prediction_accuracy.model_type IS 'The kind of model.';
COMMENT ON COLUMN daily_prediction_accuracy.predictions IS 'How many predictions were made.';
COMMENT ON COLUMN daily_prediction_accuracy.validated IS 'How many of them are validated.';
COMMENT ON COLUMN daily_prediction_accuracy.accurate IS 'How many of them were accurate.';
COMMENT ON COLUMN daily_prediction_accuracy.mean_error_minutes IS 'The mean of the minutes between predicted and actual transition; null where none took place.';
COMMENT ON COLUMN daily_prediction_accuracy.rmse_minutes IS 'The root of the mean of the squares of those minutes.';
