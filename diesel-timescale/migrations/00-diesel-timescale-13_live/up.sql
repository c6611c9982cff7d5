-- Notifications of new rows: one for each statement that inserts some.

CREATE OR REPLACE FUNCTION diesel_timescale.insert_channel(relation REGCLASS) RETURNS NAME
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN diesel_timescale.short_name('inserts ' || diesel_timescale.qualified_name(relation));
COMMENT ON FUNCTION diesel_timescale.insert_channel(REGCLASS) IS 'The channel of the notifications of new rows of a table.';

CREATE OR REPLACE FUNCTION diesel_timescale.stop_notifying(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present RECORD;
BEGIN
    -- Another trigger of this name is left alone.
    SELECT tgname, tgfoid::REGPROCEDURE AS function INTO present
    FROM pg_trigger
    JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE tgrelid = relation AND NOT tgisinternal AND tgname = 'notify_inserts' AND proname LIKE 'notify\_ins%' AND tgnewtable = 'new_rows';
    IF present.tgname IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TRIGGER notify_inserts ON %s', relation);
    EXECUTE format('DROP FUNCTION %s', present.function);
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.stop_notifying(REGCLASS) IS 'Ends the notifications of new rows of a table. False if there are none.';

-- The trigger function stands beside the table, in static SQL. It sees the new rows of the statement, and nothing else.
CREATE OR REPLACE FUNCTION diesel_timescale.notify_inserts(
    relation REGCLASS,
    time_column NAME,
    group_column NAME DEFAULT NULL
) RETURNS NAME
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    channel CONSTANT NAME := insert_channel(relation);
    function CONSTANT TEXT := (
        SELECT format('%I.%I', nspname, short_name('notify_inserts_into_' || relname))
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = relation
    );
    groups CONSTANT TEXT := CASE WHEN group_column IS NULL THEN 'NULL::TEXT' ELSE format('%I::TEXT', group_column) END;
BEGIN
    PERFORM stop_notifying(relation);
    -- Names are quoted for the body, and the body as a literal: a name may have any character.
    EXECUTE format(
        'CREATE FUNCTION %s() RETURNS TRIGGER LANGUAGE plpgsql SET search_path TO pg_catalog, pg_temp AS %L',
        function,
        format(
            $body$
            DECLARE
                payload JSONB;
            BEGIN
                SELECT jsonb_build_object(
                    'oldest', (extract(EPOCH FROM min(oldest)) * 1000000)::BIGINT,
                    'newest', (extract(EPOCH FROM max(newest)) * 1000000)::BIGINT,
                    'groups', jsonb_agg(of_group) FILTER (WHERE of_group IS NOT NULL)
                )
                INTO payload
                FROM (
                    SELECT %1$s AS of_group, min(%2$I) AS oldest, max(%2$I) AS newest
                    FROM new_rows
                    WHERE isfinite(%2$I)
                    GROUP BY 1
                ) AS groups
                HAVING count(*) > 0;
                IF payload IS NOT NULL THEN
                    -- A payload has fewer than 8000 bytes: many groups are told as none.
                    PERFORM pg_notify(
                        %3$L,
                        CASE WHEN octet_length(payload::TEXT) < 8000 THEN payload ELSE payload - 'groups' END::TEXT
                    );
                END IF;
                RETURN NULL;
            END
            $body$,
            groups, time_column, channel
        )
    );
    EXECUTE format(
        'CREATE TRIGGER notify_inserts AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION %s()',
        relation, function
    );
    RETURN channel;
END
$$;
COMMENT ON FUNCTION diesel_timescale.notify_inserts(REGCLASS, NAME, NAME) IS 'Notifies whoever listens of each statement that inserts rows into a table: the oldest and the newest instant of its rows, and their groups. Returns the channel. Takes the place of notifications that are there.';
