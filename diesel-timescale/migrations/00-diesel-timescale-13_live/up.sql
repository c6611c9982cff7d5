-- Notifications of new rows: one for each statement that inserts some; and what a listener has missed, by the time column.
--
-- A notification is a JSON object: count (of rows), oldest and newest, position (the newest, but never in the future) and
-- groups, if there is room. Moments are numbers: microseconds since 1970, or the count that the column has.

CREATE OR REPLACE FUNCTION diesel_timescale.insert_channel(relation REGCLASS) RETURNS NAME
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN diesel_timescale.short_name('inserts ' || diesel_timescale.qualified_name(relation));
COMMENT ON FUNCTION diesel_timescale.insert_channel(REGCLASS) IS 'The channel of the notifications of new rows of a table.';

CREATE OR REPLACE FUNCTION diesel_timescale.time_as_number(
    relation REGCLASS,
    time_column NAME,
    -- What the least and the greatest are taken of, and its type.
    OUT value TEXT,
    OUT value_type TEXT,
    -- Makes a number of such a value, as a format.
    OUT number TEXT,
    -- Makes a value of the column of a number $1, which no earlier moment has.
    OUT bound TEXT,
    -- Makes the position of the value newest: not after the present, where the server knows that.
    OUT "position" TEXT,
    OUT can_be_infinite BOOLEAN
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    of_type CONSTANT REGTYPE := (
        SELECT atttypid FROM pg_attribute WHERE attrelid = relation AND attname = time_column AND attnum > 0 AND NOT attisdropped
    );
BEGIN
    value := quote_ident(time_column);
    value_type := of_type::TEXT;
    CASE
        WHEN of_type IN ('timestamptz'::REGTYPE, 'timestamp'::REGTYPE, 'date'::REGTYPE) THEN
            number := '(extract(EPOCH FROM %s) * 1000000)::BIGINT';
            -- PostgreSQL's timestamps begin in 4713 BC.
            bound := format(
                'CASE WHEN $1 < -200000000000000000 THEN ''-infinity'' ELSE (%s ''epoch'' + $1 * INTERVAL ''1 microsecond'')::%s END',
                CASE WHEN of_type = 'timestamptz'::REGTYPE THEN 'TIMESTAMPTZ' ELSE 'TIMESTAMP' END, of_type
            );
        WHEN of_type = 'bigint'::REGTYPE THEN
            number := '%s';
            bound := '$1';
        WHEN of_type IN ('smallint'::REGTYPE, 'integer'::REGTYPE) THEN
            number := '%s::BIGINT';
            bound := format(
                'greatest(least($1, %1$s), -%1$s - 1)::%2$s',
                CASE WHEN of_type = 'smallint'::REGTYPE THEN 32767 ELSE 2147483647 END, of_type
            );
        WHEN of_type = 'uuid'::REGTYPE THEN
            -- The first 48 bits are the milliseconds since 1970. The bound is of version 7, as the server wants it.
            value := format('(''x'' || left(replace(%I::TEXT, ''-'', ''''), 12))::BIT(48)::BIGINT', time_column);
            value_type := 'bigint';
            number := '%s * 1000';
            bound := '(lpad(to_hex(least(greatest($1 / 1000, 0), 281474976710655)), 12, ''0'') || ''70008000000000000000'')::UUID';
        ELSE
            value := NULL;
    END CASE;
    can_be_infinite := number LIKE '%EPOCH%';
    "position" := format(number, 'newest');
    IF can_be_infinite OR of_type = 'uuid'::REGTYPE THEN
        "position" := format('CASE WHEN newest IS NOT NULL THEN least(%s, (extract(EPOCH FROM now()) * 1000000)::BIGINT) END', "position");
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.time_as_number(REGCLASS, NAME) IS 'SQL that makes numbers of the moments of a column, and back; without a value, if it is none of moments.';

-- In static SQL, with the names of the columns in it. It sees the new rows of the statement, and nothing else.
CREATE OR REPLACE FUNCTION diesel_timescale.notify_inserts_body(relation REGCLASS, time_column NAME, group_column NAME) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    of_time CONSTANT RECORD := time_as_number(relation, time_column);
BEGIN
    IF of_time.value IS NULL OR group_column IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = relation AND attname = group_column AND attnum > 0 AND NOT attisdropped
    ) THEN
        RETURN NULL;
    END IF;
    RETURN format(
        $body$
#variable_conflict use_column
DECLARE
    of_all BIGINT;
    oldest %1$s;
    newest %1$s;
    groups JSON;
    payload TEXT;
    with_groups TEXT;
BEGIN
    -- Of a hypertable that has lost a column, TimescaleDB before 2.26.4 gives wrong values of new rows, or crashes.
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = TG_RELID AND attisdropped)
        AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = TG_RELID)
        AND EXISTS (
            SELECT FROM pg_extension
            WHERE extname = 'timescaledb' AND (regexp_match(extversion, '^(\d+)\.(\d+)\.(\d+)'))::INT[] < '{2, 26, 4}'
        )
    THEN
        SELECT count(*) INTO of_all FROM new_rows;
    ELSE
        %2$s
    END IF;
    IF of_all IS NULL OR of_all = 0 THEN
        RETURN NULL;
    END IF;%3$s
    payload := json_build_object('count', of_all, 'oldest', %4$s, 'newest', %5$s, 'position', %6$s);
    IF groups IS NOT NULL THEN
        with_groups := left(payload, -1) || ', "groups" : ' || groups || '}';
        -- A payload has fewer than 8000 bytes: more groups than that are told as none.
        IF octet_length(with_groups) < 8000 THEN
            payload := with_groups;
        END IF;
    END IF;
    PERFORM pg_notify(%7$L, payload);
    RETURN NULL;
END
$body$,
        of_time.value_type,
        CASE
            WHEN group_column IS NULL THEN format('SELECT count(*), min(%1$s), max(%1$s) INTO of_all, oldest, newest FROM new_rows;', of_time.value)
            ELSE format(
                'SELECT sum(of_group), min(first), max(last), coalesce(json_agg(name::TEXT) FILTER (WHERE name IS NOT NULL), ''[]'')
        INTO of_all, oldest, newest, groups
        FROM (SELECT %2$I AS name, count(*) AS of_group, min(%1$s) AS first, max(%1$s) AS last FROM new_rows GROUP BY 1) AS by_group;',
                of_time.value, group_column
            )
        END,
        CASE WHEN of_time.can_be_infinite THEN format(
            '
    IF NOT (isfinite(oldest) AND isfinite(newest)) THEN
        SELECT min(%1$s), max(%1$s) INTO oldest, newest FROM new_rows WHERE isfinite(%1$s);
    END IF;',
            of_time.value
        ) END,
        format(of_time.number, 'oldest'),
        format(of_time.number, 'newest'), of_time."position", insert_channel(relation)
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.notify_inserts_body(REGCLASS, NAME, NAME) IS 'The body of the trigger function of notify_inserts(); null if the columns are not there.';

CREATE OR REPLACE FUNCTION diesel_timescale.notification_facts(relation REGCLASS) RETURNS JSONB
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    -- Another trigger of this name is none of ours.
    SELECT jsonb_build_object(
        'time', argument ->> 'time',
        'group', argument ->> 'group',
        'function', tgfoid::REGPROCEDURE,
        'is_enabled', tgenabled IN ('O', 'A'),
        'is_right', coalesce(prosrc = diesel_timescale.notify_inserts_body(relation, (argument ->> 'time')::NAME, (argument ->> 'group')::NAME), false)
    )
    FROM pg_trigger
    JOIN pg_proc ON pg_proc.oid = tgfoid
    CROSS JOIN LATERAL (
        SELECT CASE WHEN tgnargs = 1 AND diesel_timescale.trigger_argument(tgargs) LIKE '{%"time"%}' THEN diesel_timescale.trigger_argument(tgargs)::JSONB END AS argument
    ) AS a
    WHERE tgrelid = relation AND NOT tgisinternal AND tgname = 'notify_inserts' AND proname LIKE 'notify\_ins%' AND argument IS NOT NULL
$$;
COMMENT ON FUNCTION diesel_timescale.notification_facts(REGCLASS) IS 'The columns by which notify_inserts() tells of new rows of a table, and whether it does; null if nothing is told.';

CREATE OR REPLACE FUNCTION diesel_timescale.is_notified(relation REGCLASS, time_column NAME) RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN coalesce(
    diesel_timescale.notification_facts(relation) @> jsonb_build_object('time', time_column, 'is_enabled', true, 'is_right', true), false
);
COMMENT ON FUNCTION diesel_timescale.is_notified(REGCLASS, NAME) IS 'Whether new rows of a table are notified by this time column.';

CREATE OR REPLACE FUNCTION diesel_timescale.stop_notifying(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    function CONSTANT TEXT := notification_facts(relation) ->> 'function';
BEGIN
    IF function IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TRIGGER notify_inserts ON %s', relation);
    EXECUTE format('DROP FUNCTION %s', function);
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.stop_notifying(REGCLASS) IS 'Ends the notifications of new rows of a table. False if there are none.';

CREATE OR REPLACE FUNCTION diesel_timescale.notify_inserts(
    relation REGCLASS,
    time_column NAME,
    group_column NAME DEFAULT NULL
) RETURNS NAME
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    function CONSTANT TEXT := (
        SELECT format('%I.%I', nspname, short_name('notify_inserts_into_' || relname))
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = relation
    );
    body CONSTANT TEXT := notify_inserts_body(relation, time_column, group_column);
    columns CONSTANT JSONB := jsonb_build_object('time', time_column, 'group', group_column);
BEGIN
    IF body IS NULL THEN
        PERFORM refuse(
            'diesel_timescale:notifications', 'undefined_column',
            format('%s has no column %I of moments%s', relation, time_column, ', or no column ' || quote_ident(group_column)),
            'Name a column of the type timestamptz, timestamp, date, smallint, integer, bigint or uuid, and one for the groups or none.',
            relation => relation
        );
    END IF;
    IF hypertable_of(relation) IS NOT NULL THEN
        PERFORM require_feature('InsertNotifications');
    END IF;
    IF notification_facts(relation) @> (columns || '{"is_enabled": true, "is_right": true}') THEN
        RETURN insert_channel(relation);
    END IF;
    -- Rows of a type without equality have no groups: an error now, and not of each insert.
    IF group_column IS NOT NULL THEN
        EXECUTE format('SELECT FROM %s WHERE false GROUP BY %I', relation, group_column);
    END IF;
    PERFORM stop_notifying(relation);
    EXECUTE format('CREATE OR REPLACE FUNCTION %s() RETURNS TRIGGER LANGUAGE plpgsql SET search_path TO pg_catalog, pg_temp AS %L', function, body);
    EXECUTE format(
        'CREATE TRIGGER notify_inserts AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION %s(%L)',
        relation, function, columns
    );
    RETURN insert_channel(relation);
END
$$;
COMMENT ON FUNCTION diesel_timescale.notify_inserts(REGCLASS, NAME, NAME) IS 'Notifies whoever listens of each statement that inserts rows into a table: how many, the oldest and the newest instant, and their groups. Returns the channel. Takes the place of other notifications of the table.';

CREATE OR REPLACE FUNCTION diesel_timescale.inserted_since(relation REGCLASS, time_column NAME, since BIGINT, everything BOOLEAN DEFAULT false) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
SET datestyle TO 'ISO'
AS $$
DECLARE
    present CONSTANT JSONB := notification_facts(relation);
    of_time CONSTANT RECORD := time_as_number(relation, time_column);
    is_finite CONSTANT TEXT := CASE WHEN of_time.can_be_infinite THEN format('isfinite(%I)', time_column) ELSE format('%I IS NOT NULL', time_column) END;
    payload TEXT;
    bound TEXT;
BEGIN
    IF NOT is_notified(relation, time_column) THEN
        PERFORM refuse(
            'diesel_timescale:notifications', 'object_not_in_prerequisite_state',
            format('new rows of %s are not notified by %I', relation, time_column),
            format('SELECT diesel_timescale.notify_inserts(%L, %L, ...)', qualified_name(relation), time_column),
            relation => relation
        );
    END IF;
    IF since IS NULL AND NOT everything THEN
        EXECUTE format(
            'SELECT json_build_object(''count'', 0, ''position'', %1$s) FROM (SELECT %2$s AS newest FROM %3$s WHERE %4$s ORDER BY %5$I DESC LIMIT 1) AS n',
            of_time."position", of_time.value, relation, is_finite, time_column
        ) INTO payload;
        RETURN coalesce(payload, '{"count": 0}');
    END IF;
    -- As a literal, so that chunks are left out when the query is planned.
    EXECUTE format('SELECT (%s)::TEXT', of_time.bound) INTO bound USING since;
    EXECUTE format(
        'SELECT json_build_object(''count'', coalesce(of_all, 0), ''oldest'', %1$s, ''newest'', %2$s, ''position'', %3$s, ''groups'', %4$s)
         FROM (
             SELECT sum(of_group) AS of_all, min(first) AS oldest, max(last) AS newest, json_agg(name::TEXT) FILTER (WHERE name IS NOT NULL) AS groups
             FROM (
                 SELECT %5$s AS name, count(*) AS of_group, min(%6$s) FILTER (WHERE %7$s) AS first, max(%6$s) FILTER (WHERE %7$s) AS last
                 FROM %8$s
                 WHERE %9$s
                 GROUP BY 1
             ) AS by_group
         ) AS n',
        format(of_time.number, 'oldest'), format(of_time.number, 'newest'), of_time."position",
        CASE WHEN present ->> 'group' IS NULL THEN 'NULL' ELSE 'coalesce(groups, ''[]'')' END,
        coalesce(quote_ident(present ->> 'group'), 'NULL::TEXT'), of_time.value, is_finite, relation,
        CASE WHEN since IS NULL THEN 'true' ELSE format('%I >= %L', time_column, bound) END
    ) INTO payload;
    RETURN payload;
END
$$;
COMMENT ON FUNCTION diesel_timescale.inserted_since(REGCLASS, NAME, BIGINT, BOOLEAN) IS 'What notifications would tell of the rows of a table from a moment on, for whoever has missed some; without a moment its position alone, or everything. Refuses where nothing is notified.';
