-- Verification: finds violations of the guarantees that this schema gives.
--
-- verify_sensor_events() calls one function for each kind of violation. They write nothing, so they run on a read
-- replica too. What they read could run code of whoever owns it, with the rights of whoever verifies: a view, a
-- policy, or an expression of an index that is computed when a query is planned. So they read nothing but ordinary and
-- partitioned tables of roles that could do all that anyway (unreadable_because() below), with row_security off.
-- What they could not read is reported as well.
--
-- Fixes are one statement each, because two of them might stop after the first; names in them are qualified.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION qualified_name(relation REGCLASS) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
COMMENT ON FUNCTION qualified_name(REGCLASS) IS 'The name of a relation with its schema; null if the relation is gone.';

CREATE FUNCTION database_owner() RETURNS OID
-- The planner would run a stable one to estimate, wherever it stands; not everyone may read pg_database everywhere.
LANGUAGE sql VOLATILE
SET search_path FROM CURRENT
AS $$
    SELECT datdba FROM pg_database WHERE datname = current_database()
$$;
COMMENT ON FUNCTION database_owner() IS 'The owner of this database.';

CREATE FUNCTION unreadable_because(relation REGCLASS) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    WITH RECURSIVE read (oid) AS (
        SELECT relation
        UNION
        -- Reading an ordinary table leaves out what inherits from it; a hypertable's chunks belong to its owner.
        SELECT i.inhrelid::REGCLASS
        FROM read
        JOIN pg_class AS c ON c.oid = read.oid AND c.relkind = 'p'
        JOIN pg_inherits AS i ON i.inhparent = read.oid
    ), trusted (oid) AS (
        -- These could make the functions here do what they like.
        SELECT oid FROM pg_roles WHERE rolsuper OR rolname = current_user
        UNION
        SELECT owner
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (VALUES (c.relowner), (n.nspowner)) AS o (owner)
        WHERE c.oid = 'sensor_events'::REGCLASS
    )
    SELECT
        CASE
            WHEN pg_is_other_temp_schema(c.relnamespace) THEN
                format('%s is a temporary table of another session', qualified_name(c.oid))
            WHEN c.relkind NOT IN ('r', 'p') THEN
                format('%s is no ordinary or partitioned table', qualified_name(c.oid))
            ELSE
                format('%s belongs to %I, whose code a query could run', qualified_name(c.oid), untrusted.rolname)
        END
    FROM read
    JOIN pg_class AS c ON c.oid = read.oid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_roles AS untrusted ON untrusted.oid IN (c.relowner, n.nspowner)
        AND untrusted.oid NOT IN (SELECT oid FROM trusted)
        -- With the owners in it, so that it is not asked for every role.
        AND CASE WHEN untrusted.rolname = 'pg_database_owner' AND untrusted.oid IN (c.relowner, n.nspowner) THEN database_owner() NOT IN (SELECT oid FROM trusted) ELSE true END
    WHERE pg_is_other_temp_schema(c.relnamespace) OR c.relkind NOT IN ('r', 'p') OR untrusted.oid IS NOT NULL
    ORDER BY c.oid <> relation, untrusted.oid = c.relowner DESC
    LIMIT 1
$$;
COMMENT ON FUNCTION unreadable_because(REGCLASS) IS 'Why verification must not read a relation; null if it may. It reads ordinary and partitioned tables of superusers, of the caller, and of the owners of sensor_events and its schema.';

CREATE FUNCTION fix_for(relation REGCLASS, statement TEXT) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT CASE
        WHEN unreadable_because(relation) IS NULL THEN statement
        ELSE format('As the owner of %s, and as nobody else: %s', qualified_name(relation), statement)
    END
$$;
COMMENT ON FUNCTION fix_for(REGCLASS, TEXT) IS 'The statement, or for a table that verification must not read, who may run it: it could run the code of the owner of the table.';

