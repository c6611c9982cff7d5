DROP FUNCTION diesel_timescale.setup_hypertable(REGCLASS, NAME, INTERVAL, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN);
DROP FUNCTION diesel_timescale.refuse_chunk_interval(REGCLASS, INTERVAL);
DROP FUNCTION diesel_timescale.check_hypertable_candidate(REGCLASS, NAME, BOOLEAN);
DROP FUNCTION diesel_timescale.hypertable_report(REGCLASS);
DROP FUNCTION diesel_timescale.require_timescaledb();
