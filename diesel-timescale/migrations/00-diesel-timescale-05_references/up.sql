-- References to the rows of any hypertable that stay valid.
--
-- A native foreign key to a hypertable and retention exclude each other. So foreign keys reference a plain table beside
-- the hypertable, its registry, which has one row for each row of the hypertable that something references. Rows that
-- nothing references cost nothing. A row of the registry stays when TimescaleDB drops the chunk of its row.
--
--   create_reference_target    makes a table the target of references: its registry, the functions below, its triggers
--   add_reference           gives columns of a table a foreign key to it, and a trigger that registers first
--   drop_referenced_rows_before  retention
--
-- A target has functions of its own beside it, in static SQL, with the rights of its owner:
--   register_TABLE(key)        adds a row to the registry, if it exists; the same for many rows, by arrays
--   release_TABLE()            trigger: deletes the registry's row of a deleted row, which fires the ON DELETE action
--                              of the foreign keys; another one for TRUNCATE
--
-- Concurrency. No table is locked: two transactions wait for each other only if they are about the same row.
-- * A removal inserts the key into the registry before it deletes it. A registration inserts the key and then looks at
--   the row again, or locks the row. So the unique index or the row lock makes each wait for the other.
-- * By id, under READ COMMITTED: the registration inserts the key, then looks at the row again with a new snapshot.
-- * Above READ COMMITTED, and by key, in the rowstore: the registration locks its row FOR KEY SHARE, as a native foreign
--   key does.
-- * Above READ COMMITTED in the columnstore rows cannot be locked, and the second look uses the old snapshot. So a
--   removal there updates a row of the epoch table, and a registration that finds one updated since its snapshot fails
--   with 40001.
-- * Chunks: a transaction that has found a row holds a lock on its chunk to its end, so that no other one drops,
--   truncates or converts the chunk.
-- * A row that is in the registry already needs none of this: the foreign key locks the registry's row.
-- Several registrations take their locks in the same order: by chunk, then by key.