CREATE FUNCTION fix_unreadable(VARIADIC relations REGCLASS[]) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT CASE
        WHEN row_security_active(relation) THEN format('Verify as the owner of %s, or as a role with BYPASSRLS', qualified_name(relation))
        ELSE format('GRANT SELECT ON %s%s TO %I', CASE relkind WHEN 'S' THEN 'SEQUENCE ' END, qualified_name(relation), current_user)
    END
    FROM unnest(relations) WITH ORDINALITY AS r (relation, position)
    JOIN pg_class ON pg_class.oid = relation
    ORDER BY has_table_privilege(relation, 'SELECT') AND NOT row_security_active(relation), position
    LIMIT 1
$$;
COMMENT ON FUNCTION fix_unreadable(REGCLASS[]) IS 'The statement that lets the caller read the first of these relations that it cannot read.';

CREATE FUNCTION verify_hypertable(allow_plain_table BOOLEAN) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    events CONSTANT TEXT := qualified_name('sensor_events');
    hypertable CONSTANT RECORD := diesel_timescale.hypertable_report('sensor_events');
BEGIN
    IF hypertable.time_column IS NULL THEN
        IF NOT allow_plain_table THEN
            RETURN QUERY SELECT
                'not_a_hypertable', 'sensor_events',
                'The table is not a hypertable.',
                format('SELECT * FROM diesel_timescale.setup_hypertable(%L, %L)', events, 'timestamp');
        END IF;
        RETURN;
    END IF;
    IF hypertable.time_column <> 'timestamp' THEN
        RETURN QUERY SELECT
            'wrong_dimension', 'sensor_events',
            format('The hypertable is partitioned on %I, not on "timestamp".', hypertable.time_column),
            'Create the table again and move the rows there.';
    END IF;
    RETURN QUERY
    SELECT
        'foreign_retention_policy', format('job %s', j.job_id),
        'The retention policy of the server drops chunks without clearing the references to their events.',
        format(
            'SELECT %I.delete_job(%s) -- and call drop_sensor_events_before() instead',
            (SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'),
            j.job_id
        )
    FROM timescaledb_information.jobs AS j
    WHERE j.proc_name = 'policy_retention'
        AND format('%I.%I', j.hypertable_schema, j.hypertable_name) = events;
END
$$;
COMMENT ON FUNCTION verify_hypertable(BOOLEAN) IS 'Part of verify_sensor_events(): the hypertable, its dimension, and retention policies of the server.';

CREATE FUNCTION verify_event_keys() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    events CONSTANT REGCLASS := 'sensor_events';
BEGIN
    RETURN QUERY
    SELECT
        'missing_key', 'sensor_events',
        format('There is no %s on (%s).', wanted.kind, array_to_string(wanted.columns, ', ')),
        format('ALTER TABLE %s ADD %s (%s)', qualified_name(events), wanted.kind, array_to_string(wanted.columns, ', '))
    FROM (VALUES
        ('PRIMARY KEY', 'p'::"char", ARRAY['id', 'timestamp']::NAME[]),
        ('UNIQUE', 'u'::"char", ARRAY['sensor_id', 'timestamp']::NAME[])
    ) AS wanted (kind, contype, columns)
    WHERE NOT EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = events AND contype = wanted.contype
            AND wanted.columns = ARRAY(
                SELECT attname
                FROM unnest(conkey) WITH ORDINALITY AS key (attnum, position)
                JOIN pg_attribute ON attrelid = events AND pg_attribute.attnum = key.attnum
                ORDER BY position
            )
    );

    RETURN QUERY
    SELECT
        'id_not_generated', 'sensor_events.id',
        'The id is not GENERATED ALWAYS AS IDENTITY, so inserts can bring their own.',
        CASE attidentity
            WHEN '' THEN format(
                'DO %L',
                format(
                    'BEGIN ALTER TABLE %1$s ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY; PERFORM setval(pg_get_serial_sequence(%1$L, %2$L), max(id)) FROM %1$s; END',
                    qualified_name(events), 'id'
                )
            )
            ELSE format('ALTER TABLE %s ALTER COLUMN id SET GENERATED ALWAYS', qualified_name(events))
        END
    FROM pg_attribute
    WHERE attrelid = events AND attname = 'id' AND attidentity <> 'a';
