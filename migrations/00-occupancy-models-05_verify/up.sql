-- Verification: what would break a promise of this schema, found before it does.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- Every column that refers to sensor events: it has the trigger, the foreign key, or should have both.
CREATE VIEW sensor_event_references AS
WITH triggers AS (
    SELECT
        tgrelid AS relation,
        attname AS column_name,
        tgname AS trigger_name,
        tgenabled IN ('O', 'A') AS trigger_enabled
    FROM pg_trigger
    JOIN pg_proc ON pg_proc.oid = tgfoid
    JOIN pg_attribute ON attrelid = tgrelid AND attnum = tgattr[0]
    -- A hypertable passes its triggers on to its chunks, which are not of interest here.
    WHERE proname LIKE 'reference\_%'
        AND strpos(prosrc, (
            SELECT format('PERFORM %I.register_sensor_events(NEW.', nspname)
            FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = 'sensor_events'::REGCLASS
        )) > 0
        AND tgrelid::REGCLASS::TEXT NOT LIKE '\_timescaledb\_internal.%'
), constraints AS (
    SELECT
        conrelid AS relation,
        attname AS column_name,
        conname AS constraint_name,
        confdeltype = 'n' AS sets_null,
        convalidated AS validated
    FROM pg_constraint
    JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
    WHERE contype = 'f'
        AND confrelid = 'referenced_events'::REGCLASS
        AND conparentid = 0
        AND conrelid::REGCLASS::TEXT NOT LIKE '\_timescaledb\_internal.%'
)
SELECT
    relation::REGCLASS AS relation,
    column_name,
    trigger_name,
    trigger_enabled,
    constraint_name,
    sets_null,
    validated
FROM triggers
FULL JOIN constraints USING (relation, column_name)
FULL JOIN (SELECT 'predictions'::REGCLASS::OID AS relation, 'triggering_event_id'::NAME AS column_name) AS promised
    USING (relation, column_name);
COMMENT ON VIEW sensor_event_references IS 'One row for each column that refers to sensor events, with the trigger and the foreign key that guard it (null where missing).';

COMMENT ON COLUMN sensor_event_references.relation IS 'The table.';
COMMENT ON COLUMN sensor_event_references.column_name IS 'The column.';
COMMENT ON COLUMN sensor_event_references.trigger_name IS 'The trigger that registers the events.';
COMMENT ON COLUMN sensor_event_references.trigger_enabled IS 'Whether that trigger fires.';
COMMENT ON COLUMN sensor_event_references.constraint_name IS 'The foreign key to referenced_events.';
COMMENT ON COLUMN sensor_event_references.sets_null IS 'Whether the foreign key is ON DELETE SET NULL.';
COMMENT ON COLUMN sensor_event_references.validated IS 'Whether the foreign key is validated.';