-- What runs for each reference is plpgsql: before version 18, PostgreSQL plans an SQL function anew in each statement.
CREATE OR REPLACE FUNCTION diesel_timescale.snapshot_may_be_old() RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted');
END
$$;
COMMENT ON FUNCTION diesel_timescale.snapshot_may_be_old() IS 'Whether this transaction is above READ COMMITTED, so that it may not see what others have committed.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_old_snapshot(relation REGCLASS, operation TEXT) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF snapshot_may_be_old() THEN
        PERFORM refuse(
            'diesel_timescale:isolation_too_high', 'invalid_transaction_state',
            format('%s of %s cannot run under %s', operation, relation, upper(current_setting('transaction_isolation'))),
            'Run it under READ COMMITTED.',
            detail => 'It could not see, and so could not clear, references that were made after its snapshot.',
            relation => relation
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_old_snapshot(REGCLASS, TEXT) IS 'Raises an error above READ COMMITTED.';

CREATE OR REPLACE FUNCTION diesel_timescale.removal_stripe() RETURNS INT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (pg_current_xact_id()::TEXT::NUMERIC % 16::NUMERIC)::INT;
END
$$;
COMMENT ON FUNCTION diesel_timescale.removal_stripe() IS 'The row of the epoch that this transaction marks when it removes rows from the columnstore.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_row_security(relation REGCLASS, registry REGCLASS, operation TEXT) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF row_security_active(relation) OR row_security_active(registry) THEN
        PERFORM refuse(
            'diesel_timescale:row_security', 'insufficient_privilege',
            format('%s of %s cannot run under a row-level security policy', operation, relation),
            'Run it as the owner of the table, without FORCE ROW LEVEL SECURITY, or as a role with BYPASSRLS.',
            detail => 'It would take rows that the policy hides for missing, and clear the references to them.',
            relation => relation
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_row_security(REGCLASS, REGCLASS, TEXT) IS 'Raises an error if a policy hides rows or registrations from the caller.';

CREATE OR REPLACE FUNCTION diesel_timescale.has_columnstore() RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN current_setting('timescaledb.license', true) IS NOT DISTINCT FROM 'timescale' AND has_timescaledb();
END
$$;
COMMENT ON FUNCTION diesel_timescale.has_columnstore() IS 'Whether this edition has a columnstore.';

CREATE OR REPLACE FUNCTION diesel_timescale.is_in_columnstore(chunk REGCLASS, hypertable REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    -- A plain table, or an edition that has no columnstore.
    IF chunk = hypertable OR current_setting('timescaledb.license', true) IS DISTINCT FROM 'timescale' OR NOT has_timescaledb() THEN
        RETURN false;
    END IF;
    RETURN _timescaledb_functions.chunk_status(chunk) & 1 = 1;
END
$$;
COMMENT ON FUNCTION diesel_timescale.is_in_columnstore(REGCLASS, REGCLASS) IS 'Whether rows of this chunk may be in the columnstore, where they cannot be locked.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_key_change() RETURNS TRIGGER
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    columns CONSTANT TEXT[] := (SELECT array_agg(TG_ARGV[i] ORDER BY i) FROM generate_series(1, TG_NARGS - 1) AS i);
    old_key CONSTANT TEXT := (SELECT string_agg(coalesce(to_jsonb(OLD) ->> c, 'null'), ', ' ORDER BY n) FROM unnest(columns) WITH ORDINALITY AS u (c, n));
    new_key CONSTANT TEXT := (SELECT string_agg(coalesce(to_jsonb(NEW) ->> c, 'null'), ', ' ORDER BY n) FROM unnest(columns) WITH ORDINALITY AS u (c, n));
BEGIN
    PERFORM refuse(
        'diesel_timescale:key_change', 'integrity_constraint_violation',
        format('the key of a row of %s cannot change: (%s) to (%s)', TG_ARGV[0], old_key, new_key),
        'Delete the row and insert it again.',
        relation => TG_RELID
    );
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_key_change() IS 'Trigger: refuses to change the key of a row that something may reference. Its arguments are the table and the columns of the key. It runs with the rights of whoever changes the row.';

-- What a foreign key with RESTRICT, or without an action, says.
CREATE OR REPLACE FUNCTION diesel_timescale.has_restricting_key(registry REGCLASS) RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path TO pg_catalog, pg_temp
RETURN EXISTS (
    SELECT FROM pg_trigger
    WHERE tgrelid = registry AND tgisinternal AND tgfoid IN ('"RI_FKey_restrict_del"'::REGPROC, '"RI_FKey_noaction_del"'::REGPROC)
);
COMMENT ON FUNCTION diesel_timescale.has_restricting_key(REGCLASS) IS 'Whether a foreign key may refuse that a row of the registry goes.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_still_referenced(target REGCLASS, operation TEXT, obstacle TEXT) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM refuse(
        'diesel_timescale:still_referenced', 'foreign_key_violation',
        format('%s of %s would remove rows that are still referenced: %s', operation, target, obstacle),
        'Remove those references first, or, in retention, keep what is referenced (keep_referenced).',
        relation => target
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_still_referenced(REGCLASS, TEXT, TEXT) IS 'Raises the error that a foreign key does not let rows go, with what PostgreSQL says of it.';

-- Names and lists for generated functions.
CREATE OR REPLACE FUNCTION diesel_timescale.each_column(columns NAME[], pattern TEXT, separator TEXT DEFAULT ', ') RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (SELECT string_agg(format(pattern, c, n), separator ORDER BY n) FROM unnest(columns) WITH ORDINALITY AS u (c, n));
COMMENT ON FUNCTION diesel_timescale.each_column(NAME[], TEXT, TEXT) IS 'A list with the pattern for each column, in which %1$I is its name and %2$s its position.';

CREATE OR REPLACE FUNCTION diesel_timescale.column_types(relation REGCLASS, columns NAME[]) RETURNS TEXT[]
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN ARRAY(
    SELECT format('%I.%I', nspname, typname)
    FROM unnest(columns) WITH ORDINALITY AS u (c, n)
    JOIN pg_attribute ON attrelid = relation AND attname = c AND attnum > 0
    JOIN pg_type ON pg_type.oid = atttypid
    JOIN pg_namespace ON pg_namespace.oid = typnamespace
    ORDER BY n
);
COMMENT ON FUNCTION diesel_timescale.column_types(REGCLASS, NAME[]) IS 'The types of columns, with their schema, quoted.';

CREATE OR REPLACE FUNCTION diesel_timescale.primary_key_columns(relation REGCLASS) RETURNS NAME[]
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN ARRAY(
    SELECT attname
    FROM pg_index
    CROSS JOIN unnest(indkey) WITH ORDINALITY AS k (attnum, n)
    JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = k.attnum
    WHERE indrelid = relation AND indisprimary
    ORDER BY n
);
COMMENT ON FUNCTION diesel_timescale.primary_key_columns(REGCLASS) IS 'The columns of the primary key of a table, in its order.';

CREATE OR REPLACE FUNCTION diesel_timescale.trigger_argument(tgargs BYTEA) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
-- It ends in a zero byte.
RETURN convert_from(substring(tgargs FOR length(tgargs) - 1), getdatabaseencoding());
COMMENT ON FUNCTION diesel_timescale.trigger_argument(BYTEA) IS 'The argument of a trigger that has one, from pg_trigger.tgargs.';

CREATE OR REPLACE FUNCTION diesel_timescale.reference_target(
    target REGCLASS, OUT registry REGCLASS, OUT key NAME[], OUT time_column NAME, OUT register TEXT
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present RECORD;
    names TEXT[];
BEGIN
    -- The trigger has the registry and the time column as its argument.
    SELECT trigger_argument(tgargs) AS argument, nspname, relname
    INTO present
    FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE tgrelid = target AND NOT tgisinternal AND tgname = short_name(relname, '_release_references')
        AND tgtype & 75 = 9 AND tgnargs = 1 AND pronamespace = relnamespace AND proowner = relowner;
    IF present IS NULL THEN
        PERFORM refuse(
            'diesel_timescale:not_a_target', 'object_not_in_prerequisite_state',
            format('%s is no target of references', target),
            format('SELECT diesel_timescale.create_reference_target(%L, ...)', qualified_name(target)),
            relation => target
        );
    END IF;
    names := parse_ident(present.argument);
    registry := format('%I.%I', present.nspname, names[1])::REGCLASS;
    time_column := names[2];
    key := primary_key_columns(registry);
    register := format('%I.%I', present.nspname, short_name('register_' || present.relname));
END
$$;
COMMENT ON FUNCTION diesel_timescale.reference_target(REGCLASS) IS 'The registry of a target of references, the key that references go by, its time column, and the function that registers. An error if it is none.';

-- Generating functions. A template has names in braces; what stands between double braces is SQL for EXECUTE.
CREATE OR REPLACE FUNCTION diesel_timescale.fill_template(template TEXT, names JSONB) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    name RECORD;
    parts TEXT[];
BEGIN
    FOR name IN SELECT * FROM jsonb_each_text(names) AS n (key, value) LOOP
        -- Braces in names mean nothing.
        template := replace(template, '{' || name.key || '}', translate(name.value, '{}', E'\x01\x02'));
    END LOOP;
    LOOP
        parts := regexp_match(template, '^(.*?)\{\{(.*?)\}\}(.*)$', 's');
        EXIT WHEN parts IS NULL;
        template := parts[1] || quote_literal(parts[2]) || parts[3];
    END LOOP;
    RETURN translate(template, E'\x01\x02', '{}');
END
$$;
COMMENT ON FUNCTION diesel_timescale.fill_template(TEXT, JSONB) IS 'The text of a function, with names in the place of {...}, and quoted SQL in the place of {{...}}.';

CREATE OR REPLACE FUNCTION diesel_timescale.edge_of(target REGCLASS, time_column NAME, alias NAME, edge TEXT) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN CASE
    -- min and max of UUIDs came with PostgreSQL 18.
    WHEN (SELECT atttypid FROM pg_attribute WHERE attrelid = target AND attname = time_column) = 'uuid'::REGTYPE THEN
        format('(array_agg(%1$s.%2$I ORDER BY %1$s.%2$I %3$s))[1]', alias, time_column, CASE edge WHEN 'min' THEN 'ASC' ELSE 'DESC' END)
    ELSE format('%s(%s.%I)', edge, alias, time_column)
END;
COMMENT ON FUNCTION diesel_timescale.edge_of(REGCLASS, NAME, NAME, TEXT) IS 'The expression for the first (min) or last (max) moment of rows.';

CREATE OR REPLACE FUNCTION diesel_timescale.template_names(target REGCLASS, registry REGCLASS, key NAME[], time_column NAME) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    columns CONSTANT NAME[] := CASE WHEN time_column = ANY (key) THEN key ELSE key || time_column END;
    types CONSTANT TEXT[] := column_types(target, columns);
    n CONSTANT INT := cardinality(columns);
    place RECORD;
BEGIN
    SELECT nspname, relname INTO place FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = target;
    RETURN jsonb_build_object(
        'target', qualified_name(target),
        'target_literal', quote_literal(qualified_name(target)),
        'registry', qualified_name(registry),
        'epoch', format('%I.%I', place.nspname, short_name((SELECT relname FROM pg_class WHERE oid = registry), '_epoch')),
        'register', format('%I.%I', place.nspname, short_name('register_' || place.relname)),
        -- By the whole key of the target, which is what references go by, unless that is an id.
        'register_by_key', format('%I.%I', place.nspname, short_name('register_' || place.relname, CASE WHEN n > cardinality(key) THEN '_by_key' ELSE '' END)),
        'rowstore', format('%I.%I', place.nspname, short_name('register_' || place.relname, '_in_rowstore')),
        'columnstore', format('%I.%I', place.nspname, short_name('register_' || place.relname, '_in_columnstore')),
        'settle', format('%I.%I', place.nspname, short_name('settle_' || place.relname)),
        'release', format('%I.%I', place.nspname, short_name('release_' || place.relname)),
        'release_all', format('%I.%I', place.nspname, short_name('release_all_' || place.relname)),
        'types', array_to_string(types, ', '),
        'arrays', array_to_string(types, '[], ') || '[]',
        'key_types', array_to_string(types[:cardinality(key)], ', '),
        'columns', each_column(columns, '%1$I'),
        'params', each_column(columns, '$%2$s'),
        'params_after_chunk', (SELECT string_agg('$' || i + 1, ', ' ORDER BY i) FROM generate_series(1, n) AS i),
        'from', '$' || n + 1,
        'to', '$' || n + 2,
        'values', CASE WHEN n = cardinality(key) THEN each_column(columns, '$%2$s') ELSE '$1, seen.at' END,
        'param_arrays', each_column(columns, 'ARRAY[$%2$s]'),
        'key_params', each_column(key, '$%2$s'),
        'first_of_each', each_column(columns, '$%2$s[1]'),
        'value_arrays', CASE WHEN n = cardinality(key) THEN each_column(columns, 'ARRAY[$%2$s]') ELSE 'ARRAY[$1], ARRAY[seen.at]' END,
        'time', quote_ident(time_column),
        'e_is_i', each_column(columns, 'e.%1$I = i.%1$I', ' AND '),
        'e_is_param', each_column(columns, 'e.%1$I = $%2$s', ' AND '),
        'e_key_is_param', each_column(key, 'e.%1$I = $%2$s', ' AND '),
        'r_is_i', each_column(key, 'r.%1$I = i.%1$I', ' AND '),
        'r_is_param', each_column(key, 'r.%1$I = $%2$s', ' AND '),
        'r_is_param_after_chunk', (SELECT string_agg(format('r.%I = $%s', c, i + 1), ' AND ' ORDER BY i) FROM unnest(key) WITH ORDINALITY AS u (c, i)),
        'r_is_old', each_column(columns, 'r.%1$I = OLD.%1$I', ' AND '),
        'l_is_a', each_column(key, 'l.%1$I = a.%1$I', ' AND '),
        'i_not_null', each_column(columns, 'i.%1$I IS NOT NULL', ' AND '),
        'old', each_column(columns, 'OLD.%1$I'),
        'e', each_column(columns, 'e.%1$I'),
        'e_key', each_column(key, 'e.%1$I'),
        'i', each_column(columns, 'i.%1$I'),
        'i_key', each_column(key, 'i.%1$I'),
        'r', each_column(columns, 'r.%1$I'),
        'locked', each_column(columns, 'locked.%1$I'),
        'e_arrays', each_column(columns, 'array_agg(e.%1$I) AS a%2$s'),
        'i_arrays', each_column(columns, 'array_agg(i.%1$I) AS a%2$s'),
        'a_arrays', each_column(columns, 'array_agg(a.%1$I) AS a%2$s'),
        'held_arrays', each_column(columns, 'array_agg(held.%1$I) AS a%2$s'),
        'missing_arrays', each_column(columns, 'missing.a%2$s'),
        'found_arrays', each_column(columns, 'found.a%2$s'),
        'added_arrays', each_column(columns, 'new_rows.a%2$s'),
        'locked_arrays', each_column(columns, 'held_rows.a%2$s'),
        'shared_arrays', each_column(columns, 'shared.a%2$s')
    ) || jsonb_build_object(
        'time_literal', quote_literal(time_column),
        'time_type', types[array_position(columns, time_column)],
        'key_literal', quote_literal(key[1]),
        'i_first', edge_of(target, time_column, 'i', 'min'),
        'i_last', edge_of(target, time_column, 'i', 'max'),
        'e_first', edge_of(target, time_column, 'e', 'min'),
        'a_first', edge_of(target, time_column, 'a', 'min'),
        'a_last', edge_of(target, time_column, 'a', 'max')
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.template_names(REGCLASS, REGCLASS, NAME[], NAME) IS 'The names and lists that templates of a target use.';

CREATE OR REPLACE FUNCTION diesel_timescale.operator_path(target REGCLASS) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (
    SELECT string_agg(quote_ident(nspname), ', ' ORDER BY nspname <> 'pg_catalog', nspname) || ', pg_temp'
    FROM (
        SELECT 'pg_catalog'::NAME AS nspname
        UNION
        SELECT nspname
        FROM pg_index
        JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
        JOIN pg_type ON pg_type.oid = atttypid
        JOIN pg_namespace ON pg_namespace.oid = typnamespace
        WHERE indrelid = target AND indisprimary
    ) AS schemas
);
COMMENT ON FUNCTION diesel_timescale.operator_path(REGCLASS) IS 'The search_path with the operators of the types of the key of a target. What has it qualifies everything else.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_target_function(
    target REGCLASS, names JSONB, signature TEXT, returns TEXT, options TEXT, template TEXT, description TEXT
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    qualified CONSTANT TEXT := fill_template(signature, names);
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION %s RETURNS %s LANGUAGE plpgsql %s SET search_path TO %s AS %L',
        qualified, returns, options, operator_path(target), fill_template(template, names)
    );
    -- It runs with the rights of its owner, so no other role may execute it or attach it to a table.
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', qualified);
    EXECUTE format('COMMENT ON FUNCTION %s IS %L', qualified, fill_template(description, names));
    IF (SELECT relowner <> current_user::REGROLE FROM pg_class WHERE oid = target) THEN
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', qualified, (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = target));
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_target_function(REGCLASS, JSONB, TEXT, TEXT, TEXT, TEXT, TEXT) IS 'Creates one of the functions of a target of references, for the owner of that table alone.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_register_function(target REGCLASS, names JSONB, signature TEXT, find TEXT, find_is_cheap BOOLEAN, description TEXT) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    -- Under READ COMMITTED a second look replaces the row lock where it is cheaper: a lock has to be planned. A removal
    -- either waits for the registration, or the registration waits for the removal and sees it.
    look_again CONSTANT TEXT := CASE WHEN find_is_cheap THEN $t$IF NOT diesel_timescale.snapshot_may_be_old() THEN
            INSERT INTO {registry} AS r ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING;
            IF NOT FOUND THEN
                RETURN;
            END IF;
            {find}
            IF seen.chunk IS NOT NULL THEN
                RETURN;
            END IF;
            DELETE FROM {registry} AS r WHERE {r_is_param};
            CONTINUE;
        END IF;$t$ ELSE '' END;
BEGIN
    PERFORM create_target_function(
        target, names, signature, 'VOID', 'SECURITY DEFINER',
        replace(replace($t$
#variable_conflict use_column
DECLARE
    seen RECORD;
    holder XID;
    registered_by XID;
BEGIN
    IF EXISTS (SELECT FROM {registry} AS r WHERE {r_is_param}) THEN
        RETURN;
    END IF;
    -- Again if it is removed, or moves between rowstore and columnstore, meanwhile.
    FOR attempt IN 1..100 LOOP
        {find}
        IF seen.chunk IS NULL THEN
            RETURN;
        END IF;
        {look_again}
        IF diesel_timescale.is_in_columnstore(seen.chunk, {target_literal}::REGCLASS) THEN
            PERFORM {columnstore}({value_arrays});
            IF EXISTS (SELECT FROM {registry} AS r WHERE {r_is_param}) THEN
                RETURN;
            END IF;
            CONTINUE;
        END IF;
        -- In its chunk, because locking a row through the hypertable plans, and locks, every chunk. The query also
        -- returns who holds the row lock: other transactions, too, if they have locked or changed the row.
        EXECUTE replace({{SELECT (SELECT latest.xmax FROM ONLY {chunk} AS latest WHERE latest.ctid = locked.dt_row)
            FROM (SELECT e.ctid AS dt_row FROM ONLY {chunk} AS e WHERE {e_key_is_param} FOR KEY SHARE) AS locked}}, '{chunk}', seen.chunk::TEXT)
            INTO holder USING {key_params};
        CONTINUE WHEN holder IS NULL;
        INSERT INTO {registry} AS r ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING RETURNING r.xmin INTO registered_by;
        IF registered_by IS NULL OR registered_by = holder OR {settle}(seen.chunk, {values}) THEN
            RETURN;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'a row of % moves or is changed all the time', {target_literal}
        USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again.';
END
$t$, '{look_again}', look_again), '{find}', find),
        description
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_register_function(REGCLASS, JSONB, TEXT, TEXT, BOOLEAN, TEXT) IS 'Creates a function that makes one row of a target referable, with this way to find its chunk.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_register_functions(target REGCLASS, names JSONB, goes_by_id BOOLEAN, has_windows BOOLEAN) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    -- An id does not say which chunk has the row. The chunks of the last hour are probed; then the time of the id is
    -- searched, and with it the row is found as by its key; then all chunks are probed. Without a columnstore the plans
    -- are cached; TimescaleDB excludes from the first the chunks that were before the hour when the plan was made. With a
    -- columnstore a cached plan can miss rows of a chunk that was converted after it was made, so each is planned anew.
    by_id CONSTANT TEXT := $t$SELECT e.{time} AS at, e.tableoid::REGCLASS AS chunk {into} FROM {target} AS e WHERE {e_key_is_param}$t$;
    cached CONSTANT TEXT := replace(by_id, '{into}', 'INTO seen');
    planned CONSTANT TEXT := replace(by_id, '{into}', '');
    find CONSTANT TEXT := CASE WHEN has_windows THEN $t$IF diesel_timescale.has_columnstore() THEN
            EXECUTE {{$t$ || planned || $t$ AND e.{time} >= $2}} INTO seen USING $1, now() - INTERVAL '1 hour';
        ELSE
            $t$ || cached || $t$ AND e.{time} >= now() - INTERVAL '1 hour';
        END IF;
        IF seen.chunk IS NULL THEN$t$ ELSE 'BEGIN' END || $t$
            SELECT diesel_timescale.time_of_id({target_literal}::REGCLASS, {key_literal}, {time_literal}, $1, NULL::{time_type}) AS at INTO seen;
            IF seen.at IS NOT NULL THEN
                PERFORM {register_by_key}($1, seen.at);
                RETURN;
            END IF;
            IF diesel_timescale.has_columnstore() THEN
                EXECUTE {{$t$ || planned || $t$}} INTO seen USING $1;
            ELSE
                $t$ || cached || $t$;
            END IF;
        END$t$ || CASE WHEN has_windows THEN ' IF;' ELSE ';' END;
BEGIN
    IF goes_by_id THEN
        PERFORM create_register_function(
            target, names, '{register}({key_types})', find, true,
            'Makes a row of {target} referable by its id. Does nothing if there is no such row: the foreign key reports that.'
        );
    END IF;
    -- A plan made for the key leaves all other chunks out.
    PERFORM create_register_function(
        target,
        names || jsonb_build_object('values', names -> 'params', 'value_arrays', names -> 'param_arrays'),
        '{register_by_key}({types})',
        $t$EXECUTE {{SELECT e.tableoid::REGCLASS AS chunk FROM {target} AS e WHERE {e_is_param}}} INTO seen USING {params};$t$,
        false,
        'Makes a row of {target} referable by its key. Does nothing if there is no such row: the foreign key reports that.'
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_register_functions(REGCLASS, JSONB, BOOLEAN, BOOLEAN) IS 'Creates the functions that make one row of a target referable.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_bulk_register_function(target REGCLASS, names JSONB, time_type REGTYPE) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    is_integer CONSTANT BOOLEAN := time_type IN ('smallint'::REGTYPE, 'integer'::REGTYPE, 'bigint'::REGTYPE);
    bin CONSTANT TEXT := CASE
        WHEN is_integer THEN 'i.{time} / width'
        WHEN time_type = 'timestamptz'::REGTYPE THEN $t$date_bin(width, i.{time}, TIMESTAMPTZ '1970-01-01 00:00+00')$t$
        WHEN time_type = 'uuid'::REGTYPE THEN format($t$date_bin(width, %I.uuid_timestamp(i.{time}), TIMESTAMPTZ '1970-01-01 00:00+00')$t$, timescaledb_schema())
        ELSE $t$date_bin(width, i.{time}::TIMESTAMP, TIMESTAMP '1970-01-01')$t$
    END;
BEGIN
    PERFORM create_target_function(
        target, names, '{register}({arrays})', 'VOID', 'SECURITY DEFINER',
        replace(replace($t$
#variable_conflict use_column
DECLARE
    -- Chunk by chunk, so that the planner excludes all other chunks from each query.
    width {width};
    missing RECORD;
    found RECORD;
BEGIN
    IF cardinality($1) = 1 THEN
        PERFORM {register_by_key}({first_of_each});
        RETURN;
    END IF;
    width := coalesce((diesel_timescale.chunk_width({target_literal}::REGCLASS)).{width_of}, {default_width});
    FOR missing IN
        SELECT {i_arrays}, {i_first} AS dt_from, {i_last} AS dt_to
        FROM unnest({params}) AS i ({columns})
        WHERE {i_not_null} {finite} AND NOT EXISTS (SELECT FROM {registry} AS r WHERE {r_is_i})
        GROUP BY {bin}
        ORDER BY {i_first}
    LOOP
        FOR found IN EXECUTE {{SELECT e.tableoid::REGCLASS AS chunk, {e_arrays}
            FROM (SELECT DISTINCT * FROM unnest({params})) AS i ({columns})
            JOIN {target} AS e ON {e_is_i}
            WHERE e.{time} BETWEEN {from} AND {to}
            GROUP BY e.tableoid
            ORDER BY {e_first}}}
            USING {missing_arrays}, missing.dt_from, missing.dt_to
        LOOP
            IF diesel_timescale.is_in_columnstore(found.chunk, {target_literal}::REGCLASS) THEN
                PERFORM {columnstore}({found_arrays});
            ELSE
                PERFORM {rowstore}(found.chunk, {found_arrays});
            END IF;
        END LOOP;
    END LOOP;
END
$t$, '{bin}', bin), '{finite}', CASE WHEN is_integer OR time_type = 'uuid'::REGTYPE THEN '' ELSE 'AND isfinite(i.{time})' END),
        'Makes many rows of {target} referable, by arrays of their key and time. What has no time, or does not exist, is left to the trigger and the foreign key.'
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_bulk_register_function(REGCLASS, JSONB, REGTYPE) IS 'Creates the function that makes many rows of a target referable.';

CREATE OR REPLACE FUNCTION diesel_timescale.chunk_width(relation REGCLASS, OUT of_time INTERVAL, OUT of_units BIGINT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF has_timescaledb() THEN
        SELECT time_interval, integer_interval INTO of_time, of_units
        FROM timescaledb_information.dimensions
        JOIN pg_namespace ON nspname = hypertable_schema
        JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = hypertable_name
        WHERE pg_class.oid = relation AND dimension_number = 1;
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.chunk_width(REGCLASS) IS 'How much time, or how many units of a time column that counts them, a chunk covers; nulls for a plain table.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_store_functions(target REGCLASS, names JSONB) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    -- A lock FOR KEY SHARE on a row that is being changed can miss the version that it is changed to (seen on PostgreSQL
    -- 17.12). So where the row is not locked by this transaction alone, this waits for the change.
    PERFORM create_target_function(target, names, '{settle}(REGCLASS, {types})', 'BOOLEAN', '', $t$
DECLARE
    locked BIGINT;
BEGIN
    EXECUTE replace({{SELECT FROM ONLY {chunk} AS e WHERE {e_is_param} FOR SHARE}}, '{chunk}', $1::TEXT) USING {params_after_chunk};
    GET DIAGNOSTICS locked = ROW_COUNT;
    DELETE FROM {registry} AS r WHERE {r_is_param_after_chunk} AND locked = 0;
    RETURN locked > 0;
END
$t$, 'Waits for whoever changes this row of {target} in the rowstore. False, and nothing registered, if it is gone then.');

    PERFORM create_target_function(target, names, '{rowstore}(REGCLASS, {arrays})', 'VOID', '', $t$
#variable_conflict use_column
DECLARE
    held_rows RECORD;
    shared RECORD;
BEGIN
    EXECUTE replace({{SELECT {held_arrays}, array_agg(held.dt_holder) AS holders
        FROM (
            SELECT {locked}, (SELECT latest.xmax FROM ONLY {chunk} AS latest WHERE latest.ctid = locked.dt_row) AS dt_holder
            FROM (
                SELECT {e}, e.ctid AS dt_row
                FROM unnest({params}) AS i ({columns})
                JOIN ONLY {chunk} AS e ON {e_is_i}
                ORDER BY {e_key}
                FOR KEY SHARE OF e
            ) AS locked
        ) AS held
        WHERE held.dt_holder IS NOT NULL}}, '{chunk}', $1::TEXT)
        INTO held_rows USING {params_after_chunk};
    WITH a AS (
        INSERT INTO {registry} AS r ({columns})
        SELECT {i} FROM unnest({locked_arrays}) AS i ({columns}) ORDER BY {i_key}
        ON CONFLICT DO NOTHING
        RETURNING {r}, r.xmin AS dt_registered_by
    )
    SELECT {a_arrays} INTO shared
    FROM a
    JOIN unnest({locked_arrays}, held_rows.holders) AS l ({columns}, dt_holder) ON {l_is_a} AND l.dt_holder <> a.dt_registered_by;
    PERFORM {settle}($1, {i}) FROM unnest({shared_arrays}) AS i ({columns});
END
$t$, 'Registers rows of {target} that are in this chunk, in the rowstore. What is no longer there is left out.');

    PERFORM create_target_function(target, names, '{columnstore}({arrays})', 'VOID', '', $t$
#variable_conflict use_column
DECLARE
    new_rows RECORD;
BEGIN
    WITH a AS (
        INSERT INTO {registry} AS r ({columns})
        SELECT {i} FROM unnest({params}) AS i ({columns}) ORDER BY {i_key}
        ON CONFLICT DO NOTHING
        RETURNING {r}
    )
    SELECT {a_arrays}, {a_first} AS dt_from, {a_last} AS dt_to INTO new_rows FROM a;
    IF diesel_timescale.snapshot_may_be_old() THEN
        -- A removal in progress, which has its row locked, will wait for these keys.
        PERFORM FROM {epoch} FOR SHARE SKIP LOCKED;
    END IF;
    -- The rows of the target are read once, by a query of its own: in an anti join every chunk would be locked. As a
    -- condition, the state of a chunk would be asked for each row that it has.
    EXECUTE {{WITH e AS MATERIALIZED (
            SELECT {e}, diesel_timescale.is_in_columnstore(e.tableoid, {target_literal}::REGCLASS) AS dt_in_columnstore
            FROM unnest({params}) AS i ({columns})
            JOIN {target} AS e ON {e_is_i}
            WHERE e.{time} >= {from} AND e.{time} <= {to}
        )
        DELETE FROM {registry} AS r
        USING unnest({params}) AS i ({columns})
        WHERE {r_is_i} AND NOT EXISTS (SELECT FROM e WHERE {e_is_i} AND e.dt_in_columnstore)}}
        USING {added_arrays}, new_rows.dt_from, new_rows.dt_to;
END
$t$, 'Registers rows of {target} that are in the columnstore. What is no longer there is left out.');
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_store_functions(REGCLASS, JSONB) IS 'Creates the functions that register rows of a target in the rowstore and in the columnstore.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_release_triggers(target REGCLASS, names JSONB, registry REGCLASS, time_column NAME) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    table_name CONSTANT NAME := (SELECT relname FROM pg_class WHERE oid = target);
    columns CONSTANT NAME[] := ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = registry AND attnum > 0 AND NOT attisdropped ORDER BY attnum);
    mark CONSTANT TEXT := format('%I.%I', (SELECT relname FROM pg_class WHERE oid = registry), time_column);
    tombstone CONSTANT TEXT := $t$-- Waits for whoever registers it now, and gets 40001 if it cannot see that; whoever registers it later waits for
    -- this. Not DO UPDATE: a foreign key that locks a row which is updated and then deleted can miss that.
    INSERT INTO {registry} ({columns}) VALUES ({old}) ON CONFLICT DO NOTHING;
    is_registered := NOT FOUND;$t$;
BEGIN
    PERFORM create_target_function(target, names || jsonb_build_object('mark', mark), '{release}()', 'TRIGGER', 'SECURITY DEFINER', replace($t$
DECLARE
    -- What declared_target() reads.
    dt_target CONSTANT TEXT := {{{mark}}};
    is_registered BOOLEAN;
    in_columnstore CONSTANT BOOLEAN := diesel_timescale.is_in_columnstore(TG_RELID, {target_literal}::REGCLASS);
BEGIN
    IF in_columnstore THEN
        UPDATE {epoch} AS s
        SET last_removal = pg_current_xact_id(), server_start = pg_postmaster_start_time()
        WHERE s.stripe = diesel_timescale.removal_stripe()
            AND (s.last_removal <> pg_current_xact_id() OR s.server_start <> pg_postmaster_start_time());
        IF NOT FOUND AND NOT EXISTS (SELECT FROM {epoch} AS s WHERE s.stripe = diesel_timescale.removal_stripe()) THEN
            PERFORM diesel_timescale.refuse(
                'diesel_timescale:epoch_is_empty', 'object_not_in_prerequisite_state',
                {{{epoch} has lost its rows, without which references to removed rows could be left}},
                {{INSERT INTO {epoch} SELECT stripe, '0' FROM generate_series(0, 15) AS stripe ON CONFLICT DO NOTHING}}
            );
        END IF;
    END IF;
    {tombstone}
    -- A block that can fail costs a subtransaction. The tombstone's lock on the registry keeps keys from being added from
    -- here on; one that was added after an old snapshot is not seen.
    IF is_registered AND (diesel_timescale.snapshot_may_be_old() OR diesel_timescale.has_restricting_key({{{registry}}}::REGCLASS)) THEN
        BEGIN
            DELETE FROM {registry} AS r WHERE {r_is_old};
        EXCEPTION WHEN foreign_key_violation OR restrict_violation THEN
            PERFORM diesel_timescale.refuse_still_referenced({target_literal}::REGCLASS, 'DELETE', SQLERRM);
        END;
    ELSE
        DELETE FROM {registry} AS r WHERE {r_is_old};
    END IF;
    RETURN NULL;
END
$t$,
        -- Where references go by the key, the lock on the row keeps others from registering it under READ COMMITTED.
        '{tombstone}', CASE WHEN time_column = ANY (primary_key_columns(registry))
            THEN 'is_registered := EXISTS (SELECT FROM {registry} AS r WHERE {r_is_old});
    IF is_registered OR in_columnstore OR diesel_timescale.snapshot_may_be_old() THEN ' || tombstone || '
    END IF;'
            ELSE tombstone
        END), 'Trigger: a deleted row of {target} takes its registration along, and with it every reference.');
    PERFORM create_target_function(target, names, '{release_all}()', 'TRIGGER', 'SECURITY DEFINER', $t$
BEGIN
    PERFORM diesel_timescale.refuse_old_snapshot({target_literal}::REGCLASS, 'TRUNCATE');
    -- TRUNCATE has the table locked already, which every registration has read.
    DELETE FROM {registry};
    RETURN NULL;
EXCEPTION WHEN foreign_key_violation OR restrict_violation THEN
    PERFORM diesel_timescale.refuse_still_referenced({target_literal}::REGCLASS, 'TRUNCATE', SQLERRM);
    RETURN NULL;
END
$t$, 'Trigger: TRUNCATE of {target} clears every registration.');

    -- Row by row, because a hypertable with a columnstore takes no transition table. The argument is what
    -- reference_target() reads.
    EXECUTE format(
        'CREATE TRIGGER %I AFTER DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s(%L)',
        short_name(table_name, '_release_references'), qualified_name(target), names ->> 'release', mark
    );
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION %s()',
        short_name(table_name, '_release_all_references'), qualified_name(target), names ->> 'release_all'
    );
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE UPDATE OF %s ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION diesel_timescale.refuse_key_change(%L, %s)',
        short_name(table_name, '_key_is_fixed'), each_column(columns, '%1$I'), qualified_name(target),
        each_column(columns, 'OLD.%1$I IS DISTINCT FROM NEW.%1$I', ' OR '), qualified_name(target), each_column(columns, '%1$L')
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_release_triggers(REGCLASS, JSONB, REGCLASS, NAME) IS 'Creates the triggers of a target of references: for DELETE, TRUNCATE, and changes of the key.';

CREATE OR REPLACE FUNCTION diesel_timescale.check_reference_target(target REGCLASS, time_column NAME, id_column NAME) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    time_type REGTYPE;
    id pg_attribute;
    primary_key INT2[];
    problem TEXT;
    remedy TEXT;
BEGIN
    SELECT atttypid INTO time_type FROM pg_attribute WHERE attrelid = target AND attname = time_column AND attnum > 0 AND NOT attisdropped;
    SELECT indkey INTO primary_key FROM pg_index WHERE indrelid = target AND indisprimary;
    SELECT * INTO id FROM pg_attribute WHERE attrelid = target AND attname = id_column AND attnum > 0 AND NOT attisdropped;
    IF (SELECT relkind <> 'r' OR relpersistence <> 'p' FROM pg_class WHERE oid = target) THEN
        problem := format('%s is not an ordinary table', target);
        remedy := 'A target of references is a hypertable, or a table that becomes one.';
    ELSIF time_type IS NULL OR time_type NOT IN ('timestamptz', 'timestamp', 'date', 'smallint', 'integer', 'bigint', 'uuid') THEN
        problem := format('%s has no column %I with a time', target, time_column);
        remedy := 'The time column is a timestamptz, timestamp, date, smallint, integer, bigint or uuid.';
    ELSIF primary_key IS NULL THEN
        problem := format('%s has no primary key', target);
        remedy := format('ALTER TABLE %s ADD PRIMARY KEY (...), with %I in it', qualified_name(target), time_column);
    ELSIF id_column IS NULL AND NOT (SELECT attnum = ANY (primary_key) FROM pg_attribute WHERE attrelid = target AND attname = time_column) THEN
        problem := format('the primary key of %s lacks the time column %I', target, time_column);
        remedy := 'A hypertable can only keep a key unique that contains the partition column.';
    ELSIF id_column IS NOT NULL AND (id IS NULL OR id.atttypid <> 'bigint'::REGTYPE) THEN
        problem := format('%s has no column %I of type bigint', target, id_column);
        remedy := 'Let references go by a bigint that the database assigns, or by the whole primary key.';
    ELSIF id_column IS NOT NULL AND id.attidentity <> 'a' THEN
        problem := format('%s.%I is not GENERATED ALWAYS AS IDENTITY, so it may repeat', target, id_column);
        remedy := CASE
            WHEN id.attidentity = 'd' THEN format('ALTER TABLE %s ALTER COLUMN %I SET GENERATED ALWAYS', qualified_name(target), id_column)
            ELSE format(
                'ALTER TABLE %1$s ALTER COLUMN %2$I SET NOT NULL, ALTER COLUMN %2$I DROP DEFAULT, '
                'ALTER COLUMN %2$I ADD GENERATED ALWAYS AS IDENTITY (START WITH ...), with a number above every id that is there. '
                'Or let references go by the whole primary key.',
                qualified_name(target), id_column
            )
        END;
    ELSIF id_column IS NOT NULL AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = target AND indkey[0] = id.attnum AND indisvalid AND indpred IS NULL) THEN
        problem := format('%s has no index that starts with %I', target, id_column);
        remedy := format('CREATE INDEX ON %s (%I)', qualified_name(target), id_column);
    ELSE
        RETURN;
    END IF;
    PERFORM refuse('diesel_timescale:reference_target', 'invalid_table_definition', problem, remedy, relation => target);
END
$$;
COMMENT ON FUNCTION diesel_timescale.check_reference_target(REGCLASS, NAME, NAME) IS 'Raises an error that names the obstacle and the remedy if the table cannot be the target of references.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_reference_target(
    target REGCLASS, time_column NAME, id_column NAME DEFAULT NULL, registry_name NAME DEFAULT NULL
) RETURNS REGCLASS
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    place RECORD;
    key NAME[];
    columns NAME[];
    registry TEXT;
    names JSONB;
    time_type REGTYPE;
BEGIN
    PERFORM check_reference_target(target, time_column, id_column);
    IF (SELECT atttypid = 'uuid'::REGTYPE FROM pg_attribute WHERE attrelid = target AND attname = time_column) THEN
        PERFORM require_feature('UuidTime');
    END IF;
    SELECT nspname, relname, pg_get_userbyid(relowner) AS owner INTO place
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = target;
    -- Transactions that make the same table a target take turns, and no row is removed before the triggers are there.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', qualified_name(target));
    registry := format('%I.%I', place.nspname, coalesce(registry_name, short_name('referenced_' || place.relname)));
    IF is_reference_target(target) THEN
        RETURN (reference_target(target)).registry;
    END IF;
    key := CASE WHEN id_column IS NOT NULL THEN ARRAY[id_column] ELSE primary_key_columns(target) END;
    columns := CASE WHEN time_column = ANY (key) THEN key ELSE key || time_column END;
    time_type := (SELECT atttypid FROM pg_attribute WHERE attrelid = target AND attname = time_column);

    EXECUTE format(
        'CREATE TABLE %s (%s, PRIMARY KEY (%s))',
        registry,
        (SELECT string_agg(format('%I %s NOT NULL', c, format_type(atttypid, atttypmod)), ', ' ORDER BY n) FROM unnest(columns) WITH ORDINALITY AS u (c, n) JOIN pg_attribute ON attrelid = target AND attname = c),
        each_column(key, '%1$I')
    );
    -- Retention clears a range of time.
    EXECUTE format('CREATE INDEX ON %s (%I)', registry, time_column);
    EXECUTE format('COMMENT ON TABLE %s IS %L', registry, format('One row for each row of %s that something references. Kept by triggers; not written by hand.', target));
    names := template_names(target, registry::REGCLASS, key, time_column) || jsonb_build_object(
        'width', CASE WHEN time_type IN ('smallint', 'integer', 'bigint') THEN 'BIGINT' ELSE 'INTERVAL' END,
        'width_of', CASE WHEN time_type IN ('smallint', 'integer', 'bigint') THEN 'of_units' ELSE 'of_time' END,
        'default_width', CASE WHEN time_type IN ('smallint', 'integer', 'bigint') THEN '9223372036854775807' ELSE 'INTERVAL ''36500 days''' END
    );
    EXECUTE format('CREATE TABLE %s (stripe INT PRIMARY KEY CHECK (stripe BETWEEN 0 AND 15), last_removal XID8 NOT NULL, server_start TIMESTAMPTZ NOT NULL DEFAULT ''-infinity'')', names ->> 'epoch');
    EXECUTE format('INSERT INTO %s SELECT stripe, ''0'' FROM generate_series(0, 15) AS stripe', names ->> 'epoch');
    EXECUTE format('COMMENT ON TABLE %s IS %L', names ->> 'epoch', format('Removing rows of %s from the columnstore changes one of these, so that transactions with an older snapshot notice.', target));
    EXECUTE format('COMMENT ON COLUMN %s.stripe IS %L', names ->> 'epoch', 'A transaction changes the row of its id modulo 16, so that removals seldom wait for each other.');
    EXECUTE format('COMMENT ON COLUMN %s.last_removal IS %L', names ->> 'epoch', 'The last transaction that removed rows from the columnstore through this row.');
    EXECUTE format('COMMENT ON COLUMN %s.server_start IS %L', names ->> 'epoch', 'The start of the server that ran it: a restored row may have the number of a transaction to come.');
    PERFORM keep_rows((names ->> 'epoch')::REGCLASS, 'stripe');
    IF place.owner <> current_user THEN
        EXECUTE format('ALTER TABLE %s OWNER TO %I', registry, place.owner);
        EXECUTE format('ALTER TABLE %s OWNER TO %I', names ->> 'epoch', place.owner);
    END IF;

    PERFORM create_store_functions(target, names);
    PERFORM create_register_functions(target, names, id_column IS NOT NULL, time_type = 'timestamptz'::REGTYPE);
    PERFORM create_bulk_register_function(target, names, time_type);
    PERFORM create_release_triggers(target, names, registry::REGCLASS, time_column);
    RETURN registry::REGCLASS;
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_reference_target(REGCLASS, NAME, NAME, NAME) IS 'Makes a table the target of references that hold through retention: by its primary key, or by a bigint that the database assigns. Returns its registry, the table that foreign keys go to. Repeatable.';

CREATE OR REPLACE FUNCTION diesel_timescale.target_functions() RETURNS TEXT[]
LANGUAGE sql IMMUTABLE
SET search_path TO pg_catalog, pg_temp
RETURN ARRAY[
    '{register}({key_types})', '{register_by_key}({types})', '{register}({arrays})', '{rowstore}(REGCLASS, {arrays})', '{columnstore}({arrays})',
    '{settle}(REGCLASS, {types})', '{release}()', '{release_all}()'
];
COMMENT ON FUNCTION diesel_timescale.target_functions() IS 'The signatures of the functions of a target, as templates.';

CREATE OR REPLACE FUNCTION diesel_timescale.drop_reference_target(target REGCLASS) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present RECORD;
    names JSONB;
    table_name CONSTANT NAME := (SELECT relname FROM pg_class WHERE oid = target);
    suffix TEXT;
    signature TEXT;
BEGIN
    present := reference_target(target);
    names := template_names(target, present.registry, present.key, present.time_column);
    -- Refused while a foreign key goes there.
    EXECUTE format('DROP TABLE %s, %s', names ->> 'registry', names ->> 'epoch');
    FOREACH suffix IN ARRAY ARRAY['_release_references', '_release_all_references', '_key_is_fixed'] LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', short_name(table_name, suffix), qualified_name(target));
    END LOOP;
    FOREACH signature IN ARRAY target_functions() LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS %s', fill_template(signature, names));
    END LOOP;
END
$$;
COMMENT ON FUNCTION diesel_timescale.drop_reference_target(REGCLASS) IS 'Takes back create_reference_target. Refused while a foreign key goes to the registry: remove_reference() first.';

-- Columns that reference a target.
CREATE OR REPLACE FUNCTION diesel_timescale.broken_parts(relation REGCLASS, trigger_name NAME, function OID) RETURNS BIGINT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    WITH RECURSIVE part (oid, has_parts) AS (
        SELECT oid, relkind = 'p' OR hypertable_of(relation) IS NOT NULL FROM pg_class WHERE oid = relation
        UNION ALL
        SELECT c.oid, c.relkind = 'p'
        FROM part
        JOIN pg_inherits ON inhparent = part.oid AND has_parts
        JOIN pg_class AS c ON c.oid = inhrelid AND c.relkind IN ('r', 'p')
    )
    SELECT count(*)
    FROM part
    WHERE part.oid <> relation AND NOT EXISTS (
        SELECT FROM pg_trigger WHERE tgrelid = part.oid AND tgname = trigger_name AND tgfoid = function AND tgenabled IN ('O', 'A')
    )
$$;
COMMENT ON FUNCTION diesel_timescale.broken_parts(REGCLASS, NAME, OID) IS 'How many partitions or chunks of a table do not have this trigger of the table, or have it disabled.';

CREATE OR REPLACE FUNCTION diesel_timescale.reference_triggers(referencing REGCLASS, columns NAME[], target REGCLASS)
RETURNS TABLE (trigger_name NAME, function REGPROCEDURE, is_right BOOLEAN)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    SELECT
        tgname,
        tgfoid::REGPROCEDURE,
        tgname = short_name('reference_' || array_to_string(columns, '_'))
            AND tgenabled IN ('O', 'A')
            AND proname = short_name(format('reference_%I.%s', relname, each_column(columns, '%1$I', '_')))
            AND pronamespace = relnamespace
            AND broken_parts(referencing, tgname, tgfoid) = 0
    FROM pg_class
    JOIN pg_trigger ON tgrelid = pg_class.oid
    JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE pg_class.oid = referencing AND proname LIKE 'reference\_%'
        AND tgattr::INT2[] <@ ARRAY(SELECT attnum FROM pg_attribute WHERE attrelid = referencing AND attname = ANY (columns))
        AND strpos(prosrc, format('PERFORM %s(NEW.', (reference_target(target)).register)) > 0
$$;
COMMENT ON FUNCTION diesel_timescale.reference_triggers(REGCLASS, NAME[], REGCLASS) IS 'The triggers of columns that register rows of a target, and whether each is as add_reference() makes it. Other ones are left by renaming a table or column.';

-- A statement may bring the time of the row that it references by an id. It is no value of the column, so the statement
-- leaves it in a setting, which the trigger reads. It only says where to look first: nothing depends on it being true.
CREATE OR REPLACE FUNCTION diesel_timescale.referenced_id(id BIGINT, at ANYELEMENT) RETURNS BIGINT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM set_config('diesel_timescale.referenced_id', concat(id, ' ', at), true);
    RETURN id;
END
$$;
COMMENT ON FUNCTION diesel_timescale.referenced_id(BIGINT, ANYELEMENT) IS 'The id of a row that is referenced, for INSERT and UPDATE. With its time the trigger of the column finds the row at once.';

CREATE OR REPLACE FUNCTION diesel_timescale.time_hint(target REGCLASS, columns NAME[]) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT RECORD := reference_target(target);
BEGIN
    -- By its whole key a row is found at once in any case.
    IF present.time_column = ANY (present.key) THEN
        RETURN '';
    END IF;
    RETURN format(
        $f$IF split_part(current_setting('diesel_timescale.referenced_id', true), ' ', 1) = NEW.%I::TEXT THEN
        PERFORM %s(NEW.%I, substr(current_setting('diesel_timescale.referenced_id'), length(NEW.%I::TEXT) + 2)::%s);
    END IF;$f$,
        columns[1], template_names(target, present.registry, present.key, present.time_column) ->> 'register_by_key',
        columns[1], columns[1], (column_types(target, ARRAY[present.time_column]))[1]
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.time_hint(REGCLASS, NAME[]) IS 'What the trigger of a column that references by an id does with the time that a statement has left for it.';

CREATE OR REPLACE FUNCTION diesel_timescale.register_referenced_ids(referencing REGCLASS, column_name NAME, ids BIGINT[], times ANYARRAY) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    register CONSTANT TEXT := (
        SELECT (regexp_match(prosrc, 'PERFORM ([^;]+)\(NEW\.[^;]+\);\s+RETURN NEW'))[1]
        FROM pg_class
        JOIN pg_trigger ON tgrelid = pg_class.oid AND NOT tgisinternal
        JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE pg_class.oid = referencing AND tgname = short_name('reference_' || column_name)
    );
    bulk_function CONSTANT REGPROCEDURE := to_regprocedure(format('%s(bigint[], %s)', register, pg_typeof(times)));
BEGIN
    -- Without the right to execute it, the trigger registers row by row.
    IF has_function_privilege(bulk_function, 'EXECUTE') THEN
        EXECUTE format('SELECT %s($1, $2)', register) USING ids, times;
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.register_referenced_ids(REGCLASS, NAME, BIGINT[], ANYARRAY) IS 'Before many rows are written: registers what this column is to reference, by ids and times, in one pass.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_reference_trigger(referencing REGCLASS, columns NAME[], target REGCLASS) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    function_name CONSTANT TEXT := (
        SELECT format('%I.%I', nspname, short_name(format('reference_%I.%s', relname, each_column(columns, '%1$I', '_'))))
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = referencing
    );
    -- Static SQL for these columns. It runs with the rights of its owner, and the owner of the table can put a column of
    -- another type in the place of one of them: nothing of the row is converted.
    body CONSTANT TEXT := format(
        $f$
BEGIN
    IF %s THEN
        RAISE EXCEPTION 'a column of %% is no longer of the type that it references', TG_RELID::REGCLASS
            USING ERRCODE = 'datatype_mismatch';
    END IF;
    %s
    PERFORM %s(%s);
    RETURN NEW;
END
$f$,
        (
            SELECT string_agg(format('pg_typeof(NEW.%I) <> %L::REGTYPE', c, t), ' OR ' ORDER BY n)
            FROM unnest(columns, column_types(referencing, columns)) WITH ORDINALITY AS u (c, t, n)
        ),
        time_hint(target, columns),
        (reference_target(target)).register,
        each_column(columns, 'NEW.%1$I')
    );
    -- It calls functions of the target's owner, who can replace them: so it runs with the rights of that role only.
    target_owner CONSTANT REGROLE := (SELECT relowner FROM pg_class WHERE oid = target);
    present_owner CONSTANT OID := (SELECT proowner FROM pg_proc WHERE oid = to_regprocedure(function_name || '()'));
BEGIN
    IF NOT pg_has_role(target_owner, 'MEMBER') THEN
        PERFORM refuse(
            'diesel_timescale:not_the_owner', 'insufficient_privilege',
            format('permission denied to attach %s: its trigger runs with the rights of %s, the owner of %s', referencing, target_owner, target),
            format('Attach it as %s, as a member of that role, or as a superuser.', target_owner),
            relation => referencing
        );
    END IF;
    -- CREATE OR REPLACE would keep the owner and its grants.
    IF present_owner <> target_owner THEN
        EXECUTE format('DROP FUNCTION %s()', function_name);
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION %s() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS %L',
        function_name, body
    );
    IF target_owner <> current_user::REGROLE THEN
        EXECUTE format('ALTER FUNCTION %s() OWNER TO %s', function_name, target_owner);
    END IF;
    -- No other role may attach it to a table of its own.
    EXECUTE format('REVOKE ALL ON FUNCTION %s() FROM PUBLIC', function_name);
    EXECUTE format(
        'COMMENT ON FUNCTION %s() IS %L',
        function_name,
        format('Trigger: registers the row of %s that %s references, before the foreign key looks for it.', target, referencing)
    );
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE INSERT OR UPDATE OF %s ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %s()',
        short_name('reference_' || array_to_string(columns, '_')), each_column(columns, '%1$I'), qualified_name(referencing),
        each_column(columns, 'NEW.%1$I IS NOT NULL', ' AND '), function_name
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_reference_trigger(REGCLASS, NAME[], REGCLASS) IS 'Gives columns a trigger that registers the row that they reference, with a function of its own.';

CREATE OR REPLACE FUNCTION diesel_timescale.drop_reference_triggers(referencing REGCLASS, columns NAME[], target REGCLASS) RETURNS BIGINT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present RECORD;
    dropped BIGINT := 0;
BEGIN
    FOR present IN SELECT * FROM reference_triggers(referencing, columns, target) LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', present.trigger_name, qualified_name(referencing));
        dropped := dropped + 1;
        -- A table that had the name before may use the same function.
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = present.function) THEN
            EXECUTE format('DROP FUNCTION %s', present.function);
        END IF;
    END LOOP;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION diesel_timescale.drop_reference_triggers(REGCLASS, NAME[], REGCLASS) IS 'Drops the triggers of columns that register rows of a target, with their functions, and returns how many.';

CREATE OR REPLACE FUNCTION diesel_timescale.untrusted_owner(referencing REGCLASS, target_owner OID) RETURNS REGROLE
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    WITH RECURSIVE part (oid) AS (
        SELECT referencing::OID
        UNION
        SELECT inhrelid FROM part JOIN pg_inherits ON inhparent = part.oid
    )
    SELECT c.relowner::REGROLE
    FROM part
    JOIN pg_class AS c ON c.oid = part.oid
    JOIN pg_roles AS r ON r.oid = c.relowner
    WHERE NOT r.rolsuper AND r.rolname <> current_user AND NOT pg_has_role(c.relowner, target_owner, 'MEMBER')
    LIMIT 1
$$;
COMMENT ON FUNCTION diesel_timescale.untrusted_owner(REGCLASS, OID) IS 'A role that owns a table or a partition of it, and whose code would run as whoever attaches the table. Null if there is none.';

CREATE OR REPLACE FUNCTION diesel_timescale.check_reference(referencing REGCLASS, columns NAME[], registry REGCLASS, key NAME[], sets_null BOOLEAN) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    wanted CONSTANT TEXT[] := column_types(registry, key);
    -- Index expressions and the like.
    untrusted CONSTANT REGROLE := untrusted_owner(referencing, (SELECT relowner FROM pg_class WHERE oid = registry));
    not_null NAME;
    problem TEXT;
    remedy TEXT;
BEGIN
    IF (SELECT relkind NOT IN ('r', 'p') FROM pg_class WHERE oid = referencing) THEN
        problem := format('%s is not a table', referencing);
        remedy := 'References are columns of an ordinary or partitioned table.';
    ELSIF untrusted IS NOT NULL THEN
        problem := format('%s belongs to %s, whose code would run with the rights of %I', referencing, untrusted, current_user);
        remedy := format('ALTER TABLE %s OWNER TO CURRENT_USER, after a look at its indexes, triggers and partitions.', qualified_name(referencing));
    ELSIF column_types(referencing, columns) <> wanted THEN
        problem := format('%s has no columns (%s) of the types (%s)', referencing, each_column(columns, '%1$I'), array_to_string(wanted, ', '));
        remedy := format('References go by (%s).', each_column(key, '%1$I'));
    ELSIF sets_null THEN
        SELECT attname INTO not_null FROM pg_attribute WHERE attrelid = referencing AND attname = ANY (columns) AND attnotnull;
        IF not_null IS NULL THEN
            RETURN;
        END IF;
        problem := format('%s.%I is NOT NULL, so a removed row could not clear it', referencing, not_null);
        remedy := format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL, or choose CASCADE or RESTRICT', qualified_name(referencing), not_null);
    ELSE
        RETURN;
    END IF;
    PERFORM refuse('diesel_timescale:reference_column', 'invalid_column_definition', problem, remedy, relation => referencing, column_name => columns[1]);
END
$$;
COMMENT ON FUNCTION diesel_timescale.check_reference(REGCLASS, NAME[], REGCLASS, NAME[], BOOLEAN) IS 'Raises an error if the columns cannot reference the rows of a target.';

CREATE OR REPLACE FUNCTION diesel_timescale.register_present_references(referencing REGCLASS, columns NAME[], target REGCLASS) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
-- A policy of another role would run its functions with the rights of this caller, and hide rows: an error instead.
SET row_security TO off
AS $$
DECLARE
    t RECORD := reference_target(target);
    wanted CONSTANT TEXT := format(
        'SELECT DISTINCT %s FROM %s AS f WHERE %s AND NOT EXISTS (SELECT FROM %s AS r WHERE %s)',
        (SELECT string_agg(format('f.%I AS %I', c, k), ', ' ORDER BY n) FROM unnest(columns, t.key) WITH ORDINALITY AS u (c, k, n)),
        qualified_name(referencing),
        each_column(columns, 'f.%1$I IS NOT NULL', ' AND '),
        qualified_name(t.registry),
        (SELECT string_agg(format('r.%I = f.%I', k, c), ' AND ' ORDER BY n) FROM unnest(columns, t.key) WITH ORDINALITY AS u (c, k, n))
    );
    has_more BOOLEAN;
BEGIN
    -- One statement for all. The look at every chunk locks no row of the target; the registration then locks those.
    IF t.time_column = ANY (t.key) THEN
        EXECUTE format('SELECT %s(%s) FROM (%s) AS i', t.register, each_column(t.key, 'array_agg(i.%1$I)'), wanted);
    ELSE
        EXECUTE format(
            'SELECT %s(array_agg(e.%2$I), array_agg(e.%3$I)) FROM (%4$s) AS i JOIN %5$s AS e ON e.%2$I = i.%2$I',
            t.register, t.key[1], t.time_column, wanted, qualified_name(target)
        );
    END IF;
    -- Rows that moved between rowstore and columnstore meanwhile: one by one.
    EXECUTE format('SELECT EXISTS (%s)', wanted) INTO has_more;
    IF has_more THEN
        EXECUTE format(
            'SELECT %s(%s) FROM (%s) AS i JOIN %s AS e ON %s',
            t.register, each_column(t.key, 'i.%1$I'), wanted, qualified_name(target), each_column(t.key, 'e.%1$I = i.%1$I', ' AND ')
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.register_present_references(REGCLASS, NAME[], REGCLASS) IS 'Makes the rows of a target referable that the rows of a table reference.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_reference(
    referencing REGCLASS, columns NAME[], target REGCLASS, on_delete TEXT DEFAULT 'SET NULL'
) RETURNS TEXT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    t RECORD := reference_target(target);
    attributes CONSTANT INT2[] := ARRAY(
        SELECT attnum FROM unnest(columns) WITH ORDINALITY AS u (c, n) JOIN pg_attribute ON attrelid = referencing AND attname = c AND attnum > 0 ORDER BY n
    );
    present RECORD;
BEGIN
    IF on_delete NOT IN ('SET NULL', 'CASCADE', 'RESTRICT') THEN
        PERFORM refuse('diesel_timescale:on_delete', 'invalid_parameter_value', format('%L is no action of a reference', on_delete), 'Choose SET NULL, CASCADE or RESTRICT.');
    END IF;
    -- A foreign key that is there stays, whatever it does when a row is removed.
    SELECT conname, confdeltype, convalidated INTO present
    FROM pg_constraint
    WHERE conrelid = referencing AND contype = 'f' AND confrelid = t.registry AND conkey = attributes
    ORDER BY convalidated DESC, conname
    LIMIT 1;
    PERFORM check_reference(referencing, columns, t.registry, t.key, coalesce(present.confdeltype = 'n', on_delete = 'SET NULL'));

    -- No row is written before the trigger is there.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', qualified_name(referencing));
    IF (SELECT count(*) FILTER (WHERE is_right) <> 1 OR count(*) <> 1 FROM reference_triggers(referencing, columns, target)) THEN
        PERFORM drop_reference_triggers(referencing, columns, target);
        PERFORM create_reference_trigger(referencing, columns, target);
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = referencing AND indkey[0] = attributes[1] AND indisvalid
            AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) = format('(%I IS NOT NULL)', columns[1]))
    ) THEN
        EXECUTE format('CREATE INDEX ON %s (%s) WHERE %I IS NOT NULL', qualified_name(referencing), each_column(columns, '%1$I'), columns[1]);
    END IF;
    IF present.convalidated IS NOT true THEN
        PERFORM register_present_references(referencing, columns, target);
        IF present.conname IS NULL THEN
            EXECUTE format(
                'ALTER TABLE %s ADD FOREIGN KEY (%s) REFERENCES %s (%s) ON DELETE %s',
                qualified_name(referencing), each_column(columns, '%1$I'), qualified_name(t.registry), each_column(t.key, '%1$I'), on_delete
            );
        ELSE
            EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', qualified_name(referencing), present.conname);
        END IF;
    END IF;
    RETURN CASE present.confdeltype
        WHEN 'n' THEN 'SET NULL' WHEN 'c' THEN 'CASCADE' WHEN 'r' THEN 'RESTRICT' WHEN 'a' THEN 'NO ACTION' WHEN 'd' THEN 'SET DEFAULT' ELSE on_delete
    END;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_reference(REGCLASS, NAME[], REGCLASS, TEXT) IS 'Makes columns a foreign key to the rows of a target that holds through retention, and returns what it does when a row is removed. A foreign key to the registry that is there stays. Adds an index if the columns have none. Repeatable.';