END
$$;
COMMENT ON FUNCTION verify_event_keys() IS 'Part of verify_sensor_events(): the keys of sensor_events, and where its ids come from.';

CREATE FUNCTION verify_event_triggers() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT
        CASE
            WHEN present.tgname IS NULL THEN 'missing_trigger'
            WHEN present.tgfoid <> to_regprocedure(wanted.function_name) OR replace(encode(present.tgargs, 'escape'), '"', '') <> wanted.arguments THEN 'wrong_trigger'
            ELSE 'disabled_trigger'
        END,
        wanted.trigger_name,
        concat(
            wanted.purpose, ': the trigger is ',
            CASE
                WHEN present.tgname IS NULL THEN 'missing'
                WHEN present.tgfoid <> to_regprocedure(wanted.function_name) THEN format('another: it executes %s', present.tgfoid::REGPROCEDURE)
                WHEN replace(encode(present.tgargs, 'escape'), '"', '') <> wanted.arguments THEN 'another: it has other arguments'
                ELSE 'missing or disabled'
            END,
            format(' on %s chunk(s)', nullif(broken.chunks, 0)), '.'
        ),
        -- A hypertable refuses to enable a trigger.
        format(
            'DO %L',
            format(
                'BEGIN DROP TRIGGER IF EXISTS %1$I ON %2$s; CREATE TRIGGER %1$I %3$s EXECUTE FUNCTION %4$s; END',
                wanted.trigger_name, qualified_name('sensor_events'::REGCLASS),
                format(wanted.definition, qualified_name('sensor_events'::REGCLASS)),
                format(wanted.call, current_schema(), qualified_name('sensor_events'::REGCLASS))
            )
        )
    FROM (VALUES
        (
            'sensor_events_key_is_fixed', 'diesel_timescale.refuse_key_change()', NULL,
            'diesel_timescale.refuse_key_change(%2$L, ''id'', ''timestamp'')', 'Keeps the key of an event fixed',
            'BEFORE UPDATE OF id, timestamp ON %s FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id OR OLD.timestamp IS DISTINCT FROM NEW.timestamp)'
        ),
        (
            -- Its argument is how diesel_timescale.reference_target() knows the registry.
            'sensor_events_release_references', 'release_sensor_events()', 'referenced_events.timestamp\000',
            '%1$I.release_sensor_events(''referenced_events."timestamp"'')', 'Clears the references to deleted events',
            'AFTER DELETE ON %s FOR EACH ROW'
        ),
        (
            'sensor_events_release_all_references', 'release_all_sensor_events()', NULL,
            '%1$I.release_all_sensor_events()', 'Clears every reference on TRUNCATE',
            'BEFORE TRUNCATE ON %s FOR EACH STATEMENT'
        )
    ) AS wanted (trigger_name, function_name, arguments, call, purpose, definition)
    LEFT JOIN pg_trigger AS present ON present.tgrelid = 'sensor_events'::REGCLASS AND present.tgname = wanted.trigger_name
    -- A trigger for each row is on each chunk as well.
    CROSS JOIN LATERAL (
        SELECT count(*) AS chunks
        FROM pg_inherits
        JOIN pg_class AS chunk ON chunk.oid = inhrelid AND chunk.relkind = 'r'
        LEFT JOIN pg_trigger AS on_chunk ON on_chunk.tgrelid = inhrelid AND on_chunk.tgname = wanted.trigger_name
            AND on_chunk.tgfoid = to_regprocedure(wanted.function_name)
        WHERE inhparent = 'sensor_events'::REGCLASS
            AND wanted.definition LIKE '%FOR EACH ROW%'
            AND (on_chunk.tgname IS NULL OR on_chunk.tgenabled NOT IN ('O', 'A'))
    ) AS broken
    WHERE present.tgname IS NULL
        OR present.tgfoid <> to_regprocedure(wanted.function_name)
        OR replace(encode(present.tgargs, 'escape'), '"', '') <> wanted.arguments
        OR present.tgenabled NOT IN ('O', 'A')
        OR broken.chunks > 0;
