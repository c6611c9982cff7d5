DROP FUNCTION diesel_timescale.server_facts();
DROP FUNCTION diesel_timescale.relation_facts(REGCLASS, NAME);
DROP FUNCTION diesel_timescale.hypertable_obstacle(REGCLASS, NAME);
DROP FUNCTION diesel_timescale.hypertable_facts(REGCLASS);
DROP FUNCTION diesel_timescale.index_facts(REGCLASS);
DROP FUNCTION diesel_timescale.column_facts(REGCLASS);
DROP FUNCTION diesel_timescale.job_facts();
DROP FUNCTION diesel_timescale.config_facts(JSONB);
DROP FUNCTION diesel_timescale.length_facts(INTERVAL);