CREATE OR REPLACE FUNCTION diesel_timescale.remove_reference(referencing REGCLASS, columns NAME[], target REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    constraint_name NAME;
    had_key BOOLEAN := false;
BEGIN
    FOR constraint_name IN
        SELECT conname
        FROM pg_constraint
        WHERE conrelid = referencing AND contype = 'f' AND confrelid = (reference_target(target)).registry
            AND conkey = ARRAY(
                SELECT attnum FROM unnest(columns) WITH ORDINALITY AS u (c, n) JOIN pg_attribute ON attrelid = referencing AND attname = c ORDER BY n
            )
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', qualified_name(referencing), constraint_name);
        had_key := true;
    END LOOP;
    RETURN drop_reference_triggers(referencing, columns, target) > 0 OR had_key;
END
$$;
COMMENT ON FUNCTION diesel_timescale.remove_reference(REGCLASS, NAME[], REGCLASS) IS 'Takes back add_reference: drops the foreign keys of the columns to the target, the trigger and its function. The index and the values stay. False if there was nothing to drop. To be called before the table is dropped, which would leave the function.';

-- Removals that fire no trigger.
CREATE OR REPLACE FUNCTION diesel_timescale.clear_dangling_references(target REGCLASS) RETURNS BIGINT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
-- A row that a policy hides is not missing.
SET row_security TO off
-- A nested loop would probe every chunk for every registration.
SET enable_nestloop TO off
-- The setting above makes plans look costly enough to be compiled, which takes longer than they run.
SET jit TO off
AS $$
DECLARE
    t RECORD := reference_target(target);
    columns CONSTANT NAME[] := CASE WHEN t.time_column = ANY (t.key) THEN t.key ELSE t.key || t.time_column END;
    missing CONSTANT TEXT := format(
        'SELECT %s FROM %s AS r LEFT JOIN %s AS e ON %s WHERE e.%I IS NULL',
        each_column(t.key, 'r.%1$I'), qualified_name(t.registry), qualified_name(target),
        each_column(columns, 'e.%1$I = r.%1$I', ' AND '), t.time_column
    );
    delete_missing CONSTANT TEXT := format(
        'DELETE FROM %s AS d USING (%s) AS m WHERE %s',
        qualified_name(t.registry), missing, each_column(t.key, 'd.%1$I = m.%1$I', ' AND ')
    );
    released BIGINT;
BEGIN
    PERFORM refuse_old_snapshot(target, 'clear_dangling_references()');
    PERFORM refuse_row_security(target, t.registry, 'clear_dangling_references()');
    PERFORM set_config('search_path', operator_path(target), true);
    -- The first look locks every chunk: one that was converted to the columnstore meanwhile may have looked empty.
    EXECUTE format('SELECT count(*) FROM (%s) AS m', missing) INTO released;
    IF released > 0 THEN
        EXECUTE delete_missing;
        GET DIAGNOSTICS released = ROW_COUNT;
    END IF;
    RETURN released;
EXCEPTION WHEN foreign_key_violation OR restrict_violation THEN
    PERFORM diesel_timescale.refuse_still_referenced(target, 'clear_dangling_references()', SQLERRM);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION diesel_timescale.clear_dangling_references(REGCLASS) IS 'Clears the references to rows of a target that are gone, and returns how many rows that were. The remedy after a plain drop_chunks.';

-- Retention.
--
-- drop_chunks fires no trigger, so a plain drop_chunks, or the server's own retention policy, leaves references to rows
-- that are gone. Every query whose plan includes a chunk waits for a lock on that chunk, and for a request of one. So
-- an attempt waits for its locks only briefly: if it does not get them, it releases those it has, and another attempt
-- follows.
CREATE OR REPLACE FUNCTION diesel_timescale.restricted_rows(target REGCLASS) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (
    SELECT coalesce(string_agg(
        format(
            'EXISTS (SELECT FROM %s AS f WHERE %s)',
            diesel_timescale.qualified_name(conrelid::REGCLASS),
            (
                SELECT string_agg(format('f.%I = r.%I', a.attname, b.attname), ' AND ' ORDER BY n)
                FROM unnest(conkey, confkey) WITH ORDINALITY AS u (c, k, n)
                JOIN pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = c
                JOIN pg_attribute AS b ON b.attrelid = confrelid AND b.attnum = k
            )
        ), ' OR '
    ), 'false')
    FROM pg_constraint
    WHERE confrelid = (diesel_timescale.reference_target(target)).registry AND contype = 'f' AND conparentid = 0 AND confdeltype IN ('r', 'a')
);
COMMENT ON FUNCTION diesel_timescale.restricted_rows(REGCLASS) IS 'The condition on a row r of the registry under which a foreign key does not let it go.';

CREATE OR REPLACE FUNCTION diesel_timescale.within_bounds(alias NAME, time_column NAME, time_type REGTYPE) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN format(
    '($1 IS NULL AND $2 IS NULL OR %1$s.%2$I >= %3$s) AND ($3 IS NULL AND $4 IS NULL OR %1$s.%2$I < %4$s)',
    alias, time_column, diesel_timescale.moment_as(time_type, '$1', '$2'), diesel_timescale.moment_as(time_type, '$3', '$4')
);
COMMENT ON FUNCTION diesel_timescale.within_bounds(NAME, NAME, REGTYPE) IS 'The condition on rows that they are within the bounds of a chunk: its start in $1 or $2, and its end in $3 or $4.';

CREATE OR REPLACE FUNCTION diesel_timescale.drop_referenced_chunks(
    target REGCLASS, cutoff TIMESTAMPTZ, cutoff_integer BIGINT, patience INTERVAL, keep_referenced BOOLEAN,
    OUT chunks_dropped BIGINT, OUT rows_released BIGINT, OUT dropped_before TIMESTAMPTZ, OUT dropped_before_integer BIGINT
)
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    t RECORD := reference_target(target);
    time_type CONSTANT REGTYPE := time_type_of(target);
    columns CONSTANT NAME[] := CASE WHEN t.time_column = ANY (t.key) THEN t.key ELSE t.key || t.time_column END;
    within CONSTANT TEXT := within_bounds('r', t.time_column, time_type);
    -- The server takes an instant for a UUID.
    argument_type CONSTANT REGTYPE := replace(time_type::TEXT, 'uuid', 'timestamptz');
    is_kept BOOLEAN := false;
    range RECORD;
    chunk TEXT;
    end_of_patience TIMESTAMPTZ;
    released BIGINT;
    dropped BIGINT;
BEGIN
    PERFORM set_config('search_path', concat('pg_catalog, diesel_timescale, ', operator_path(target)), true);
    chunks_dropped := 0;
    rows_released := 0;
    PERFORM set_config('lock_timeout', format('%s ms', ceil(extract(epoch FROM patience) * 1000)), true);
    FOR range IN
        SELECT c.range_start, c.range_start_integer, c.range_end, c.range_end_integer, array_agg(c.chunk) AS chunks
        FROM chunk_ranges(target) AS c
        WHERE c.range_end <= cutoff OR c.range_end_integer <= cutoff_integer
        GROUP BY 1, 2, 3, 4
        ORDER BY 3, 4
    LOOP
        IF keep_referenced THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %s AS r WHERE %s AND (%s))', qualified_name(t.registry), within, restricted_rows(target))
                INTO is_kept USING range.range_start, range.range_start_integer, range.range_end, range.range_end_integer;
            CONTINUE WHEN is_kept;
        END IF;
        EXECUTE format('DELETE FROM %s AS r WHERE %s', qualified_name(t.registry), within)
            USING range.range_start, range.range_start_integer, range.range_end, range.range_end_integer;
        GET DIAGNOSTICS released = ROW_COUNT;
        rows_released := rows_released + released;
        end_of_patience := coalesce(end_of_patience, clock_timestamp() + patience);
        FOREACH chunk IN ARRAY range.chunks LOOP
            PERFORM set_config('lock_timeout', format('%s ms', greatest(1, ceil(extract(epoch FROM end_of_patience - clock_timestamp()) * 1000))), true);
            EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', chunk);
        END LOOP;
        EXECUTE format(
            'SELECT count(*) FROM %I.drop_chunks($5, newer_than => %s, older_than => %s)',
            timescaledb_schema(), moment_as(argument_type, '$1', '$2'), moment_as(argument_type, '$3', '$4')
        ) INTO dropped USING range.range_start, range.range_start_integer, range.range_end, range.range_end_integer, target;
        chunks_dropped := chunks_dropped + dropped;
        -- Registered before the chunks were locked. (What is in a chunk that has come since is there.)
        EXECUTE format(
            'DELETE FROM %s AS r WHERE %s AND NOT EXISTS (SELECT FROM %s AS e WHERE %s AND %s)',
            qualified_name(t.registry), within, qualified_name(target), each_column(columns, 'e.%1$I = r.%1$I', ' AND '),
            within_bounds('e', t.time_column, time_type)
        ) USING range.range_start, range.range_start_integer, range.range_end, range.range_end_integer;
        GET DIAGNOSTICS released = ROW_COUNT;
        rows_released := rows_released + released;
        dropped_before := range.range_end;
        dropped_before_integer := range.range_end_integer;
    END LOOP;