$$;
COMMENT ON FUNCTION verify_event_triggers() IS 'Part of verify_sensor_events(): the triggers on sensor_events and its chunks.';

CREATE FUNCTION is_chunk(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT diesel_timescale.has_timescaledb() THEN
        RETURN false;
    END IF;
    -- What the columnstore keeps its rows in is in this schema, too.
    RETURN EXISTS (SELECT FROM pg_class WHERE oid = relation AND relnamespace = to_regnamespace('_timescaledb_internal'))
        OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = relation)
            AND EXISTS (SELECT FROM timescaledb_information.chunks WHERE format('%I.%I', chunk_schema, chunk_name) = qualified_name(relation));
END
$$;
COMMENT ON FUNCTION is_chunk(REGCLASS) IS 'Whether a table is a chunk of a hypertable, or holds its columnstore.';


-- Every column that refers to sensor events: it has the trigger, the foreign key, or should have both.
CREATE FUNCTION sensor_event_references() RETURNS TABLE (
    relation REGCLASS, column_name NAME, object TEXT, nullable BOOLEAN, has_foreign_key BOOLEAN, trigger_name NAME, trigger_fault TEXT
)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    -- Partitions and chunks have theirs from their table.
    WITH triggers AS (
        SELECT tgrelid AS relation, tgattr[0] AS column_number, tgname, tgenabled, prosrc
        FROM pg_trigger
        JOIN pg_proc ON pg_proc.oid = tgfoid
        JOIN pg_class ON pg_class.oid = tgrelid AND relkind IN ('r', 'p')
        -- As diesel_timescale.add_reference() makes them, also while sensor_events has lost what makes it a target.
        WHERE NOT tgisinternal AND proname LIKE 'reference\_%' AND prosecdef
            AND strpos(prosrc, format('PERFORM %I.register_sensor_events(NEW.', current_schema())) > 0
            -- It can register an event: any role can make a function that looks like one that does.
            AND has_function_privilege(proowner, to_regprocedure('register_sensor_events(bigint)'), 'EXECUTE')
            AND tgparentid = 0 AND NOT is_chunk(tgrelid)
    ), foreign_keys AS (
        SELECT DISTINCT conrelid AS relation, conkey[1] AS column_number
        FROM pg_constraint
        WHERE contype = 'f' AND confrelid = 'referenced_events'::REGCLASS AND conparentid = 0 AND NOT is_chunk(conrelid)
    ), columns AS (
        SELECT relation, column_number FROM triggers
        UNION
        SELECT relation, column_number FROM foreign_keys
        UNION
        SELECT attrelid, attnum FROM pg_attribute WHERE attrelid = 'predictions'::REGCLASS AND attname = 'triggering_event_id'
    )
    SELECT
        a.attrelid::REGCLASS, a.attname, format('%s.%I', a.attrelid::REGCLASS, a.attname), NOT a.attnotnull,
        k.relation IS NOT NULL,
        coalesce(t.tgname, under_our_name.tgname),
        CASE
            WHEN t.tgname IS NULL AND under_our_name.tgname IS NULL THEN 'is missing'
            WHEN t.tgname IS NULL THEN format('executes %s', under_our_name.tgfoid::REGPROCEDURE)
            WHEN position(format('register_sensor_events(NEW.%I)', a.attname) IN t.prosrc) = 0 THEN 'was made for an earlier name of the column'
            WHEN t.tgenabled NOT IN ('O', 'A') THEN 'is disabled'
        END
    FROM columns AS c
    JOIN pg_attribute AS a ON a.attrelid = c.relation AND a.attnum = c.column_number
    LEFT JOIN triggers AS t ON t.relation = c.relation AND t.column_number = c.column_number
    LEFT JOIN foreign_keys AS k ON k.relation = c.relation AND k.column_number = c.column_number
    LEFT JOIN pg_trigger AS under_our_name ON under_our_name.tgrelid = c.relation
        AND under_our_name.tgname = diesel_timescale.short_name('reference_' || a.attname)
    ORDER BY a.attrelid <> 'predictions'::REGCLASS, 3
