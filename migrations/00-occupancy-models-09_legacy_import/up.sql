-- Import of legacy tables: events and predictions from a pair of plain tables (id alone as the key) into this schema's tables.
--
-- The old pair is in a schema of its own, `legacy` by convention, under its own names. What the import records goes
-- there too, so that nothing of it stays here: `import_state` (one row: the choices, and how far it has come) and
-- `changes` (a row for each event or prediction that was not copied unchanged, with its original).
--
--   legacy_columns          how each column of ours is made from the old table
--   validate_legacy_tables  what cannot be copied unchanged; changes nothing, and works before anything was moved
--   begin_legacy_import     records the choices and moves the sequences past all old ids
--   copy_legacy_batch       one step: repeated, each time in a transaction of its own, until its phase is `done`
--   verify_legacy_import    old against new, row by row
--
-- Nothing here reads a clock or a counter of its own: the row in `import_state` changes in the transaction that has
-- copied, so an interruption at any point leaves nothing half done, and the next call goes on.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION legacy_columns(
    legacy_table REGCLASS,
    target REGCLASS,
    time_zone TEXT,
    OUT column_name NAME,
    OUT source_type TEXT,
    OUT expression TEXT,
    OUT filled TEXT,
    OUT violation TEXT
) RETURNS SETOF RECORD
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    wanted RECORD;
    event_time TEXT;
    wanted_as TEXT;
