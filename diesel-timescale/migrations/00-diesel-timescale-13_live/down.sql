DROP FUNCTION diesel_timescale.inserted_since(REGCLASS, NAME, BIGINT, BOOLEAN);
DROP FUNCTION diesel_timescale.notify_inserts(REGCLASS, NAME, NAME);
DROP FUNCTION diesel_timescale.stop_notifying(REGCLASS);
DROP FUNCTION diesel_timescale.is_notified(REGCLASS, NAME);
DROP FUNCTION diesel_timescale.notification_facts(REGCLASS);
DROP FUNCTION diesel_timescale.notify_inserts_body(REGCLASS, NAME, NAME);
DROP FUNCTION diesel_timescale.time_as_number(REGCLASS, NAME);
DROP FUNCTION diesel_timescale.insert_channel(REGCLASS);