$$;
COMMENT ON FUNCTION sensor_event_references() IS 'One row for each column that refers to sensor events, with whether it has a foreign key, the trigger that registers the events, and what is wrong with that.';

CREATE FUNCTION register_statement(relation REGCLASS, column_name NAME) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT format(
        'diesel_timescale.register_present_references(%L, ARRAY[%L]::NAME[], %L)',
        qualified_name(relation), column_name, qualified_name('sensor_events')
    )
$$;
COMMENT ON FUNCTION register_statement(REGCLASS, NAME) IS 'What registers the events that the rows of a table refer to, for SELECT or PERFORM.';

CREATE FUNCTION add_reference_statements(relation REGCLASS, column_name NAME, nullable BOOLEAN) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT format(
        concat(
            -- What cannot be set null holds its events.
            CASE WHEN NOT nullable THEN 'PERFORM %4$s; ALTER TABLE %2$s ADD FOREIGN KEY (%3$I) REFERENCES %1$I.referenced_events (id); ' END,
            'PERFORM %1$I.add_sensor_event_reference(%2$L, %3$L);'
        ),
        current_schema(), qualified_name(relation), column_name, register_statement(relation, column_name)
    )
$$;
COMMENT ON FUNCTION add_reference_statements(REGCLASS, NAME, BOOLEAN) IS 'What makes a column that has no foreign key refer to sensor events, for the body of a DO statement.';

CREATE FUNCTION verify_references() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN QUERY
    SELECT
        'missing_foreign_key', r.object,
        'The column refers to sensor events, and has no foreign key.',
        fix_for(r.relation, format('DO %L', format('BEGIN %s END', add_reference_statements(r.relation, r.column_name, r.nullable))))
    FROM sensor_event_references() AS r
    WHERE NOT r.has_foreign_key;

    RETURN QUERY
    SELECT
        CASE r.trigger_fault WHEN 'is missing' THEN 'missing_trigger' WHEN 'is disabled' THEN 'disabled_trigger' ELSE 'wrong_trigger' END,
        coalesce(r.trigger_name::TEXT, r.object),
        format('The trigger that registers what %s refers to %s, so new references are refused.', r.object, r.trigger_fault),
        fix_for(r.relation, format('DO %L', format(
            'BEGIN %s%s END',
            -- One of ours is replaced.
            CASE WHEN r.trigger_fault LIKE 'executes %' THEN format('DROP TRIGGER %I ON %s; ', r.trigger_name, qualified_name(r.relation)) END,
            add_reference_statements(r.relation, r.column_name, true)
        )))
    FROM sensor_event_references() AS r
    -- The fix for a foreign key that is missing gives the trigger as well.
    WHERE r.trigger_fault IS NOT NULL AND (r.has_foreign_key OR r.trigger_name IS NOT NULL);
END
$$;
COMMENT ON FUNCTION verify_references() IS 'Part of verify_sensor_events(): whether each column that refers to sensor events has its trigger and a foreign key.';

