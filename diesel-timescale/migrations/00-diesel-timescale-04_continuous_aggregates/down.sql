DROP FUNCTION diesel_timescale.remove_refresh_policy(NAME, NAME);
DROP FUNCTION diesel_timescale.add_refresh_policy(NAME, INTERVAL, INTERVAL, INTERVAL, NAME);
DROP FUNCTION diesel_timescale.drop_continuous_aggregate(NAME, NAME);
DROP FUNCTION diesel_timescale.alter_continuous_aggregate(NAME, BOOLEAN, NAME);
DROP FUNCTION diesel_timescale.create_continuous_aggregate(NAME, TEXT, TEXT, BOOLEAN, BOOLEAN, NAME, TEXT);
DROP FUNCTION diesel_timescale.is_continuous_aggregate(NAME, NAME);