END
$$;
COMMENT ON FUNCTION diesel_timescale.drop_referenced_chunks(REGCLASS, TIMESTAMPTZ, BIGINT, INTERVAL, BOOLEAN) IS 'One attempt of drop_referenced_rows_before on a hypertable, which waits for locks on chunks no longer than patience.';

CREATE OR REPLACE FUNCTION diesel_timescale.drop_referenced_rows_before(
    target REGCLASS, cutoff TIMESTAMPTZ, cutoff_integer BIGINT DEFAULT NULL,
    lock_timeout INTERVAL DEFAULT INTERVAL '30 seconds', keep_referenced BOOLEAN DEFAULT false,
    OUT chunks_dropped BIGINT, OUT rows_deleted BIGINT, OUT rows_released BIGINT, OUT dropped_before TIMESTAMPTZ, OUT dropped_before_integer BIGINT
)
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
SET row_security TO off
AS $$
DECLARE
    t RECORD := reference_target(target);
    is_hypertable CONSTANT BOOLEAN := hypertable_of(target) IS NOT NULL;
    -- Of a plain table.
    moment CONSTANT TEXT := moment_as((SELECT atttypid FROM pg_attribute WHERE attrelid = target AND attname = t.time_column), '$1', '$2');
    own_timeout CONSTANT TEXT := current_setting('lock_timeout');
    give_up_at CONSTANT TIMESTAMPTZ := clock_timestamp() + lock_timeout;
    longest CONSTANT INTERVAL := INTERVAL '400 milliseconds';
    patience INTERVAL := INTERVAL '100 milliseconds';
    obstacle TEXT;