CREATE FUNCTION verify_foreign_keys() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    WITH foreign_keys AS (
        SELECT
            k.oid, k.conname, k.conrelid::REGCLASS AS relation, k.convalidated, a.attname, k.confdeltype,
            k.conrelid = 'predictions'::REGCLASS AND a.attname = 'triggering_event_id' AS is_promised, a.attnotnull
        FROM pg_constraint AS k
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE k.contype = 'f' AND k.confrelid = 'referenced_events'::REGCLASS AND k.conparentid = 0 AND NOT is_chunk(k.conrelid)
    )
    SELECT
        'wrong_foreign_key', k.conname::TEXT,
        format('The foreign key on %s.%I is not validated.', k.relation, k.attname),
        fix_for(k.relation, format('DO %L', format(
            'BEGIN PERFORM %s; ALTER TABLE %s VALIDATE CONSTRAINT %I; END',
            register_statement(k.relation, k.attname), qualified_name(k.relation), k.conname
        )))
    FROM foreign_keys AS k
    WHERE NOT k.convalidated
    UNION ALL
    -- Elsewhere, what a removed event does to a row is for whoever made the foreign key to say.
    SELECT
        'wrong_foreign_key', k.conname::TEXT,
        format('The foreign key on %s.%I is not ON DELETE SET NULL.', k.relation, k.attname),
        fix_for(k.relation, format(
            'ALTER TABLE %s DROP CONSTRAINT %I, ADD FOREIGN KEY (%I) REFERENCES %I.referenced_events (id) ON DELETE SET NULL',
            qualified_name(k.relation), k.conname, k.attname, current_schema()
        ))
    FROM foreign_keys AS k
    WHERE k.is_promised AND k.confdeltype <> 'n'
    UNION ALL
    SELECT
        'wrong_foreign_key', k.conname::TEXT,
        format('%s.%I is NOT NULL, so its foreign key cannot clear it, and no event that it refers to can be removed.', k.relation, k.attname),
        fix_for(k.relation, CASE
            WHEN k.is_promised THEN format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', qualified_name(k.relation), k.attname)
            -- The same, and it says so.
            ELSE format('ALTER TABLE %1$s DROP CONSTRAINT %2$I, ADD CONSTRAINT %2$I FOREIGN KEY (%3$I) REFERENCES %4$I.referenced_events (id)', qualified_name(k.relation), k.conname, k.attname, current_schema())
        END)
    FROM foreign_keys AS k
    WHERE k.attnotnull AND (k.is_promised OR k.confdeltype = 'n')
    UNION ALL
    -- It is triggers of its own that a foreign key does its work by. Those of a partition belong to its own constraint.
    SELECT
        'disabled_trigger', k.conname::TEXT,
        format('The foreign key on %s.%I has %s disabled trigger(s), so it does not hold.', k.relation, k.attname, count(*)),
        fix_for(k.relation, format(
            'ALTER TABLE %1$s DROP CONSTRAINT %2$I, ADD CONSTRAINT %2$I %3$s', qualified_name(k.relation), k.conname,
            replace(pg_get_constraintdef(k.oid), 'REFERENCES referenced_events(', format('REFERENCES %I.referenced_events(', current_schema()))
        ))
    FROM foreign_keys AS k
    JOIN pg_constraint AS part ON part.oid = k.oid OR part.conparentid = k.oid
        OR (part.contype = 'f' AND part.confrelid = 'referenced_events'::REGCLASS AND part.conrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = k.relation))
    JOIN pg_trigger AS t ON t.tgconstraint = part.oid AND t.tgenabled NOT IN ('O', 'A')
    GROUP BY k.oid, k.conname, k.relation, k.attname
$$;
COMMENT ON FUNCTION verify_foreign_keys() IS 'Part of verify_sensor_events(): whether the foreign keys to sensor events are validated and enforced.';

CREATE FUNCTION verify_native_foreign_keys() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT
        'native_foreign_key', k.conname::TEXT,
        format('%s references the table of events itself; that and retention exclude each other.', k.conrelid::REGCLASS),
        -- Together, so that the column is never without.
        fix_for(k.conrelid, format('DO %L', format(
            'BEGIN %s ALTER TABLE %s DROP CONSTRAINT %I; END',
            add_reference_statements(k.conrelid, a.attname, NOT a.attnotnull), qualified_name(k.conrelid), k.conname
        )))
    FROM pg_constraint AS k
    -- The column that refers to the id.
    JOIN pg_attribute AS e ON e.attrelid = k.confrelid AND e.attname = 'id'
    JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = coalesce(k.conkey[array_position(k.confkey, e.attnum)], k.conkey[1])
    WHERE k.contype = 'f' AND k.confrelid = 'sensor_events'::REGCLASS AND k.conparentid = 0 AND NOT is_chunk(k.conrelid)
$$;
COMMENT ON FUNCTION verify_native_foreign_keys() IS 'Part of verify_sensor_events(): foreign keys to the hypertable itself.';

CREATE FUNCTION verify_referring_rows() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET row_security TO off
SET enable_nestloop TO off
SET jit TO off
AS $$
DECLARE
    reference RECORD;
    unreadable TEXT;
    unregistered BIGINT;
    valid BIGINT;
    refers TEXT;
    exist TEXT;
