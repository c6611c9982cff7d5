DROP FUNCTION diesel_timescale.notify_inserts(REGCLASS, NAME, NAME);
DROP FUNCTION diesel_timescale.stop_notifying(REGCLASS);
DROP FUNCTION diesel_timescale.insert_channel(REGCLASS);