CREATE FUNCTION verify_sensor_events(
    plain_table_will_do BOOLEAN DEFAULT false,
    scan_events BOOLEAN DEFAULT true
) RETURNS TABLE (fault TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
-- A nested loop would probe every chunk for every registration.
SET enable_nestloop TO off
-- The setting above makes plans look costly enough to be compiled, which takes longer than they run.
SET jit TO off
AS $$
DECLARE
    events CONSTANT REGCLASS := 'sensor_events';
    events_schema CONSTANT NAME := (SELECT nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = events);
    hypertable RECORD := diesel_timescale.hypertable_report(events);
    reference RECORD;
    dangling BIGINT;
BEGIN
    -- The hypertable and its dimension.
    IF hypertable.time_column IS NULL THEN
        IF NOT plain_table_will_do THEN
            RETURN QUERY SELECT
                'not_a_hypertable', 'sensor_events',
                'The table is not a hypertable.',
                $r$SELECT * FROM diesel_timescale.setup_hypertable('sensor_events', 'timestamp')$r$;
        END IF;
    ELSE
        IF hypertable.time_column <> 'timestamp' THEN
            RETURN QUERY SELECT
                'wrong_dimension', 'sensor_events',
                format('The hypertable is partitioned on %I, not on "timestamp".', hypertable.time_column),
                'Create the table anew and move the rows there.';
        END IF;
        RETURN QUERY
        SELECT
            'foreign_retention_policy', format('job %s', j.job_id),
            'The retention policy of the server drops chunks without clearing the references to their events.',
            format('SELECT delete_job(%s) -- and call drop_sensor_events_before() instead', j.job_id)
        FROM timescaledb_information.jobs AS j
        WHERE j.proc_name = 'policy_retention'
            AND j.hypertable_schema = events_schema
            AND j.hypertable_name = 'sensor_events';
    END IF;

    -- Keys.
    RETURN QUERY
    SELECT
        'missing_key', 'sensor_events',
        format('There is no %s on (%s).', wanted.kind, array_to_string(wanted.columns, ', ')),
        format('ALTER TABLE sensor_events ADD %s (%s)', wanted.kind, array_to_string(wanted.columns, ', '))
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
            WHEN '' THEN 'ALTER TABLE sensor_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY; SELECT setval(pg_get_serial_sequence(''sensor_events'', ''id''), max(id)) FROM sensor_events'
            ELSE 'ALTER TABLE sensor_events ALTER COLUMN id SET GENERATED ALWAYS'
        END
    FROM pg_attribute
    WHERE attrelid = events AND attname = 'id' AND attidentity <> 'a';

    -- Triggers on the events, and on their chunks where they are row by row.
    RETURN QUERY
    SELECT
        CASE WHEN present.tgname IS NULL THEN 'missing_trigger' ELSE 'disabled_trigger' END, wanted.trigger_name,
        format('%s: the trigger is missing or disabled%s.', wanted.purpose, format(' on %s chunk(s)', nullif(broken.chunks, 0))),
        format(
            'DROP TRIGGER IF EXISTS %1$I ON sensor_events; CREATE TRIGGER %1$I %2$s EXECUTE FUNCTION %3$s',
            wanted.trigger_name, wanted.definition, wanted.call
        )
    FROM (VALUES
        (
            'sensor_events_key_is_fixed', 'diesel_timescale.refuse_key_change()', format('diesel_timescale.refuse_key_change(%L, ''id'', ''timestamp'')', diesel_timescale.qualified_name(events)), 'Keeps the key of an event fixed',
            'BEFORE UPDATE OF id, timestamp ON sensor_events FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id OR OLD.timestamp IS DISTINCT FROM NEW.timestamp)'
        ),
        (
            'sensor_events_release_references', 'release_sensor_events()', 'release_sensor_events(''referenced_events."timestamp"'')', 'Clears the references to deleted events',
            'AFTER DELETE ON sensor_events FOR EACH ROW'
        ),
        (
            'sensor_events_release_all_references', 'release_all_sensor_events()', 'release_all_sensor_events()', 'Clears every reference on TRUNCATE',
            'BEFORE TRUNCATE ON sensor_events FOR EACH STATEMENT'
        )
    ) AS wanted (trigger_name, function_name, call, purpose, definition)
    LEFT JOIN pg_trigger AS present ON present.tgrelid = events AND present.tgname = wanted.trigger_name
        AND present.tgfoid = wanted.function_name::REGPROCEDURE
    CROSS JOIN LATERAL (
        SELECT count(*) AS chunks
        FROM pg_inherits
        LEFT JOIN pg_trigger AS on_chunk ON on_chunk.tgrelid = inhrelid AND on_chunk.tgname = wanted.trigger_name
        WHERE inhparent = events
            AND wanted.definition LIKE '%FOR EACH ROW%'
            AND (on_chunk.tgname IS NULL OR on_chunk.tgenabled NOT IN ('O', 'A'))
    ) AS broken
    WHERE present.tgname IS NULL OR present.tgenabled NOT IN ('O', 'A') OR broken.chunks > 0;

    -- Columns that refer to events.
    FOR reference IN SELECT * FROM sensor_event_references LOOP
        IF reference.trigger_name IS NULL OR reference.constraint_name IS NULL THEN
            RETURN QUERY SELECT
                CASE WHEN reference.constraint_name IS NULL THEN 'missing_foreign_key' ELSE 'missing_trigger' END,
                format('%s.%I', reference.relation, reference.column_name),
                'The column refers to sensor events, and is not guarded.',
                format('SELECT reference_sensor_events(%L, %L)', reference.relation, reference.column_name);
        END IF;
        IF NOT reference.trigger_enabled THEN
            RETURN QUERY SELECT
                'disabled_trigger', reference.trigger_name::TEXT,
                format('New references in %s.%I are not registered, and so refused.', reference.relation, reference.column_name),
                format('DROP TRIGGER %I ON %s; SELECT reference_sensor_events(%2$L, %3$L)', reference.trigger_name, reference.relation, reference.column_name);
        END IF;
        IF NOT (reference.sets_null AND reference.validated) THEN
            RETURN QUERY SELECT
                'wrong_foreign_key', reference.constraint_name::TEXT,
                format('The foreign key on %s.%I is not validated, or not ON DELETE SET NULL.', reference.relation, reference.column_name),
                format('ALTER TABLE %s DROP CONSTRAINT %I; SELECT reference_sensor_events(%L, %L)', reference.relation, reference.constraint_name, reference.relation, reference.column_name);
        END IF;
        -- With a foreign key that holds, only writes that went around it can dangle.
        EXECUTE format(
            'SELECT count(*) FROM %s AS t WHERE t.%I IS NOT NULL AND NOT EXISTS (SELECT FROM referenced_events AS r WHERE r.id = t.%2$I)',
            reference.relation, reference.column_name
        ) INTO dangling;
        IF dangling > 0 THEN
            RETURN QUERY SELECT
                'dangling_reference', format('%s.%I', reference.relation, reference.column_name),
                format('%s rows refer to events that are not registered.', dangling),
                format('UPDATE %s SET %I = NULL WHERE %2$I NOT IN (SELECT id FROM referenced_events)', reference.relation, reference.column_name);
        END IF;
    END LOOP;

    RETURN QUERY
    SELECT
        'native_foreign_key', k.conname::TEXT,
        format('%s references the table of events itself; that and retention exclude each other.', k.conrelid::REGCLASS),
        format('ALTER TABLE %s DROP CONSTRAINT %I; SELECT reference_sensor_events(%L, %L)', k.conrelid::REGCLASS, k.conname, k.conrelid::REGCLASS, a.attname)
    FROM pg_constraint AS k
    -- The column that refers to the id.
    JOIN pg_attribute AS e ON e.attrelid = events AND e.attname = 'id'
    JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = coalesce(k.conkey[array_position(k.confkey, e.attnum)], k.conkey[1])
    WHERE k.contype = 'f' AND k.confrelid = events AND k.conparentid = 0
        AND k.conrelid::REGCLASS::TEXT NOT LIKE '\_timescaledb\_internal.%';

    -- Registered events that are gone.
    EXECUTE
        'SELECT count(*)
         FROM referenced_events AS r
         LEFT JOIN sensor_events AS e ON e.id = r.id AND e.timestamp = r.timestamp
         WHERE e.id IS NULL'
        INTO dangling;
    IF dangling > 0 THEN
        RETURN QUERY SELECT
            'dangling_reference', 'referenced_events',
            format('%s events are referenced, and gone: something dropped their chunks without clearing the references.', dangling),
            'SELECT release_missing_events()';
    END IF;

    -- Ids.
    IF scan_events THEN
        RETURN QUERY
        SELECT
            'duplicate_id', format('sensor_events.id %s', e.id),
            format('%s events have this id.', count(*)),
            -- The one that references go to stays; the others get ids of their own.
            format(
                'WITH again AS (DELETE FROM sensor_events WHERE id = %1$s AND timestamp <> %2$L RETURNING *) INSERT INTO sensor_events (%3$s) SELECT %3$s FROM again',
                e.id,
                coalesce((SELECT r.timestamp FROM referenced_events AS r WHERE r.id = e.id), min(e.timestamp)),
                (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = events AND attnum > 0 AND NOT attisdropped AND attname <> 'id')
            )
        FROM sensor_events AS e
        GROUP BY e.id
        HAVING count(*) > 1
        ORDER BY e.id
        LIMIT 100;

        RETURN QUERY
        SELECT
            'sequence_behind', pg_get_serial_sequence('sensor_events', 'id'),
            format('The largest id is %s, and the sequence will hand it out again.', largest.id),
            format('SELECT setval(%L, %s)', pg_get_serial_sequence('sensor_events', 'id'), largest.id)
        FROM (SELECT max(e.id) AS id FROM sensor_events AS e) AS largest
        -- Without a sequence there is the other fault.
        WHERE pg_get_serial_sequence('sensor_events', 'id') IS NOT NULL
            AND largest.id > coalesce(pg_sequence_last_value(pg_get_serial_sequence('sensor_events', 'id')::REGCLASS), 0);
    END IF;
END
$$;
COMMENT ON FUNCTION verify_sensor_events(BOOLEAN, BOOLEAN) IS 'One row for each fault that would break a promise of this schema, with its remedy; none if all is well. Without scan_events it leaves out what reads every event: duplicate ids.';