BEGIN
    FOR reference IN SELECT * FROM sensor_event_references() LOOP
        unreadable := unreadable_because(reference.relation);
        IF unreadable IS NOT NULL THEN
            RETURN QUERY SELECT
                'unchecked', reference.object, format('The rows were not read: %s.', unreadable),
                format('Let its owner verify (the function is %I.verify_sensor_events()), or drop the reference.', current_schema());
            CONTINUE;
        END IF;
        -- A foreign key that holds does not cover what inherits from an ordinary table.
        refers := format(
            'FROM %s %s AS t WHERE t.%I IS NOT NULL AND NOT EXISTS (SELECT FROM %I.referenced_events AS r WHERE r.id = t.%3$I)',
            CASE WHEN (SELECT relkind = 'p' FROM pg_class WHERE oid = reference.relation) OR (diesel_timescale.hypertable_report(reference.relation)).time_column IS NOT NULL THEN '' ELSE 'ONLY' END,
            qualified_name(reference.relation), reference.column_name, current_schema()
        );
        exist := format('EXISTS (SELECT FROM %I.sensor_events AS e WHERE e.id = t.%I)', current_schema(), reference.column_name);
        BEGIN
            EXECUTE concat('SELECT count(*) ', refers) INTO unregistered;
            CONTINUE WHEN unregistered = 0;
            EXECUTE concat('SELECT count(*) ', refers, ' AND ', exist) INTO valid;
        EXCEPTION
            WHEN undefined_table OR undefined_column OR invalid_schema_name THEN
                CONTINUE; -- gone meanwhile
            WHEN insufficient_privilege THEN
                RETURN QUERY SELECT 'unchecked', reference.object, format('The rows were not read: %s.', SQLERRM), fix_unreadable(reference.relation, 'referenced_events', 'sensor_events');
                CONTINUE;
        END;
        RETURN QUERY SELECT
            'unregistered_reference', reference.object,
            format('%s rows refer to events that are there and not registered.', valid),
            concat('SELECT ', register_statement(reference.relation, reference.column_name))
        WHERE valid > 0;
        RETURN QUERY SELECT
            'dangling_reference', reference.object,
            format('%s rows refer to events that are not there.', unregistered - valid),
            CASE
                WHEN reference.nullable THEN format('UPDATE %1$s SET %2$I = NULL WHERE %2$I IN (SELECT t.%2$I %3$s AND NOT %4$s)', qualified_name(reference.relation), reference.column_name, refers, exist)
                ELSE format('Delete these rows, or let them refer to other events: SELECT * %s AND NOT %s', refers, exist)
            END
        WHERE unregistered > valid;
    END LOOP;
END
$$;
COMMENT ON FUNCTION verify_referring_rows() IS 'Part of verify_sensor_events(): rows that refer to events that are not registered, or not there.';

CREATE FUNCTION verify_registrations() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET row_security TO off
-- A nested loop would probe every chunk for every registration.
SET enable_nestloop TO off
-- The setting above makes plans look costly enough to be compiled, which takes longer than they run.
SET jit TO off
AS $$
DECLARE
    missing BIGINT;
BEGIN
    EXECUTE
        'SELECT count(*)
         FROM referenced_events AS r
         LEFT JOIN sensor_events AS e ON e.id = r.id AND e.timestamp = r.timestamp
         WHERE e.id IS NULL'
        INTO missing;
    IF missing > 0 THEN
        RETURN QUERY SELECT
            'dangling_reference', 'referenced_events',
            format('%s events are referenced, and gone: something dropped their chunks without clearing the references.', missing),
            format('SELECT %I.clear_dangling_event_references()', current_schema());
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN QUERY SELECT
        'unchecked', 'referenced_events', format('Whether the registered events are there was not read: %s.', SQLERRM),
        fix_unreadable('referenced_events', 'sensor_events');
END
$$;
COMMENT ON FUNCTION verify_registrations() IS 'Part of verify_sensor_events(): registered events that are gone.';

