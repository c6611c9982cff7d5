DROP FUNCTION diesel_timescale.short_name(TEXT, TEXT);
DROP FUNCTION diesel_timescale.qualified_name(REGCLASS);
DROP FUNCTION diesel_timescale.keep_rows(REGCLASS, NAME);
DROP FUNCTION diesel_timescale.skip_row_that_is_there();
DROP FUNCTION diesel_timescale.refuse(TEXT, TEXT, TEXT, TEXT, TEXT, REGCLASS, TEXT);
DO $$
BEGIN
    -- What Diesel's own harness reverts must not count as installed in the history that is kept here.
    IF to_regclass('diesel_timescale.diesel_timescale_migrations') IS NOT NULL THEN
        DELETE FROM diesel_timescale.diesel_timescale_migrations;
    END IF;
    -- The migration history stays where it is kept here.
    IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('diesel_timescale')) THEN
        DROP SCHEMA diesel_timescale;
    END IF;
END
$$;