BEGIN
    FOR wanted IN
        SELECT ours.attname, ours.atttypid::REGTYPE AS type, ours.attnotnull, theirs.attname AS source, t.oid AS source_oid, t.typcategory
        FROM pg_attribute AS ours
        LEFT JOIN pg_attribute AS theirs ON theirs.attrelid = legacy_table AND theirs.attname = ours.attname AND theirs.attnum > 0 AND NOT theirs.attisdropped
        LEFT JOIN pg_type AS d ON d.oid = theirs.atttypid
        -- A domain counts as what it is over.
        LEFT JOIN pg_type AS t ON t.oid = coalesce(nullif(d.typbasetype, 0), d.oid)
        WHERE ours.attrelid = target AND ours.attnum > 0 AND NOT ours.attisdropped
        ORDER BY ours.attnum
    LOOP
        column_name := wanted.attname;
        source_type := format_type(wanted.source_oid, NULL);
        wanted_as := wanted.type::TEXT;
        violation := NULL;
        expression := CASE
            WHEN wanted.source IS NULL THEN
                NULL
            WHEN wanted_as = 'text' AND wanted.typcategory IN ('S', 'E') THEN
                format('e.%I::TEXT', wanted.source)
            WHEN wanted_as = 'double precision' AND wanted.typcategory = 'N'
                OR wanted_as = 'bigint' AND wanted.source_oid IN ('int2'::REGTYPE, 'int4'::REGTYPE, 'int8'::REGTYPE)
                OR wanted_as = 'jsonb' AND wanted.source_oid IN ('json'::REGTYPE, 'jsonb'::REGTYPE)
                OR wanted_as IN ('boolean', 'timestamp with time zone') AND wanted.source_oid = wanted.type
            THEN
                format('e.%I::%s', wanted.source, wanted_as)
            WHEN wanted_as = 'timestamp with time zone' AND wanted.source_oid = 'timestamp'::REGTYPE THEN
                -- Without a time zone there is none to be guessed; UTC only lets the check go on.
                format('(e.%I AT TIME ZONE %L)', wanted.source, coalesce(time_zone, 'UTC'))
        END;
        IF wanted.source IS NOT NULL AND expression IS NULL THEN
            violation := 'type';
        ELSIF wanted.source_oid = 'timestamp'::REGTYPE AND time_zone IS NULL THEN
            violation := 'time_zone';
        END IF;
        IF wanted.attname IN ('timestamp', 'prediction_time') THEN
            event_time := expression;
        END IF;
        -- What stands in for a column that is missing or null.
        filled := CASE wanted.attname
            WHEN 'attributes' THEN '''{}''::JSONB'
            WHEN 'is_human_triggered' THEN 'true'
            WHEN 'created_at' THEN event_time
            WHEN 'numeric_value' THEN
                -- As SensorState::numeric_value has it; bounded, so that the cast cannot overflow.
                CASE WHEN wanted.source IS NULL THEN
                    'CASE WHEN e.state::TEXT ~ ''^[+-]?([0-9]{1,150}[.]?[0-9]{0,100}|[.][0-9]{1,100})([eE][+-]?[0-9]{1,2})?$'' THEN e.state::TEXT::DOUBLE PRECISION END'
                END
        END;
        IF expression IS NULL AND violation IS NULL AND filled IS NULL AND wanted.attnotnull THEN
            violation := 'missing_column';
        END IF;
        expression := CASE
            WHEN filled IS NULL THEN coalesce(expression, format('NULL::%s', wanted_as))
            WHEN expression IS NULL THEN filled
            ELSE format('coalesce(%s, %s)', expression, filled)
        END;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION legacy_columns(REGCLASS, REGCLASS, TEXT) IS 'How each column of a table of this schema is computed from an old table (alias e): the expression, what replaces nulls, and a violation (type, time_zone or missing_column).';

CREATE FUNCTION legacy_event_expressions(legacy_events REGCLASS, time_zone TEXT) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN (SELECT jsonb_object_agg(c.column_name, c.expression) FROM legacy_columns(legacy_events, 'sensor_events', time_zone) AS c);
END
$$;
COMMENT ON FUNCTION legacy_event_expressions(REGCLASS, TEXT) IS 'The expressions of legacy_columns for sensor_events, by column.';

CREATE FUNCTION validate_legacy_columns(legacy_table REGCLASS, target REGCLASS, time_zone TEXT, leave_columns TEXT[])
RETURNS TABLE (severity TEXT, violation TEXT, object TEXT, row_count BIGINT, example TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    table_name CONSTANT NAME := (SELECT relname FROM pg_class WHERE oid = target);
BEGIN
    RETURN QUERY
    SELECT
        'error', c.violation, format('%s.%I', table_name, c.column_name), NULL::BIGINT, c.source_type,
        CASE c.violation
            WHEN 'type' THEN format('ALTER TABLE %s ALTER COLUMN %I TYPE %s USING ...', legacy_table, c.column_name, format_type(a.atttypid, NULL))
            WHEN 'time_zone' THEN 'Give the time zone that these times are in, such as UTC.'
            ELSE format('ALTER TABLE %s ADD COLUMN %I %s', legacy_table, c.column_name, format_type(a.atttypid, NULL))
        END
    FROM legacy_columns(legacy_table, target, time_zone) AS c
    JOIN pg_attribute AS a ON a.attrelid = target AND a.attname = c.column_name
    WHERE c.violation IS NOT NULL;

    RETURN QUERY
    SELECT
        CASE WHEN name.of_column = ANY (leave_columns) THEN 'warning' ELSE 'error' END, 'extra_column', name.of_column, NULL::BIGINT, format_type(a.atttypid, a.atttypmod),
        'Keep it in a table of your own, by id, or list it among the columns to leave behind.'
    FROM pg_attribute AS a
    CROSS JOIN LATERAL (SELECT format('%s.%s', table_name, a.attname) AS of_column) AS name
    WHERE a.attrelid = legacy_table AND a.attnum > 0 AND NOT a.attisdropped
        AND NOT EXISTS (SELECT FROM pg_attribute AS o WHERE o.attrelid = target AND o.attname = a.attname AND o.attnum > 0 AND NOT o.attisdropped);

    IF NOT EXISTS (
        SELECT FROM pg_index AS i
        JOIN pg_attribute AS a ON a.attrelid = legacy_table AND a.attname = 'id' AND a.attnum = i.indkey[0]
        JOIN pg_class AS c ON c.oid = i.indexrelid
        JOIN pg_am ON pg_am.oid = c.relam AND amname = 'btree'
        WHERE i.indrelid = legacy_table AND i.indisvalid AND i.indpred IS NULL
    ) THEN
        RETURN QUERY SELECT
            'error', 'no_index_on_id', table_name::TEXT, NULL::BIGINT, NULL::TEXT,
            format('CREATE INDEX ON %s (id)', legacy_table);
    END IF;
END
$$;
COMMENT ON FUNCTION validate_legacy_columns(REGCLASS, REGCLASS, TEXT, TEXT[]) IS 'The part of validate_legacy_table that is about columns and the index on the id.';

CREATE FUNCTION validate_legacy_dependents(legacy_table REGCLASS, target REGCLASS)
RETURNS TABLE (severity TEXT, violation TEXT, object TEXT, row_count BIGINT, example TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    table_name CONSTANT NAME := (SELECT relname FROM pg_class WHERE oid = target);
BEGIN
    RETURN QUERY
    SELECT 'warning', 'trigger', tgname::TEXT, NULL::BIGINT, pg_get_triggerdef(t.oid), format('Create it on %s if it is still needed.', table_name)
    FROM pg_trigger AS t
    -- A hypertable has one of TimescaleDB's.
    WHERE tgrelid = legacy_table AND NOT tgisinternal AND tgname <> 'ts_insert_blocker';
    RETURN QUERY
    SELECT DISTINCT 'warning', 'view', r.ev_class::REGCLASS::TEXT, NULL::BIGINT, NULL::TEXT, 'It reads the old table: create it again.'
    FROM pg_depend AS d
    JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::REGCLASS AND r.oid = d.objid
    WHERE d.refclassid = 'pg_class'::REGCLASS AND d.refobjid = legacy_table AND r.ev_class <> legacy_table;
    RETURN QUERY
    SELECT 'warning', 'rights', table_name::TEXT, NULL::BIGINT, c.relacl::TEXT, 'Grant them on the new table.'
    FROM pg_class AS c
    WHERE c.oid = legacy_table AND c.relacl IS NOT NULL;
END
$$;
COMMENT ON FUNCTION validate_legacy_dependents(REGCLASS, REGCLASS) IS 'The part of validate_legacy_table that is about what stays with the old table: triggers, views and rights.';

CREATE FUNCTION legacy_row_checks(legacy_table REGCLASS, target REGCLASS, time_zone TEXT)
RETURNS TABLE (severity TEXT, violation TEXT, object TEXT, condition TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    table_name CONSTANT NAME := (SELECT relname FROM pg_class WHERE oid = target);
BEGIN
    RETURN QUERY
    SELECT
        'error', 'null', format('%s.%I', table_name, c.column_name), format('r.%I IS NULL', c.column_name),
        format('UPDATE %s SET %I = ... WHERE %2$I IS NULL', legacy_table, c.column_name)
    FROM legacy_columns(legacy_table, target, time_zone) AS c
    JOIN pg_attribute AS a ON a.attrelid = target AND a.attname = c.column_name AND a.attnotnull;

    -- The checks of our tables. They name no table, so they read the columns of r.
    RETURN QUERY
    SELECT
        'error', 'check', format('%s: %s', table_name, pg_get_expr(k.conbin, k.conrelid)), format('NOT (%s)', pg_get_expr(k.conbin, k.conrelid)),
        format('UPDATE %s SET %s WHERE NOT (%s)', legacy_table, string_agg(format(CASE WHEN a.attnotnull THEN '%I = ...' ELSE '%I = NULL' END, a.attname), ', '), pg_get_expr(k.conbin, k.conrelid))
    FROM pg_constraint AS k
    JOIN pg_attribute AS a ON a.attrelid = target AND a.attnum = ANY (k.conkey)
    WHERE k.conrelid = target AND k.contype = 'c'
        -- infinite_time covers these, for every timestamp.
        AND pg_get_expr(k.conbin, k.conrelid) NOT LIKE 'isfinite(%'
    GROUP BY k.oid, k.conbin, k.conrelid;

    RETURN QUERY
    SELECT
        'error', 'infinite_time', format('%s.%I', table_name, c.column_name), format('NOT isfinite(r.%I)', c.column_name),
        format('UPDATE %s SET %I = ... WHERE NOT isfinite(%2$I)', legacy_table, c.column_name)
    FROM legacy_columns(legacy_table, target, time_zone) AS c
    WHERE c.source_type LIKE 'timestamp%';

    RETURN QUERY
    SELECT
        'error', 'json', format('%s.%I', table_name, c.column_name), format('r.%I', 'bad ' || c.column_name),
        format($p$UPDATE %s SET %I = regexp_replace(%2$I::TEXT, '(?<!\\)((\\\\)*)\\u0000', '\1', 'g')::JSON WHERE %2$I::TEXT ~ '(?<!\\)(\\\\)*\\u0000'$p$, legacy_table, c.column_name)
    FROM legacy_columns(legacy_table, target, time_zone) AS c
    WHERE c.source_type = 'json';

    RETURN QUERY
    SELECT
        'warning', 'filled', format('%s.%I', table_name, c.column_name), format('r.%I', 'filled ' || c.column_name),
        format('None is needed: it becomes %s.', c.filled)
    FROM legacy_columns(legacy_table, target, time_zone) AS c
    WHERE c.filled IS NOT NULL;
END
$$;
COMMENT ON FUNCTION legacy_row_checks(REGCLASS, REGCLASS, TEXT) IS 'The checks of old rows: a condition over a row r of legacy_row_columns that is true of a row with the violation.';

CREATE FUNCTION legacy_row_columns(legacy_table REGCLASS, target REGCLASS, time_zone TEXT) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN (
        SELECT concat_ws(
            ', ',
            -- A json with \u0000 cannot become jsonb, so such a row has null there.
            string_agg(
                CASE
                    WHEN c.source_type = 'json' THEN format('CASE WHEN %s THEN %s ELSE %s END AS %I', bad.json, coalesce(c.filled, 'NULL'), c.expression, c.column_name)
                    ELSE format('%s AS %I', c.expression, c.column_name)
                END,
                ', '
            ),
            string_agg(format('coalesce(%s, false) AS %I', bad.json, 'bad ' || c.column_name), ', ') FILTER (WHERE c.source_type = 'json'),
            string_agg(
                CASE
                    WHEN c.source_type IS NULL THEN format('%s IS NOT NULL AS %I', c.filled, 'filled ' || c.column_name)
                    ELSE format('e.%I IS NULL AS %I', c.column_name, 'filled ' || c.column_name)
                END,
                ', '
            ) FILTER (WHERE c.filled IS NOT NULL)
        )
        FROM legacy_columns(legacy_table, target, time_zone) AS c
        CROSS JOIN LATERAL (SELECT format($p$e.%I::TEXT ~ '(?<!\\)(\\\\)*\\u0000'$p$, c.column_name) AS json) AS bad
    );
END
$$;
COMMENT ON FUNCTION legacy_row_columns(REGCLASS, REGCLASS, TEXT) IS 'The select list, over an old row e, that legacy_row_checks reads: our columns, which json is bad, and which column is filled.';

CREATE FUNCTION validate_legacy_rows(legacy_table REGCLASS, target REGCLASS, time_zone TEXT)
RETURNS TABLE (severity TEXT, violation TEXT, object TEXT, row_count BIGINT, example TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    checks RECORD;
    found RECORD;
BEGIN
    SELECT
        array_agg(w.severity) AS severities,
        array_agg(w.violation) AS violations,
        array_agg(w.object) AS objects,
        array_agg(w.remedy) AS remedies,
        string_agg(format('count(*) FILTER (WHERE %s)', w.condition), ', ') AS counts,
        string_agg(format('min(r.id) FILTER (WHERE %s)', w.condition), ', ') AS examples
    INTO checks
    FROM legacy_row_checks(legacy_table, target, time_zone) AS w;
    -- All in one pass.
    EXECUTE format(
        'SELECT ARRAY[%s] AS counts, ARRAY[%s] AS examples FROM (SELECT %s FROM %s AS e) AS r',
        checks.counts, checks.examples, legacy_row_columns(legacy_table, target, time_zone), legacy_table
    ) INTO found;
    RETURN QUERY
    SELECT f.severity, f.violation, f.object, f.row_count, format('id %s', f.example), f.remedy
    FROM unnest(checks.severities, checks.violations, checks.objects, found.counts, found.examples, checks.remedies)
        AS f (severity, violation, object, row_count, example, remedy)
    WHERE f.row_count > 0;

    EXECUTE format('SELECT count(*), min(id) FROM (SELECT e.id FROM %s AS e GROUP BY e.id HAVING count(*) > 1) AS d', legacy_table)
        INTO found;
    IF found.count > 0 THEN
        RETURN QUERY SELECT
            'error', 'duplicate_id', format('%s.id', (SELECT relname FROM pg_class WHERE oid = target)), found.count, format('id %s', found.min),
            format('UPDATE %s SET id = nextval(...) WHERE ..., for all but one of each', legacy_table);
    END IF;
END
$$;
COMMENT ON FUNCTION validate_legacy_rows(REGCLASS, REGCLASS, TEXT) IS 'The part of validate_legacy_table that is about rows.';

CREATE FUNCTION validate_legacy_table(legacy_table REGCLASS, target REGCLASS, time_zone TEXT, leave_columns TEXT[])
RETURNS TABLE (severity TEXT, violation TEXT, object TEXT, row_count BIGINT, example TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN QUERY SELECT * FROM validate_legacy_columns(legacy_table, target, time_zone, leave_columns);
    RETURN QUERY SELECT * FROM validate_legacy_dependents(legacy_table, target);
    -- Rows can be read only where every column has a type that fits.
    IF NOT EXISTS (SELECT FROM legacy_columns(legacy_table, target, time_zone) AS c WHERE c.violation IN ('type', 'missing_column')) THEN
        RETURN QUERY SELECT * FROM validate_legacy_rows(legacy_table, target, time_zone);
    END IF;
END
$$;
COMMENT ON FUNCTION validate_legacy_table(REGCLASS, REGCLASS, TEXT, TEXT[]) IS 'The part of validate_legacy_tables that looks at one table by itself.';

CREATE FUNCTION validate_legacy_tables(
    legacy_events REGCLASS,
    legacy_predictions REGCLASS DEFAULT NULL,
    on_duplicate TEXT DEFAULT 'fail',
    time_zone TEXT DEFAULT NULL,
    leave_columns TEXT[] DEFAULT '{}'
) RETURNS TABLE (severity TEXT, violation TEXT, object TEXT, row_count BIGINT, example TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    found RECORD;
    event_columns CONSTANT JSONB := legacy_event_expressions(legacy_events, time_zone);
BEGIN
    RETURN QUERY SELECT * FROM validate_legacy_table(legacy_events, 'sensor_events', time_zone, leave_columns);
    IF legacy_predictions IS NOT NULL THEN
        RETURN QUERY SELECT * FROM validate_legacy_table(legacy_predictions, 'predictions', time_zone, leave_columns);
    END IF;

    IF NOT EXISTS (
        SELECT FROM legacy_columns(legacy_events, 'sensor_events', time_zone) AS c
        WHERE c.violation IN ('type', 'missing_column') AND c.column_name IN ('id', 'sensor_id', 'timestamp')
    ) THEN
        EXECUTE format(
            'SELECT count(*), sum(surplus) AS surplus, min(id) AS id
            FROM (SELECT count(*) - 1 AS surplus, min(e.id) AS id FROM %s AS e GROUP BY %s, %s HAVING count(*) > 1) AS d',
            legacy_events, event_columns ->> 'sensor_id', event_columns ->> 'timestamp'
        ) INTO found;
        IF found.count > 0 THEN
            RETURN QUERY SELECT
                CASE on_duplicate WHEN 'fail' THEN 'error' ELSE 'warning' END, 'duplicate_instant', 'sensor_events (sensor_id, timestamp)', found.surplus::BIGINT, format('id %s', found.id),
                CASE on_duplicate
                    WHEN 'fail' THEN 'Choose what becomes of events of one sensor at one instant: keep_first, keep_last or shift.'
                    ELSE format('Chosen: %s. The originals are kept in the table "changes".', on_duplicate)
                END;
        END IF;
    END IF;

    IF legacy_predictions IS NOT NULL AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = legacy_predictions AND attname = 'triggering_event_id' AND NOT attisdropped) THEN
        EXECUTE format(
            'SELECT count(*), min(p.id) AS id FROM %s AS p WHERE p.triggering_event_id IS NOT NULL AND NOT EXISTS (SELECT FROM %s AS e WHERE e.id = p.triggering_event_id)',
            legacy_predictions, legacy_events
        ) INTO found;
        IF found.count > 0 THEN
            RETURN QUERY SELECT
                'error', 'dangling_reference', 'predictions.triggering_event_id', found.count, format('id %s', found.id),
                format('UPDATE %s SET triggering_event_id = NULL WHERE triggering_event_id NOT IN (SELECT id FROM %s)', legacy_predictions, legacy_events);
        END IF;
    END IF;

    RETURN QUERY
    SELECT
        'warning', 'referenced_by', format('%s: %s', k.conrelid::REGCLASS, k.conname), NULL::BIGINT, pg_get_constraintdef(k.oid),
        CASE k.confrelid
            WHEN legacy_events THEN format('ALTER TABLE %s DROP CONSTRAINT %I when the tables are moved; SELECT add_sensor_event_reference(%L, %L) when all is copied', k.conrelid::REGCLASS, k.conname, k.conrelid::REGCLASS, a.attname)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I when the tables are moved; add it again when all is copied', k.conrelid::REGCLASS, k.conname)
        END
    FROM pg_constraint AS k
    JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    WHERE k.contype = 'f' AND k.conparentid = 0
        AND k.confrelid IN (legacy_events, legacy_predictions)
        AND k.conrelid IS DISTINCT FROM legacy_predictions;
END
$$;
COMMENT ON FUNCTION validate_legacy_tables(REGCLASS, REGCLASS, TEXT, TEXT, TEXT[]) IS 'What cannot be copied unchanged from an old pair of tables. Rows with the severity error prevent the import until they are fixed or a choice is made; warnings do not. Changes nothing.';

CREATE FUNCTION refuse_import_choices(on_duplicate TEXT, time_zone TEXT) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF on_duplicate IS NULL OR on_duplicate NOT IN ('fail', 'keep_first', 'keep_last', 'shift') THEN
        PERFORM diesel_timescale.refuse(
            'occupancy_models:legacy_import_choice', 'invalid_parameter_value',
            format('%L is no way to deal with duplicates', on_duplicate),
            'Choose fail, keep_first, keep_last or shift.'
        );
    ELSIF NOT EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = coalesce(time_zone, 'UTC')) THEN
        PERFORM diesel_timescale.refuse(
            'occupancy_models:legacy_import_choice', 'invalid_parameter_value',
            format('this server knows no time zone %L', time_zone),
            'Give a name from pg_timezone_names, such as UTC or Europe/Berlin.'
        );
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_import_choices(TEXT, TEXT) IS 'Raises an error for choices that begin_legacy_import does not know.';

CREATE FUNCTION create_import_state(legacy NAME) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF to_regclass(format('%I.import_state', legacy)) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE TABLE %1$I.import_state (
            is_only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_only_row),
            on_duplicate TEXT NOT NULL,
            time_zone TEXT,
            leave_columns TEXT[] NOT NULL,
            phase TEXT NOT NULL DEFAULT ''check'',
            below BIGINT,
            copied BIGINT NOT NULL DEFAULT 0
        );
        CREATE TABLE %1$I.changes (
            relation TEXT,
            id BIGINT,
            change TEXT NOT NULL,
            kept_id BIGINT,
            kept_timestamp TIMESTAMPTZ,
            original JSONB NOT NULL,
            PRIMARY KEY (relation, id)
        );
        COMMENT ON TABLE %1$I.import_state IS ''One row: the choices, and how far the copy has come.'';
        COMMENT ON TABLE %1$I.changes IS ''One row for each event or prediction that was not copied unchanged.'';',
        legacy
    );
END
$$;
COMMENT ON FUNCTION create_import_state(NAME) IS 'Creates the tables import_state and changes in the schema of the old tables, if they are not there.';

CREATE FUNCTION advance_sequences_past(legacy NAME) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    name NAME;
    old REGCLASS;
    sequence REGCLASS;
    largest BIGINT;
BEGIN
    FOREACH name IN ARRAY ARRAY['sensor_events', 'predictions']::NAME[] LOOP
        old := to_regclass(format('%I.%I', legacy, name));
        CONTINUE WHEN old IS NULL;
        sequence := pg_get_serial_sequence(name, 'id');
        EXECUTE format('SELECT max(id) FROM %s', old) INTO largest;
        IF pg_get_serial_sequence(old::TEXT, 'id') IS NOT NULL THEN
            largest := greatest(largest, pg_sequence_last_value(pg_get_serial_sequence(old::TEXT, 'id')::REGCLASS));
        END IF;
        IF largest > coalesce(pg_sequence_last_value(sequence), 0) THEN
            PERFORM setval(sequence, largest);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION advance_sequences_past(NAME) IS 'Moves the sequences of the new tables past every id that the old ones have assigned, so that no id is used again, not even that of an old row that is gone.';

CREATE FUNCTION begin_legacy_import(
    legacy NAME DEFAULT 'legacy',
    on_duplicate TEXT DEFAULT 'fail',
    time_zone TEXT DEFAULT NULL,
    leave_columns TEXT[] DEFAULT '{}'
) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    started RECORD;
BEGIN
    IF to_regclass(format('%I.sensor_events', legacy)) IS NULL THEN
        PERFORM diesel_timescale.refuse(
            'occupancy_models:legacy_import_nothing', 'undefined_table',
            format('there is no table %I.sensor_events to import', legacy),
            format('Move the old tables there: CREATE SCHEMA %1$I; ALTER TABLE sensor_events SET SCHEMA %1$I', legacy)
        );
    END IF;
    PERFORM refuse_import_choices(on_duplicate, time_zone);
    PERFORM create_import_state(legacy);
    EXECUTE format('INSERT INTO %I.import_state (on_duplicate, time_zone, leave_columns) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', legacy)
        USING on_duplicate, time_zone, leave_columns;
    EXECUTE format('SELECT * FROM %I.import_state FOR UPDATE', legacy) INTO started;
    IF started.phase = 'check' THEN
        EXECUTE format('UPDATE %I.import_state SET on_duplicate = $1, time_zone = $2, leave_columns = $3', legacy)
            USING on_duplicate, time_zone, leave_columns;
    ELSIF (started.on_duplicate, started.time_zone, started.leave_columns) IS DISTINCT FROM (on_duplicate, time_zone, leave_columns) THEN
        PERFORM diesel_timescale.refuse(
            'occupancy_models:legacy_import_choice', 'object_not_in_prerequisite_state',
            'the copy has begun with other choices',
            'Go on with those, or begin again with empty tables.',
            format('on_duplicate %s, time zone %s, columns to leave %s', started.on_duplicate, started.time_zone, started.leave_columns)
        );
    END IF;
    PERFORM advance_sequences_past(legacy);
END
$$;
COMMENT ON FUNCTION begin_legacy_import(NAME, TEXT, TEXT, TEXT[]) IS 'Begins the import of the tables sensor_events and predictions of another schema: records the choices and moves the sequences past their ids. Repeatable; the choices can be changed until the copy begins.';

CREATE FUNCTION refuse_legacy_violations(legacy NAME, on_duplicate TEXT, time_zone TEXT, leave_columns TEXT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    found RECORD;
BEGIN
    SELECT count(*), string_agg(format('%s of %s%s: %s', f.violation, f.object, format(' (%s rows, such as %s)', f.row_count, f.example), f.remedy), E'\n') AS details, min(f.violation || ' of ' || f.object) AS one
    INTO found
    FROM validate_legacy_tables(format('%I.sensor_events', legacy)::REGCLASS, to_regclass(format('%I.predictions', legacy)), on_duplicate, time_zone, leave_columns) AS f
    WHERE f.severity = 'error';
    IF found.count > 0 THEN
        PERFORM diesel_timescale.refuse(
            'occupancy_models:legacy_import_blocked', 'object_not_in_prerequisite_state',
            format('%s violation(s) prevent the import of the tables in %I, such as %s', found.count, legacy, found.one),
            'Fix each in the old tables, or make the choice that it asks for, and call again.',
            found.details
        );
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_legacy_violations(NAME, TEXT, TEXT, TEXT[]) IS 'Raises an error with every violation that prevents the import.';

CREATE FUNCTION resolve_legacy_duplicates(legacy NAME, on_duplicate TEXT, time_zone TEXT) RETURNS BIGINT
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    old_events CONSTANT TEXT := format('%I.sensor_events', legacy);
    changes CONSTANT TEXT := format('%I.changes', legacy);
    event_columns CONSTANT JSONB := legacy_event_expressions(old_events::REGCLASS, time_zone);
    resolved BIGINT := 0;
BEGIN
    IF on_duplicate IN ('keep_first', 'keep_last') THEN
        EXECUTE format(
            'INSERT INTO %s (relation, id, change, kept_id, kept_timestamp, original)
            SELECT ''sensor_events'', d.id, ''merged'', d.kept_id, d.timestamp, to_jsonb(e)
            FROM (
                SELECT id, timestamp, first_value(id) OVER (PARTITION BY sensor_id, timestamp ORDER BY id %s) AS kept_id
                FROM (SELECT e.id, %s AS sensor_id, %s AS timestamp FROM %s AS e) AS i
            ) AS d
            JOIN %5$s AS e ON e.id = d.id
            WHERE d.id <> d.kept_id',
            changes, CASE on_duplicate WHEN 'keep_last' THEN 'DESC' ELSE 'ASC' END,
            event_columns ->> 'sensor_id', event_columns ->> 'timestamp', old_events
        );
        GET DIAGNOSTICS resolved = ROW_COUNT;
    ELSIF on_duplicate = 'shift' THEN
        -- Each goes to its own instant, or a microsecond after the one before: whichever is later.
        EXECUTE format(
            'INSERT INTO %s (relation, id, change, kept_id, kept_timestamp, original)
            SELECT ''sensor_events'', d.id, ''shifted'', d.id, d.timestamp + (d.microseconds - d.own) * INTERVAL ''1 microsecond'', to_jsonb(e)
            FROM (
                SELECT id, timestamp, own, position + max(own - position) OVER (PARTITION BY sensor_id ORDER BY position) AS microseconds
                FROM (
                    SELECT
                        i.*, (extract(EPOCH FROM timestamp) * 1000000)::BIGINT AS own,
                        row_number() OVER (PARTITION BY sensor_id ORDER BY timestamp, id) AS position
                    FROM (SELECT e.id, %s AS sensor_id, %s AS timestamp FROM %s AS e) AS i
                ) AS numbered
            ) AS d
            JOIN %4$s AS e ON e.id = d.id
            WHERE d.microseconds <> d.own',
            changes, event_columns ->> 'sensor_id', event_columns ->> 'timestamp', old_events
        );
        GET DIAGNOSTICS resolved = ROW_COUNT;
    END IF;
    RETURN resolved;
END
$$;
COMMENT ON FUNCTION resolve_legacy_duplicates(NAME, TEXT, TEXT) IS 'Records what becomes of events of one sensor at one instant, over the whole old table, so that later batches only look it up. Returns how many events are not copied unchanged.';

CREATE FUNCTION legacy_insert_columns(
    legacy_table REGCLASS,
    target REGCLASS,
    time_zone TEXT,
    OUT names TEXT,
    OUT expressions TEXT
)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    SELECT
        string_agg(quote_ident(c.column_name), ', '),
        string_agg(
            CASE c.column_name
                WHEN 'timestamp' THEN format('coalesce(c.kept_timestamp, %s)', c.expression)
                WHEN 'triggering_event_id' THEN format('CASE WHEN gone.id IS NULL THEN coalesce(c.kept_id, %s) END', c.expression)
                ELSE c.expression
            END || format(' AS %I', c.column_name),
            ', '
        )
    INTO names, expressions
    FROM legacy_columns(legacy_table, target, time_zone) AS c;
END
$$;
COMMENT ON FUNCTION legacy_insert_columns(REGCLASS, REGCLASS, TEXT) IS 'The columns of ours, and how each is made from an old row e and what became of it: c, its row in changes, and gone, that of a prediction whose event is gone.';

CREATE FUNCTION copy_legacy_events(legacy NAME, first BIGINT, below BIGINT, time_zone TEXT, OUT copied BIGINT, OUT changed BIGINT)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    old_events CONSTANT TEXT := format('%I.sensor_events', legacy);
    changes CONSTANT TEXT := format('%I.changes', legacy);
    event_columns CONSTANT JSONB := legacy_event_expressions(old_events::REGCLASS, time_zone);
    ours CONSTANT RECORD := legacy_insert_columns(old_events::REGCLASS, 'sensor_events', time_zone);
    candidates BIGINT;
BEGIN
    changed := 0;
    EXECUTE format(
        'SELECT count(*) FROM %s AS e
        WHERE e.id >= $1 AND (e.id < $2 OR $2 IS NULL)
            AND NOT EXISTS (SELECT FROM %s AS c WHERE c.relation = ''sensor_events'' AND c.id = e.id AND c.change = ''merged'')',
        old_events, changes
    ) INTO candidates USING first, below;
    EXECUTE format(
        'INSERT INTO sensor_events (%1$s) OVERRIDING SYSTEM VALUE
        SELECT %2$s
        FROM %3$s AS e
        LEFT JOIN %4$s AS c ON c.relation = ''sensor_events'' AND c.id = e.id
        WHERE e.id >= $1 AND (e.id < $2 OR $2 IS NULL) AND c.change IS DISTINCT FROM ''merged''
        ON CONFLICT (sensor_id, timestamp) DO NOTHING',
        ours.names, ours.expressions, old_events, changes
    ) USING first, below;
    GET DIAGNOSTICS copied = ROW_COUNT;
    IF copied < candidates THEN
        -- The application has stored the same reading again since the tables were moved.
        EXECUTE format(
            'INSERT INTO %1$s AS c (relation, id, change, kept_id, kept_timestamp, original)
            SELECT ''sensor_events'', i.id, ''stored_anew'', n.id, n.timestamp, i.original
            FROM (
                SELECT e.id, %3$s AS sensor_id, coalesce(c.kept_timestamp, %4$s) AS timestamp, to_jsonb(e) AS original
                FROM %2$s AS e
                LEFT JOIN %1$s AS c ON c.relation = ''sensor_events'' AND c.id = e.id
                WHERE e.id >= $1 AND (e.id < $2 OR $2 IS NULL) AND c.change IS DISTINCT FROM ''merged''
            ) AS i
            JOIN sensor_events AS n ON n.sensor_id = i.sensor_id AND n.timestamp = i.timestamp AND n.id <> i.id
            ON CONFLICT (relation, id) DO UPDATE SET change = EXCLUDED.change, kept_id = EXCLUDED.kept_id',
            changes, old_events, event_columns ->> 'sensor_id', event_columns ->> 'timestamp'
        ) USING first, below;
        GET DIAGNOSTICS changed = ROW_COUNT;
        -- Events that were merged into one of these follow it.
        EXECUTE format(
            'UPDATE %1$s AS m SET kept_id = a.kept_id
            FROM %1$s AS a
            WHERE m.relation = ''sensor_events'' AND m.change = ''merged''
                AND a.relation = ''sensor_events'' AND a.change = ''stored_anew'' AND m.kept_id = a.id',
            changes
        );
        IF copied + changed <> candidates THEN
            RAISE EXCEPTION 'of % events % were copied and % found stored anew', candidates, copied, changed;
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION copy_legacy_events(NAME, BIGINT, BIGINT, TEXT) IS 'Copies the old events with ids from first on and below the other one.';

CREATE FUNCTION copy_legacy_predictions(legacy NAME, first BIGINT, below BIGINT, time_zone TEXT, OUT copied BIGINT, OUT changed BIGINT)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    old_events CONSTANT TEXT := format('%I.sensor_events', legacy);
    old_predictions CONSTANT TEXT := format('%I.predictions', legacy);
    changes CONSTANT TEXT := format('%I.changes', legacy);
    event_columns CONSTANT JSONB := legacy_event_expressions(old_events::REGCLASS, time_zone);
    ours CONSTANT RECORD := legacy_insert_columns(old_predictions::REGCLASS, 'predictions', time_zone);
    ids BIGINT[];
    timestamps TIMESTAMPTZ[];
BEGIN
    -- Registered at once, by key, so that no row has to search every chunk for its event.
    EXECUTE format(
        'SELECT array_agg(r.id), array_agg(r.timestamp)
        FROM (
            SELECT DISTINCT coalesce(c.kept_id, e.id) AS id, coalesce(c.kept_timestamp, %s) AS timestamp
            FROM %s AS p
            JOIN %s AS e ON e.id = p.triggering_event_id
            LEFT JOIN %s AS c ON c.relation = ''sensor_events'' AND c.id = e.id
            WHERE p.id >= $1 AND (p.id < $2 OR $2 IS NULL)
        ) AS r',
        event_columns ->> 'timestamp', old_predictions, old_events, changes
    ) INTO ids, timestamps USING first, below;
    PERFORM register_sensor_events(ids, timestamps);
    -- An event that was copied, and removed since: what the old foreign key would have done.
    EXECUTE format(
        'INSERT INTO %1$s (relation, id, change, original)
        SELECT ''predictions'', e.id, ''event_gone'', to_jsonb(e)
        FROM %2$s AS e
        LEFT JOIN %1$s AS c ON c.relation = ''sensor_events'' AND c.id = e.triggering_event_id
        WHERE e.id >= $1 AND (e.id < $2 OR $2 IS NULL) AND e.triggering_event_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM referenced_events AS r WHERE r.id = coalesce(c.kept_id, e.triggering_event_id))',
        changes, old_predictions
    ) USING first, below;
    GET DIAGNOSTICS changed = ROW_COUNT;
    EXECUTE format(
        'INSERT INTO predictions (%1$s) OVERRIDING SYSTEM VALUE
        SELECT %2$s
        FROM %3$s AS e
        LEFT JOIN %4$s AS c ON c.relation = ''sensor_events'' AND c.id = e.triggering_event_id
        LEFT JOIN %4$s AS gone ON gone.relation = ''predictions'' AND gone.id = e.id
        WHERE e.id >= $1 AND (e.id < $2 OR $2 IS NULL)',
        ours.names, ours.expressions, old_predictions, changes
    ) USING first, below;
    GET DIAGNOSTICS copied = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION copy_legacy_predictions(NAME, BIGINT, BIGINT, TEXT) IS 'Copies the old predictions with ids from first on and below the other one, and registers their events.';

CREATE FUNCTION copy_legacy_batch(
    legacy NAME DEFAULT 'legacy',
    batch_size BIGINT DEFAULT 10000,
    OUT phase TEXT,
    OUT copied BIGINT,
    OUT changed BIGINT,
    OUT copied_in_all BIGINT
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    -- Qualified and quoted.
    old_predictions CONSTANT TEXT := format('%I.predictions', legacy);
    import_state CONSTANT TEXT := format('%I.import_state', legacy);
    state RECORD;
    first BIGINT;
BEGIN
    IF batch_size IS NULL OR batch_size < 1 THEN
        PERFORM diesel_timescale.refuse(
            'occupancy_models:legacy_import_choice', 'invalid_parameter_value',
            format('a batch cannot have %s rows', batch_size),
            'Give a number of rows above zero, such as 10000.'
        );
    ELSIF to_regclass(import_state) IS NULL THEN
        PERFORM diesel_timescale.refuse(
            'occupancy_models:legacy_import_nothing', 'object_not_in_prerequisite_state',
            format('no import of the schema %I was begun', legacy),
            format('SELECT begin_legacy_import(%L)', legacy)
        );
    END IF;
    -- Two imports at once take turns.
    EXECUTE format('SELECT * FROM %s FOR UPDATE', import_state) INTO state;
    phase := state.phase;
    copied := 0;
    changed := 0;
    copied_in_all := state.copied;
    IF phase = 'done' THEN
        RETURN;
    ELSIF phase = 'check' THEN
        PERFORM refuse_legacy_violations(legacy, state.on_duplicate, state.time_zone, state.leave_columns);
        changed := resolve_legacy_duplicates(legacy, state.on_duplicate, state.time_zone);
        phase := 'events';
        EXECUTE format('UPDATE %s SET phase = $1', import_state) USING phase;
        RETURN;
    END IF;

    -- The newest first: they are what is asked for most.
    EXECUTE format(
        'SELECT min(id) FROM (SELECT e.id FROM %s AS e WHERE e.id < $1 OR $1 IS NULL ORDER BY e.id DESC LIMIT $2) AS batch',
        CASE phase WHEN 'events' THEN format('%I.sensor_events', legacy) ELSE old_predictions END
    ) INTO first USING state.below, batch_size;
    IF first IS NULL THEN
        phase := CASE WHEN phase = 'events' AND to_regclass(old_predictions) IS NOT NULL THEN 'predictions' ELSE 'done' END;
        EXECUTE format('UPDATE %s SET phase = $1, below = NULL', import_state) USING phase;
        RETURN;
    END IF;
    IF phase = 'events' THEN
        SELECT c.copied, c.changed INTO copied, changed FROM copy_legacy_events(legacy, first, state.below, state.time_zone) AS c;
    ELSE
        SELECT c.copied, c.changed INTO copied, changed FROM copy_legacy_predictions(legacy, first, state.below, state.time_zone) AS c;
    END IF;
    copied_in_all := state.copied + copied;
    EXECUTE format('UPDATE %s SET below = $1, copied = $2', import_state) USING first, copied_in_all;
END
$$;
COMMENT ON FUNCTION copy_legacy_batch(NAME, BIGINT) IS 'One step of the import that begin_legacy_import began: the validation, or a batch of events, or of predictions. To be called, each time in a transaction of its own, until its phase is done. Raises an error, and changes nothing, while validate_legacy_tables has violations with the severity error.';

CREATE FUNCTION verify_legacy_import(legacy NAME DEFAULT 'legacy', at_most BIGINT DEFAULT 100)
RETURNS TABLE (relation TEXT, id BIGINT, violation TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
-- A nested loop would probe every chunk for every row.
SET enable_nestloop TO off
-- The setting above makes plans look costly enough to be compiled, which takes longer than they run.
SET jit TO off
AS $$
DECLARE
    changes CONSTANT TEXT := format('%I.changes', legacy);
    name NAME;
    old REGCLASS;
    time_zone TEXT;
    expressions TEXT;
    mine TEXT;
    theirs TEXT;
BEGIN
    EXECUTE format('SELECT time_zone FROM %I.import_state', legacy) INTO time_zone;
    FOREACH name IN ARRAY ARRAY['sensor_events', 'predictions']::NAME[] LOOP
        old := to_regclass(format('%I.%I', legacy, name));
        CONTINUE WHEN old IS NULL;
        expressions := (legacy_insert_columns(old, name::TEXT::REGCLASS, time_zone)).expressions;
        SELECT string_agg(format('o.%I', c.column_name), ', '), string_agg(format('n.%I', c.column_name), ', ')
        INTO theirs, mine
        FROM legacy_columns(old, name::TEXT::REGCLASS, time_zone) AS c;
        RETURN QUERY EXECUTE format(
            'SELECT %1$L, o.id, CASE WHEN n.id IS NULL THEN ''missing'' ELSE ''different'' END
            FROM (
                SELECT %2$s
                FROM %3$s AS e
                LEFT JOIN %4$s AS c ON c.relation = ''sensor_events'' AND c.id = e.%5$I
                LEFT JOIN %4$s AS gone ON gone.relation = ''predictions'' AND gone.id = e.id
                WHERE %6$s
            ) AS o
            LEFT JOIN %1$I AS n ON n.id = o.id %7$s
            WHERE (%8$s) IS DISTINCT FROM (%9$s)
            LIMIT $1',
            name, expressions, old, changes,
            CASE name WHEN 'sensor_events' THEN 'id' ELSE 'triggering_event_id' END,
            -- What was merged has another one in its place.
            CASE name WHEN 'sensor_events' THEN 'c.change IS NULL OR c.change = ''shifted''' ELSE 'true' END,
            CASE name WHEN 'sensor_events' THEN 'AND n.timestamp = o.timestamp' END,
            theirs, mine
        ) USING at_most;
    END LOOP;
    RETURN QUERY EXECUTE format(
        'SELECT ''sensor_events'', c.id, ''its replacement is missing''
        FROM %s AS c
        LEFT JOIN sensor_events AS n ON n.id = c.kept_id AND n.timestamp = c.kept_timestamp
        WHERE c.change IN (''merged'', ''stored_anew'') AND n.id IS NULL
        LIMIT $1',
        changes
    ) USING at_most;
END
$$;
COMMENT ON FUNCTION verify_legacy_import(NAME, BIGINT) IS 'The rows of the old tables that are missing in the new ones, or different there; at most so many of each table. Includes what the application has changed or removed since.';
