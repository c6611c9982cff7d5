DROP FUNCTION diesel_timescale.remove_refresh_policy(REGCLASS);
DROP FUNCTION diesel_timescale.add_refresh_policy(REGCLASS, INTERVAL, BIGINT, INTERVAL, BIGINT, INTERVAL);
DROP FUNCTION diesel_timescale.drop_continuous_aggregate(NAME, NAME);
DROP FUNCTION diesel_timescale.alter_continuous_aggregate(REGCLASS, BOOLEAN);
DROP FUNCTION diesel_timescale.create_continuous_aggregate(NAME, TEXT, TEXT, BOOLEAN, BOOLEAN, NAME, TEXT, REGCLASS, NAME[], BOOLEAN);
DROP FUNCTION diesel_timescale.is_continuous_aggregate(NAME, NAME);
