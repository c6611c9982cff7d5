DROP VIEW diesel_timescale.tier_sizes;
DROP FUNCTION diesel_timescale.tier_size(REGCLASS);
DROP FUNCTION diesel_timescale.tier_relations();