BEGIN
    IF cutoff IS NULL AND cutoff_integer IS NULL OR NOT isfinite(cutoff) THEN
        PERFORM refuse(
            'diesel_timescale:retention_interval', 'invalid_parameter_value',
            format('retention of %s cannot go by the cutoff %s', target, coalesce(cutoff::TEXT, 'null')),
            'Give a moment: rows before that go.',
            relation => target
        );
    END IF;
    PERFORM refuse_old_snapshot(target, 'retention');
    PERFORM refuse_row_security(target, t.registry, 'retention');
    PERFORM set_config('search_path', concat('pg_catalog, diesel_timescale, ', operator_path(target)), true);
    rows_deleted := 0;
    LOOP
        BEGIN
            IF is_hypertable THEN
                SELECT d.* INTO chunks_dropped, rows_released, dropped_before, dropped_before_integer
                FROM drop_referenced_chunks(target, cutoff, cutoff_integer, patience, keep_referenced) AS d;
            ELSE
                -- Locks rows only. The trigger of the target releases, too, what is registered meanwhile.
                PERFORM set_config('lock_timeout', format('%s ms', greatest(1, extract(epoch FROM lock_timeout) * 1000)::INT), true);
                chunks_dropped := 0;
                EXECUTE format(
                    'DELETE FROM %s AS r WHERE r.%I < %s AND NOT (%s)',
                    qualified_name(t.registry), t.time_column, moment, CASE WHEN keep_referenced THEN restricted_rows(target) ELSE 'false' END
                ) USING cutoff, cutoff_integer;
                GET DIAGNOSTICS rows_released = ROW_COUNT;
                EXECUTE format(
                    'DELETE FROM %s AS e WHERE e.%I < %s %s',
                    qualified_name(target), t.time_column, moment,
                    CASE WHEN keep_referenced THEN format('AND NOT EXISTS (SELECT FROM %s AS r WHERE %s)', qualified_name(t.registry), each_column(t.key, 'r.%1$I = e.%1$I', ' AND ')) ELSE '' END
                ) USING cutoff, cutoff_integer;
                GET DIAGNOSTICS rows_deleted = ROW_COUNT;
                dropped_before := cutoff;
                dropped_before_integer := cutoff_integer;
            END IF;
            PERFORM set_config('lock_timeout', own_timeout, true);
            RETURN;
        -- Other transactions hold locks on what it drops, or drop it themselves.
        EXCEPTION WHEN lock_not_available OR undefined_table THEN
            IF clock_timestamp() >= give_up_at THEN
                PERFORM refuse(
                    'diesel_timescale:lock_timeout', 'lock_not_available',
                    format('retention of %s could not lock within %s what it drops', target, lock_timeout),
                    'Long transactions that have read these rows hold locks (see pg_stat_activity). Run it again later, or allow more time.',
                    relation => target
                );
            END IF;
        WHEN foreign_key_violation OR restrict_violation THEN
            -- The next attempt keeps a row that was registered meanwhile.
            IF NOT keep_referenced OR clock_timestamp() >= give_up_at THEN
                GET STACKED DIAGNOSTICS obstacle = MESSAGE_TEXT;
                PERFORM refuse_still_referenced(target, 'retention', obstacle);
            END IF;
        END;
        -- Transactions that waited for the attempt run first.
        PERFORM pg_sleep_for(patience);
        patience := least(patience * 1.5, longest);
    END LOOP;
