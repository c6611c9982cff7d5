DROP FUNCTION diesel_timescale.calendar_edges(TEXT, TEXT, TIMESTAMPTZ, TIMESTAMPTZ);