CREATE FUNCTION verify_duplicate_ids() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET row_security TO off
AS $$
BEGIN
    RETURN QUERY
    SELECT
        'duplicate_id', format('sensor_events.id %s', e.id),
        format('%s events have this id.', count(*)),
        -- The one that references go to stays; the others get ids of their own.
        format(
            'WITH again AS (DELETE FROM %1$s WHERE id = %2$s AND timestamp <> %3$L RETURNING *) INSERT INTO %1$s (%4$s) SELECT %4$s FROM again',
            qualified_name('sensor_events'), e.id,
            coalesce((SELECT r.timestamp FROM referenced_events AS r WHERE r.id = e.id), min(e.timestamp)),
            (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'sensor_events'::REGCLASS AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname <> 'id')
        )
    FROM sensor_events AS e
    GROUP BY e.id
    HAVING count(*) > 1
    ORDER BY e.id
    LIMIT 100;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN QUERY SELECT 'unchecked', 'sensor_events', format('Whether ids are unique was not read: %s.', SQLERRM), fix_unreadable('sensor_events', 'referenced_events');
END
$$;
COMMENT ON FUNCTION verify_duplicate_ids() IS 'Part of verify_sensor_events(): ids that several events have, the first hundred of them.';

CREATE FUNCTION verify_sequence(relation REGCLASS) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET row_security TO off
AS $$
DECLARE
    -- Null where ids come from elsewhere, which is another violation.
    sequence CONSTANT REGCLASS := pg_get_serial_sequence(relation::TEXT, 'id');
    largest BIGINT;
BEGIN
    IF sequence IS NULL THEN
        RETURN;
    ELSIF NOT has_sequence_privilege(sequence, 'SELECT') THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied for sequence %s', sequence);
    END IF;
    EXECUTE format('SELECT max(id) FROM %s', relation) INTO largest;
    RETURN QUERY
    SELECT
        'sequence_behind', qualified_name(sequence),
        format('The largest id of %s is %s, and the sequence will hand it out again.', relation, largest),
        format('SELECT setval(%L, %s)', qualified_name(sequence), largest)
    WHERE largest > coalesce(pg_sequence_last_value(sequence), 0);
EXCEPTION WHEN insufficient_privilege THEN
    RETURN QUERY SELECT
        'unchecked', qualified_name(sequence), format('Whether the sequence is ahead of the ids was not read: %s.', SQLERRM), fix_unreadable(sequence, relation);
END
$$;
COMMENT ON FUNCTION verify_sequence(REGCLASS) IS 'Part of verify_sensor_events(): whether the sequence is ahead of the ids of a table.';

CREATE FUNCTION verify_sensor_events(
    allow_plain_table BOOLEAN DEFAULT false,
    scan_events BOOLEAN DEFAULT true
) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
-- What is compared as text is written so.
SET standard_conforming_strings TO on
SET quote_all_identifiers TO off
AS $$
BEGIN
    RETURN QUERY SELECT * FROM verify_hypertable(allow_plain_table);
    RETURN QUERY SELECT * FROM verify_event_keys();
    RETURN QUERY SELECT * FROM verify_event_triggers();
    -- In the order to fix them in: no foreign key can be added over a reference that dangles.
    RETURN QUERY SELECT * FROM verify_referring_rows();
    RETURN QUERY SELECT * FROM verify_foreign_keys();
    RETURN QUERY SELECT * FROM verify_references();
    RETURN QUERY SELECT * FROM verify_native_foreign_keys();
    RETURN QUERY SELECT * FROM verify_registrations();
    RETURN QUERY SELECT * FROM verify_sequence('predictions');
    IF scan_events THEN
        RETURN QUERY SELECT * FROM verify_duplicate_ids();
        RETURN QUERY SELECT * FROM verify_sequence('sensor_events');
    END IF;
END
$$;
COMMENT ON FUNCTION verify_sensor_events(BOOLEAN, BOOLEAN) IS 'One row for each violation of the guarantees of this schema, with its remedy. Without scan_events it does not look for duplicate ids, which reads every event.';
