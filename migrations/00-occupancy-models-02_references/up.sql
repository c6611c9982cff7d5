-- References to sensor events that hold.
--
-- A hypertable cannot have a unique index on `id` alone, and a native foreign key to a hypertable and retention
-- exclude each other. So references go to `referenced_events`: a plain table with one row for each event that
-- something references. It costs nothing for an event that nobody references, and it survives its chunk.
--
--   register_sensor_event        makes an event referable, if it exists
--   register_sensor_events       the same for many, by their keys
--   reference_sensor_events      gives a column of any table a foreign key, and a trigger that registers first
--   release_*                    triggers on sensor_events: a removed event takes its registration along, and the
--                                foreign keys' own ON DELETE action does the rest
--
-- Concurrency. No table is locked, so that only those wait for each other who mean the same event:
-- * Rowstore: a first reference locks its event FOR KEY SHARE, as a native foreign key would, then registers it. It and
--   a removal of that event wait for each other at every isolation level.
-- * Columnstore: rows cannot be locked. The registration comes first, and another look at the event after it. A removal
--   inserts the id before it deletes it, so the unique index makes each wait for the other. Above READ COMMITTED that
--   look shows the past: a removal therefore marks a row of referenced_events_epoch, and a registration that finds one
--   changed since its snapshot gets 40001.
-- * Chunks: whoever has found an event has its chunk locked to the end of the transaction, so that nobody drops,
--   truncates or converts it.
-- * An event that is registered already needs none of this: the foreign key locks its registration.
-- Several registrations take their locks in the same order: by chunk, then by id.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE TABLE referenced_events (
    id BIGINT PRIMARY KEY,
    timestamp TIMESTAMPTZ NOT NULL
);
-- Retention clears a range of time.
CREATE INDEX referenced_events_timestamp_idx ON referenced_events (timestamp);

COMMENT ON TABLE referenced_events IS 'One row for each sensor event that something references. Kept by triggers; not written by hand.';
COMMENT ON COLUMN referenced_events.id IS 'The id of the event in `sensor_events`.';
COMMENT ON COLUMN referenced_events.timestamp IS 'The timestamp of the event: with the id its key, and the way to its chunk.';

CREATE TABLE referenced_events_epoch (
    stripe INT PRIMARY KEY CHECK (stripe BETWEEN 0 AND 15),
    last_removal XID8 NOT NULL
);
INSERT INTO referenced_events_epoch SELECT stripe, '0' FROM generate_series(0, 15) AS stripe;

COMMENT ON TABLE referenced_events_epoch IS 'Sixteen rows. Removing events from the columnstore changes one of them, so that transactions with an older snapshot notice.';
COMMENT ON COLUMN referenced_events_epoch.stripe IS 'A transaction changes the row of its id modulo 16, so that removals seldom wait for each other.';
COMMENT ON COLUMN referenced_events_epoch.last_removal IS 'The last transaction that removed events from the columnstore through this row.';

CREATE FUNCTION snapshot_may_be_old() RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path FROM CURRENT
RETURN pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted');
COMMENT ON FUNCTION snapshot_may_be_old() IS 'Whether this transaction is above READ COMMITTED, so that it may not see what others have committed.';

CREATE FUNCTION refuse_old_snapshot(operation TEXT) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF snapshot_may_be_old() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_transaction_state',
            MESSAGE = format('%s cannot run under %s', operation, upper(current_setting('transaction_isolation'))),
            DETAIL = 'It could not see, and so could not clear, references that were made after its snapshot.',
            HINT = 'Run it under READ COMMITTED.',
            TABLE = 'sensor_events',
            CONSTRAINT = 'occupancy_models:isolation_too_high';
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_old_snapshot(TEXT) IS 'Raises an error above READ COMMITTED.';

