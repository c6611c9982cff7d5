DROP TABLE power_samples;
-- What tells the hypertable the present, which set-up has made.
DROP FUNCTION IF EXISTS power_samples_now();
