DROP FUNCTION drop_sensor_events_before(TIMESTAMPTZ);
DROP FUNCTION setup_hypertable(REGCLASS, NAME, INTERVAL, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN);
DROP FUNCTION refuse_chunk_interval(REGCLASS, INTERVAL);
DROP FUNCTION check_hypertable_candidate(REGCLASS, NAME, BOOLEAN);
DROP FUNCTION hypertable_report(REGCLASS);
DROP FUNCTION require_timescaledb();