-- Finding events.
CREATE FUNCTION is_in_columnstore(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    -- A plain table, or an edition that has no columnstore.
    IF relation = 'sensor_events'::REGCLASS OR current_setting('timescaledb.license', true) IS DISTINCT FROM 'timescale' THEN
        RETURN false;
    END IF;
    RETURN _timescaledb_functions.chunk_status(relation) & 1 = 1;
END
$$;
COMMENT ON FUNCTION is_in_columnstore(REGCLASS) IS 'Whether rows of this chunk of sensor_events may be in the columnstore, where they cannot be locked.';

-- The id does not tell the chunk, so every chunk in reach is probed: recent ones first. The plans are kept. TimescaleDB
-- leaves out of them the chunks that were before the window when they were made; what is kept of the last one has all
-- chunks, which costs a session 0.3 s once with 730 chunks, and milliseconds from then on.
CREATE FUNCTION find_sensor_event(event_id BIGINT, OUT found_at TIMESTAMPTZ, OUT chunk REGCLASS)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode TO force_generic_plan
AS $$
BEGIN
    SELECT timestamp, tableoid INTO found_at, chunk FROM sensor_events WHERE id = event_id AND timestamp >= now() - INTERVAL '1 hour';
    IF chunk IS NULL THEN
        SELECT timestamp, tableoid INTO found_at, chunk FROM sensor_events WHERE id = event_id AND timestamp >= now() - INTERVAL '30 days';
    END IF;
    IF chunk IS NULL THEN
        SELECT timestamp, tableoid INTO found_at, chunk FROM sensor_events WHERE id = event_id;
    END IF;
END
$$;
COMMENT ON FUNCTION find_sensor_event(BIGINT) IS 'The timestamp and the chunk of the event with this id, or nulls. Looks into the last hour, the last 30 days, then everything.';

-- Registering events.
--
-- A lock FOR KEY SHARE on a row that is being changed can miss the version that it is changed to (seen on PostgreSQL
-- 17.12). So where the row is not locked by this transaction alone, this waits for the change.
CREATE FUNCTION settle_registration(chunk REGCLASS, event_id BIGINT, event_timestamp TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    locked BIGINT;
BEGIN
    EXECUTE format('SELECT FROM ONLY %s WHERE id = $1 AND timestamp = $2 FOR SHARE', chunk) USING event_id, event_timestamp;
    GET DIAGNOSTICS locked = ROW_COUNT;
    DELETE FROM referenced_events WHERE id = event_id AND locked = 0;
    RETURN locked > 0;
END
$$;
COMMENT ON FUNCTION settle_registration(REGCLASS, BIGINT, TIMESTAMPTZ) IS 'Waits for whoever changes this event in the rowstore. False, and nothing registered, if it is gone then.';

CREATE FUNCTION register_in_columnstore(ids BIGINT[], timestamps TIMESTAMPTZ[]) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    added RECORD;
    gone BIGINT;
BEGIN
    WITH added AS (
        INSERT INTO referenced_events (id, timestamp)
        SELECT * FROM unnest(ids, timestamps) AS i (id, timestamp) ORDER BY id
        ON CONFLICT (id) DO NOTHING
        RETURNING *
    )
    SELECT array_agg(id) AS ids, array_agg(timestamp) AS timestamps, min(timestamp) AS earliest, max(timestamp) AS latest
    INTO added
    FROM added;
    IF snapshot_may_be_old() THEN
        -- A removal in progress, which has its row locked, will wait for these ids.
        PERFORM FROM referenced_events_epoch FOR SHARE SKIP LOCKED;
    END IF;
    EXECUTE
        'DELETE FROM referenced_events AS r
        USING unnest($1, $2) AS i (id, timestamp)
        WHERE r.id = i.id AND NOT EXISTS (
            SELECT FROM sensor_events AS e
            WHERE e.id = i.id AND e.timestamp = i.timestamp AND e.timestamp >= $3 AND e.timestamp <= $4
                AND is_in_columnstore(e.tableoid)
        )'
        USING added.ids, added.timestamps, added.earliest, added.latest;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone = 0;
END
$$;
COMMENT ON FUNCTION register_in_columnstore(BIGINT[], TIMESTAMPTZ[]) IS 'Registers events that are in the columnstore. False if some are no longer there; those are not registered.';

CREATE FUNCTION register_in_rowstore(chunk REGCLASS, ids BIGINT[], timestamps TIMESTAMPTZ[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    locked RECORD;
    shared RECORD;
BEGIN
    -- By chunk, because to lock a row of a hypertable plans, and locks, every chunk. Beside each row stands who has it
    -- locked then: not this transaction, or not it alone, if somebody else has locked or changed the row.
    EXECUTE format(
        'SELECT array_agg(id) AS ids, array_agg(timestamp) AS timestamps, array_agg(holder) AS holders
        FROM (
            SELECT id, timestamp, (SELECT latest.xmax FROM ONLY %1$s AS latest WHERE latest.ctid = locked.ctid) AS holder
            FROM (
                SELECT e.id, e.timestamp, e.ctid
                FROM unnest($1, $2) AS i (id, timestamp)
                JOIN ONLY %1$s AS e ON e.id = i.id AND e.timestamp = i.timestamp
                ORDER BY e.id
                FOR KEY SHARE OF e
            ) AS locked
        ) AS held
        WHERE holder IS NOT NULL',
        chunk
    ) INTO locked USING ids, timestamps;
    WITH added AS (
        INSERT INTO referenced_events (id, timestamp)
        SELECT * FROM unnest(locked.ids, locked.timestamps) AS i (id, timestamp) ORDER BY id
        ON CONFLICT (id) DO NOTHING
        RETURNING id, timestamp, xmin AS registered_by
    )
    SELECT array_agg(a.id) AS ids, array_agg(a.timestamp) AS timestamps
    INTO shared
    FROM added AS a
    JOIN unnest(locked.ids, locked.holders) AS l (id, holder) ON l.id = a.id AND l.holder <> a.registered_by;
    PERFORM settle_registration(chunk, i.id, i.timestamp)
    FROM unnest(shared.ids, shared.timestamps) AS i (id, timestamp);
END
$$;
COMMENT ON FUNCTION register_in_rowstore(REGCLASS, BIGINT[], TIMESTAMPTZ[]) IS 'Registers events that are in this chunk, in the rowstore. What is no longer there is left out.';

CREATE FUNCTION register_sensor_event(event_id BIGINT) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    event RECORD;
    holder XID;
    registered_by XID;
BEGIN
    IF EXISTS (SELECT FROM referenced_events WHERE id = event_id) THEN
        RETURN;
    END IF;
    LOOP -- again if it is removed, or moves between rowstore and columnstore, meanwhile
        event := find_sensor_event(event_id);
        EXIT WHEN event.chunk IS NULL;
        IF is_in_columnstore(event.chunk) THEN
            EXIT WHEN register_in_columnstore(ARRAY[event_id], ARRAY[event.found_at]);
            CONTINUE;
        END IF;
        -- As register_in_rowstore() does, for one event.
        EXECUTE format(
            'SELECT (SELECT latest.xmax FROM ONLY %1$s AS latest WHERE latest.ctid = locked.ctid)
            FROM (SELECT ctid FROM ONLY %1$s WHERE id = $1 AND timestamp = $2 FOR KEY SHARE) AS locked',
            event.chunk
        ) INTO holder USING event_id, event.found_at;
        CONTINUE WHEN holder IS NULL;
        INSERT INTO referenced_events (id, timestamp)
        VALUES (event_id, event.found_at)
        ON CONFLICT (id) DO NOTHING
        RETURNING xmin INTO registered_by;
        EXIT WHEN registered_by IS NULL OR registered_by = holder
            OR settle_registration(event.chunk, event_id, event.found_at);
    END LOOP;
END
$$;
COMMENT ON FUNCTION register_sensor_event(BIGINT) IS 'Makes a sensor event referable. Does nothing if there is no such event: the foreign key reports that.';
REVOKE EXECUTE ON FUNCTION register_sensor_event(BIGINT) FROM PUBLIC;

CREATE FUNCTION register_sensor_events(ids BIGINT[], timestamps TIMESTAMPTZ[]) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    span_of_time CONSTANT INTERVAL := (SELECT max(t) - min(t) FROM unnest(timestamps) AS t);
    -- Chunk by chunk, so that each look leaves all other chunks out when it is planned.
    chunk_interval CONSTANT INTERVAL := CASE
        WHEN span_of_time > INTERVAL '1 hour' THEN (diesel_timescale.hypertable_report('sensor_events')).chunk_interval
    END;
    missing RECORD;
    found RECORD;
BEGIN
    FOR missing IN
        SELECT array_agg(i.id) AS ids, array_agg(i.timestamp) AS timestamps, min(i.timestamp) AS earliest, max(i.timestamp) AS latest
        FROM unnest(ids, timestamps) AS i (id, timestamp)
        WHERE isfinite(i.timestamp) AND NOT EXISTS (SELECT FROM referenced_events AS r WHERE r.id = i.id)
        GROUP BY date_bin(coalesce(chunk_interval, INTERVAL '36500 days'), i.timestamp, TIMESTAMPTZ '1970-01-01 00:00+00')
        ORDER BY 3
    LOOP
        FOR found IN EXECUTE
            'SELECT e.tableoid::REGCLASS AS chunk, array_agg(e.id) AS ids, array_agg(e.timestamp) AS timestamps
            FROM (SELECT DISTINCT * FROM unnest($1, $2)) AS i (id, timestamp)
            JOIN sensor_events AS e ON e.id = i.id AND e.timestamp = i.timestamp
            WHERE e.timestamp BETWEEN $3 AND $4
            GROUP BY 1
            ORDER BY min(e.timestamp)'
            USING missing.ids, missing.timestamps, missing.earliest, missing.latest
        LOOP
            IF is_in_columnstore(found.chunk) THEN
                PERFORM register_in_columnstore(found.ids, found.timestamps);
            ELSE
                PERFORM register_in_rowstore(found.chunk, found.ids, found.timestamps);
            END IF;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION register_sensor_events(BIGINT[], TIMESTAMPTZ[]) IS 'Makes many sensor events referable, by their keys. What has no timestamp, or does not exist, is left to the trigger and the foreign key.';
REVOKE EXECUTE ON FUNCTION register_sensor_events(BIGINT[], TIMESTAMPTZ[]) FROM PUBLIC;

-- Removing events.
--
-- Row by row, because a hypertable with a columnstore takes no transition table.
CREATE FUNCTION release_deleted_event() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    in_columnstore CONSTANT BOOLEAN := is_in_columnstore(TG_RELID);
BEGIN
    IF in_columnstore THEN
        UPDATE referenced_events_epoch
        SET last_removal = pg_current_xact_id()
        WHERE stripe = (pg_current_xact_id()::TEXT::NUMERIC % 16)::INT AND last_removal <> pg_current_xact_id();
    END IF;
    IF in_columnstore OR snapshot_may_be_old() THEN
        -- Waits for whoever registers it now, and gets 40001 if it cannot see that; whoever registers it later waits for
        -- this. Not DO UPDATE: a foreign key that locks a row which is updated and then deleted can miss that.
        INSERT INTO referenced_events (id, timestamp)
        VALUES (OLD.id, OLD.timestamp)
        ON CONFLICT (id) DO NOTHING;
    END IF;
    DELETE FROM referenced_events WHERE id = OLD.id AND timestamp = OLD.timestamp;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION release_deleted_event() IS 'Trigger: a deleted sensor event takes its registration along, and with it every reference.';
-- Nobody else may attach this to a table of their own, and so clear references here.
REVOKE EXECUTE ON FUNCTION release_deleted_event() FROM PUBLIC;

CREATE TRIGGER sensor_events_release_references
    AFTER DELETE ON sensor_events
    FOR EACH ROW
    EXECUTE FUNCTION release_deleted_event();

CREATE FUNCTION release_truncated_events() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM refuse_old_snapshot('TRUNCATE of sensor_events');
    -- TRUNCATE has the table locked already, which every registration has read.
    DELETE FROM referenced_events;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION release_truncated_events() IS 'Trigger: TRUNCATE of sensor_events clears every registration.';
REVOKE EXECUTE ON FUNCTION release_truncated_events() FROM PUBLIC;

CREATE TRIGGER sensor_events_release_all_references
    BEFORE TRUNCATE ON sensor_events
    FOR EACH STATEMENT
    EXECUTE FUNCTION release_truncated_events();

-- What a removal that went around these triggers (a plain drop_chunks, say) has left.
CREATE FUNCTION release_missing_events() RETURNS BIGINT
LANGUAGE plpgsql
SET search_path FROM CURRENT
-- An event that a policy hides is not missing: an error instead.
SET row_security TO off
-- A nested loop would probe every chunk for every registration.
SET enable_nestloop TO off
-- The setting above makes plans look costly enough to be compiled, which takes longer than they run.
SET jit TO off
AS $$
DECLARE
    find_missing CONSTANT TEXT :=
        'SELECT coalesce(array_agg(r.id), ARRAY[]::BIGINT[])
        FROM referenced_events AS r
        LEFT JOIN sensor_events AS e ON e.id = r.id AND e.timestamp = r.timestamp
        WHERE e.id IS NULL AND ($1 IS NULL OR r.id = ANY ($1))';
    missing BIGINT[];
    released BIGINT;
BEGIN
    PERFORM refuse_old_snapshot('release_missing_events()');
    EXECUTE find_missing INTO missing USING NULL::BIGINT[];
    -- Again, with every chunk locked by the first look: one that was converted to the columnstore meanwhile may have
    -- looked empty.
    EXECUTE find_missing INTO missing USING missing;
    DELETE FROM referenced_events WHERE id = ANY (missing);
    GET DIAGNOSTICS released = ROW_COUNT;
    RETURN released;
END
$$;
COMMENT ON FUNCTION release_missing_events() IS 'Clears the references to events that are gone, and returns how many events that were. The remedy after a plain drop_chunks.';

-- Columns that refer to events.
CREATE FUNCTION reference_function_name(relation REGCLASS, column_name NAME) RETURNS NAME
LANGUAGE sql STABLE
SET search_path FROM CURRENT
RETURN (
    -- A name has 63 bytes at most.
    SELECT CASE WHEN octet_length(long_name) <= 63 THEN long_name ELSE 'reference_' || md5(long_name) END
    FROM (SELECT format('reference_%I.%I', relname, column_name) AS long_name FROM pg_class WHERE oid = relation) AS names
);
COMMENT ON FUNCTION reference_function_name(REGCLASS, NAME) IS 'The name of the trigger function of a column that refers to sensor events. It is in the schema of the table.';

CREATE FUNCTION is_reference_function(function OID) RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path FROM CURRENT
RETURN EXISTS (
    SELECT FROM pg_proc
    WHERE oid = function AND proname LIKE 'reference\_%'
        AND strpos(prosrc, format('PERFORM %I.register_sensor_event(NEW.', current_schema())) > 0
);
COMMENT ON FUNCTION is_reference_function(OID) IS 'Whether a function is the trigger function of a column that refers to these sensor events.';

CREATE FUNCTION reference_triggers(relation REGCLASS, column_name NAME)
RETURNS TABLE (trigger_name NAME, function REGPROCEDURE, is_right BOOLEAN)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT
        tgname,
        tgfoid::REGPROCEDURE,
        tgname = 'reference_' || CASE WHEN octet_length(attname) <= 50 THEN attname ELSE md5(attname) END
            AND tgenabled IN ('O', 'A')
            AND proname = reference_function_name(relation, attname)
            AND pronamespace = relnamespace
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_trigger ON tgrelid = attrelid AND tgattr[0] = attnum
    JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE attrelid = relation AND attname = column_name AND is_reference_function(tgfoid)
$$;
COMMENT ON FUNCTION reference_triggers(REGCLASS, NAME) IS 'The triggers of a column that register sensor events, and whether each is as reference_sensor_events() makes it. Other ones are left by renaming a table or column.';

CREATE FUNCTION create_reference_trigger(relation REGCLASS, column_name NAME) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    function_name CONSTANT TEXT := (
        SELECT format('%I.%I', nspname, reference_function_name(relation, column_name))
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = relation
    );
    -- Static SQL for this column. It runs with the rights of its owner, and the owner of the table can put a column of
    -- another type in the place of this one: nothing of the row is converted.
    body CONSTANT TEXT := format(
        $f$
BEGIN
    IF pg_catalog.pg_typeof(NEW.%1$I)::pg_catalog.oid OPERATOR(pg_catalog.<>) %2$s THEN
        RAISE EXCEPTION 'the column %% of %% is no longer a bigint', %3$L, TG_RELID::pg_catalog.regclass
            USING ERRCODE = 'datatype_mismatch';
    END IF;
    PERFORM %4$I.register_sensor_event(NEW.%1$I);
    RETURN NEW;
END
$f$,
        column_name, 'bigint'::REGTYPE::OID, column_name, current_schema()
    );
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION %s() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER SET search_path TO %s AS %L',
        function_name, current_setting('search_path'), body
    );
    -- Nobody else may attach it to a table of their own.
    EXECUTE format('REVOKE ALL ON FUNCTION %s() FROM PUBLIC', function_name);
    EXECUTE format(
        'COMMENT ON FUNCTION %s() IS %L',
        function_name,
        format('Trigger: registers the sensor event in the column %s of %s, before the foreign key looks for it.', column_name, relation)
    );
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE INSERT OR UPDATE OF %I ON %s FOR EACH ROW WHEN (NEW.%2$I IS NOT NULL) EXECUTE FUNCTION %4$s()',
        'reference_' || CASE WHEN octet_length(column_name) <= 50 THEN column_name ELSE md5(column_name) END,
        column_name, relation, function_name
    );
END
$$;
COMMENT ON FUNCTION create_reference_trigger(REGCLASS, NAME) IS 'Gives a column a trigger that registers the sensor events in it, with a function of its own.';

CREATE FUNCTION drop_reference_triggers(relation REGCLASS, column_name NAME) RETURNS BIGINT
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    present RECORD;
    dropped BIGINT := 0;
BEGIN
    FOR present IN SELECT * FROM reference_triggers(relation, column_name) LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', present.trigger_name, relation);
        dropped := dropped + 1;
        -- A table that had the name before may use the same function.
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = present.function) THEN
            EXECUTE format('DROP FUNCTION %s', present.function);
        END IF;
    END LOOP;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION drop_reference_triggers(REGCLASS, NAME) IS 'Drops the triggers of a column that register sensor events, with their functions, and returns how many.';

CREATE FUNCTION check_reference_column(relation REGCLASS, column_name NAME, sets_null BOOLEAN) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    attribute pg_attribute;
    problem TEXT;
    remedy TEXT;
BEGIN
    SELECT * INTO attribute
    FROM pg_attribute
    WHERE attrelid = relation AND attname = column_name AND attnum > 0 AND NOT attisdropped;
    IF (SELECT relkind NOT IN ('r', 'p') FROM pg_class WHERE oid = relation) THEN
        problem := format('%s is not a table', relation);
        remedy := 'A reference to a sensor event is a column of an ordinary or partitioned table.';
    ELSIF attribute IS NULL OR attribute.atttypid <> 'bigint'::REGTYPE THEN
        problem := format('%s has no column %I of type bigint', relation, column_name);
        remedy := 'A reference to a sensor event is the id of the event: a nullable bigint column.';
    ELSIF attribute.attnotnull AND sets_null THEN
        problem := format('%s.%I is NOT NULL, so a removed event could not clear it', relation, column_name);
        remedy := format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', relation, column_name);
    ELSE
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'invalid_column_definition',
        MESSAGE = problem,
        HINT = remedy,
        TABLE = relation::TEXT, COLUMN = column_name, CONSTRAINT = 'occupancy_models:reference_column';
END
$$;
COMMENT ON FUNCTION check_reference_column(REGCLASS, NAME, BOOLEAN) IS 'Raises an error if the column cannot refer to sensor events.';

CREATE FUNCTION register_present_references(relation REGCLASS, column_name NAME) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
-- A policy of another role would run its functions with the rights of this caller, and hide rows: an error instead.
SET row_security TO off
AS $$
DECLARE
    wanted BIGINT[];
    found RECORD;
    moved BIGINT;
BEGIN
    EXECUTE format(
        'SELECT array_agg(DISTINCT i.%1$I) FROM %2$s AS i WHERE i.%1$I IS NOT NULL AND NOT EXISTS (SELECT FROM referenced_events AS r WHERE r.id = i.%1$I)',
        column_name, relation
    ) INTO wanted;
    IF wanted IS NULL THEN
        RETURN;
    END IF;
    -- The look at every chunk locks no event. EXECUTE, so that the plan is made for this number of ids.
    EXECUTE
        'SELECT array_agg(e.id) AS ids, array_agg(e.timestamp) AS timestamps
        FROM unnest($1) AS i (id)
        JOIN sensor_events AS e ON e.id = i.id'
        INTO found USING wanted;
    PERFORM register_sensor_events(found.ids, found.timestamps);
    -- What moved between rowstore and columnstore meanwhile.
    FOR moved IN
        SELECT i.id FROM unnest(found.ids) AS i (id) WHERE NOT EXISTS (SELECT FROM referenced_events AS r WHERE r.id = i.id) ORDER BY 1
    LOOP
        PERFORM register_sensor_event(moved);
    END LOOP;
END
$$;
COMMENT ON FUNCTION register_present_references(REGCLASS, NAME) IS 'Makes the sensor events referable that the rows of a table refer to.';

CREATE FUNCTION reference_sensor_events(relation REGCLASS, column_name NAME) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    attribute CONSTANT INT2 := (SELECT attnum FROM pg_attribute WHERE attrelid = relation AND attname = column_name);
    present RECORD;
BEGIN
    -- A foreign key made by hand stays, whatever it does when an event is removed.
    SELECT conname, confdeltype, convalidated INTO present
    FROM pg_constraint
    WHERE conrelid = relation AND contype = 'f' AND confrelid = 'referenced_events'::REGCLASS AND conkey = ARRAY[attribute]
    ORDER BY convalidated DESC, conname
    LIMIT 1;
    PERFORM check_reference_column(relation, column_name, coalesce(present.confdeltype = 'n', true));

    -- Nobody writes a row that the trigger has not seen.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
    IF (SELECT count(*) FILTER (WHERE is_right) <> 1 OR count(*) <> 1 FROM reference_triggers(relation, column_name)) THEN
        PERFORM drop_reference_triggers(relation, column_name);
        PERFORM create_reference_trigger(relation, column_name);
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = relation AND indkey[0] = attribute AND indisvalid
            AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) = format('(%I IS NOT NULL)', column_name))
    ) THEN
        EXECUTE format('CREATE INDEX ON %s (%I) WHERE %2$I IS NOT NULL', relation, column_name);
    END IF;
    IF present.convalidated THEN
        RETURN;
    END IF;
    PERFORM register_present_references(relation, column_name);
    IF present.conname IS NULL THEN
        EXECUTE format('ALTER TABLE %s ADD FOREIGN KEY (%I) REFERENCES referenced_events (id) ON DELETE SET NULL', relation, column_name);
    ELSE
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', relation, present.conname);
    END IF;
END
$$;
COMMENT ON FUNCTION reference_sensor_events(REGCLASS, NAME) IS 'Makes a bigint column a foreign key to sensor events that holds through retention. ON DELETE SET NULL, unless there is a foreign key to referenced_events already. Adds an index if the column has none. Repeatable.';

CREATE FUNCTION unreference_sensor_events(relation REGCLASS, column_name NAME) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    constraint_name NAME;
    had_key BOOLEAN := false;
BEGIN
    FOR constraint_name IN
        SELECT conname
        FROM pg_constraint
        WHERE conrelid = relation AND contype = 'f' AND confrelid = 'referenced_events'::REGCLASS
            AND conkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = relation AND attname = column_name)]
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', relation, constraint_name);
        had_key := true;
    END LOOP;
    RETURN drop_reference_triggers(relation, column_name) > 0 OR had_key;
END
$$;
COMMENT ON FUNCTION unreference_sensor_events(REGCLASS, NAME) IS 'Takes back reference_sensor_events: drops the foreign keys of the column to sensor events, the trigger and its function. The index and the values stay. False if there was nothing to drop. To be called before the table is dropped, which would leave the function.';