END
$$;
COMMENT ON FUNCTION diesel_timescale.drop_referenced_rows_before(REGCLASS, TIMESTAMPTZ, BIGINT, INTERVAL, BOOLEAN) IS 'Retention of a target of references: drops the chunks that end by the cutoff and clears every reference to their rows, in one transaction. On a plain table it deletes the rows before the cutoff. Rows that a RESTRICT key references: an error, or with keep_referenced their chunks stay. Tries again until lock_timeout has passed if others have these rows locked.';

-- The same as a job.
CREATE OR REPLACE FUNCTION diesel_timescale.retention_cutoff(target REGCLASS, drop_after TEXT, OUT cutoff TIMESTAMPTZ, OUT cutoff_integer BIGINT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF time_type_of(target) NOT IN ('smallint'::REGTYPE, 'integer'::REGTYPE, 'bigint'::REGTYPE) THEN
        cutoff := now() - drop_after::INTERVAL;
        RETURN;
    END IF;
    PERFORM require_integer_now(target);
    -- The views have no schema of it.
    EXECUTE format('SELECT %s()::BIGINT - $1', (
        SELECT format('%I.%I', d.integer_now_func_schema, d.integer_now_func)
        FROM _timescaledb_catalog.dimension AS d
        WHERE d.hypertable_id = diesel_timescale.hypertable_id(target) AND d.integer_now_func IS NOT NULL
    )) INTO cutoff_integer USING drop_after::BIGINT;
END
$$;
COMMENT ON FUNCTION diesel_timescale.retention_cutoff(REGCLASS, TEXT) IS 'The moment that is so long ago in the time column of a hypertable.';

CREATE OR REPLACE PROCEDURE diesel_timescale.reference_retention(job_id INT, config JSONB)
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    target CONSTANT REGCLASS := config ->> 'retention_of';
    c CONSTANT RECORD := retention_cutoff(target, config ->> 'drop_after');
BEGIN
    PERFORM drop_referenced_rows_before(
        target, c.cutoff, c.cutoff_integer, keep_referenced => coalesce((config ->> 'keep_referenced')::BOOLEAN, false)
    );
END
$$;
COMMENT ON PROCEDURE diesel_timescale.reference_retention(INT, JSONB) IS 'Job: drops the rows of the target retention_of that are older than drop_after, and clears the references to them.';

CREATE OR REPLACE FUNCTION diesel_timescale.reference_retention_job(target REGCLASS) RETURNS INT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT job_id
        FROM timescaledb_information.jobs
        WHERE proc_schema = 'diesel_timescale' AND proc_name = 'reference_retention' AND config ->> 'retention_of' = qualified_name(target)
            -- Any role can add a job of its own, which is refused what it does.
            AND EXISTS (
                SELECT FROM pg_roles
                WHERE owner::TEXT IN (rolname, quote_ident(rolname)) AND (rolsuper OR oid = (SELECT relowner FROM pg_class WHERE oid = target))
            )
        ORDER BY job_id
        LIMIT 1
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.reference_retention_job(REGCLASS) IS 'The job that retention of a target runs as, or null.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_reference_retention(
    target REGCLASS, drop_after INTERVAL DEFAULT NULL, integer_after BIGINT DEFAULT NULL,
    schedule_interval INTERVAL DEFAULT INTERVAL '1 day', keep_referenced BOOLEAN DEFAULT false
) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    age CONSTANT TEXT := coalesce(drop_after::TEXT, integer_after::TEXT);
    job INT;
