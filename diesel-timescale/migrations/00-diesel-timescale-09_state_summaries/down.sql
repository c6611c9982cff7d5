DROP FUNCTION diesel_timescale.refuse_bucket(TIMESTAMPTZ, TEXT);
DROP FUNCTION diesel_timescale.state_summary(TIMESTAMPTZ[], TEXT[], INTERVAL);
DROP TYPE diesel_timescale.state_summary;