BEGIN
    PERFORM refuse_retention_of_nothing(drop_after, integer_after);
    -- Says now what the job would fail by.
    PERFORM reference_target(target), retention_cutoff(target, age);
    PERFORM refuse_retention_within_refresh(target, age);
    PERFORM remove_reference_retention(target);
    EXECUTE format('SELECT %I.add_job($1, $2, config => $3)', timescaledb_schema())
        INTO job
        USING
            'diesel_timescale.reference_retention(int, jsonb)'::REGPROCEDURE::REGPROC, schedule_interval,
            jsonb_build_object('drop_after', age, 'keep_referenced', keep_referenced, 'retention_of', qualified_name(target));
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_reference_retention(REGCLASS, INTERVAL, BIGINT, INTERVAL, BOOLEAN) IS 'Drops rows of a target in the background once they are this old (a number where the time column counts units), clearing the references to them, and returns the job. Replaces an existing one.';

CREATE OR REPLACE FUNCTION diesel_timescale.remove_reference_retention(target REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT INT := reference_retention_job(target);
BEGIN
    IF present IS NOT NULL THEN
        EXECUTE format('SELECT %I.delete_job($1)', timescaledb_schema()) USING present;
    END IF;
    RETURN present IS NOT NULL;
END
$$;
COMMENT ON FUNCTION diesel_timescale.remove_reference_retention(REGCLASS) IS 'Removes the retention job of a target. False if there is none.';
