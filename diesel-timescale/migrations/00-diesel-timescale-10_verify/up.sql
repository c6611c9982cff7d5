-- Verification: finds what keeps references to the rows of targets from holding.
--
-- verify_references(target) calls one function for each kind of violation, and verify_database() does so for every target,
-- and looks for native foreign keys to hypertables. They write nothing, so they run on a read replica too. What they read
-- could run code of whoever owns it, with the rights of whoever verifies: a view, a policy, or an expression of an index
-- that is computed when a query is planned. So they read nothing but ordinary and partitioned tables of roles that could
-- do all that anyway (unreadable_because() below), with row_security off. What they could not read is reported as well.
--
-- Fixes are one statement each, because two of them might stop after the first; names in them are qualified. Objects that
-- are named in a report go without the schema `home`.

CREATE OR REPLACE FUNCTION diesel_timescale.name_from(relation REGCLASS, home NAME) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (
    SELECT CASE WHEN nspname = home THEN quote_ident(relname) ELSE format('%I.%I', nspname, relname) END
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = relation
);
COMMENT ON FUNCTION diesel_timescale.name_from(REGCLASS, NAME) IS 'The name of a relation, quoted; with its schema, unless that is home.';

CREATE OR REPLACE FUNCTION diesel_timescale.database_owner() RETURNS OID
-- The planner would run a stable one to estimate, wherever it stands; not everyone may read pg_database everywhere.
LANGUAGE sql VOLATILE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (SELECT datdba FROM pg_database WHERE datname = current_database());
COMMENT ON FUNCTION diesel_timescale.database_owner() IS 'The owner of this database.';

CREATE OR REPLACE FUNCTION diesel_timescale.unreadable_because(relation REGCLASS, trusted REGCLASS DEFAULT NULL, home NAME DEFAULT NULL) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    WITH RECURSIVE read (oid) AS (
        SELECT relation
        UNION
        -- Reading an ordinary table leaves out what inherits from it; a hypertable's chunks belong to its owner.
        SELECT i.inhrelid::REGCLASS
        FROM read
        JOIN pg_class AS c ON c.oid = read.oid AND c.relkind = 'p'
        JOIN pg_inherits AS i ON i.inhparent = read.oid
    ), trusted_roles (oid) AS (
        -- These could make the functions here do what they like.
        SELECT oid FROM pg_roles WHERE rolsuper OR rolname = current_user
        UNION
        SELECT owner
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (VALUES (c.relowner), (n.nspowner)) AS o (owner)
        WHERE c.oid = trusted
    )
    SELECT
        CASE
            WHEN pg_is_other_temp_schema(c.relnamespace) THEN
                format('%s is a temporary table of another session', name_from(c.oid, home))
            WHEN c.relkind NOT IN ('r', 'p') THEN
                format('%s is no ordinary or partitioned table', name_from(c.oid, home))
            ELSE
                format('%s belongs to %I, whose code a query could run', name_from(c.oid, home), untrusted.rolname)
        END
    FROM read
    JOIN pg_class AS c ON c.oid = read.oid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_roles AS untrusted ON untrusted.oid IN (c.relowner, n.nspowner)
        AND untrusted.oid NOT IN (SELECT oid FROM trusted_roles)
        -- With the owners in it, so that it is not asked for every role.
        AND CASE WHEN untrusted.rolname = 'pg_database_owner' AND untrusted.oid IN (c.relowner, n.nspowner) THEN database_owner() NOT IN (SELECT oid FROM trusted_roles) ELSE true END
    WHERE pg_is_other_temp_schema(c.relnamespace) OR c.relkind NOT IN ('r', 'p') OR untrusted.oid IS NOT NULL
    ORDER BY c.oid <> relation, untrusted.oid = c.relowner DESC
    LIMIT 1
$$;
COMMENT ON FUNCTION diesel_timescale.unreadable_because(REGCLASS, REGCLASS, NAME) IS 'Why verification must not read a relation; null if it may. It reads ordinary and partitioned tables of superusers, of the caller, and of the owners of the table that is trusted and its schema.';

CREATE OR REPLACE FUNCTION diesel_timescale.fix_for(relation REGCLASS, statement TEXT, trusted REGCLASS DEFAULT NULL) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN CASE
    WHEN diesel_timescale.unreadable_because(relation, trusted) IS NULL THEN statement
    ELSE format('As the owner of %s, and as nobody else: %s', diesel_timescale.qualified_name(relation), statement)
END;
COMMENT ON FUNCTION diesel_timescale.fix_for(REGCLASS, TEXT, REGCLASS) IS 'The statement, or for a table that verification must not read, who may run it: it could run the code of the owner of the table.';

CREATE OR REPLACE FUNCTION diesel_timescale.fix_unreadable(VARIADIC relations REGCLASS[]) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (
    SELECT CASE
        WHEN row_security_active(relation) THEN format('Verify as the owner of %s, or as a role with BYPASSRLS', diesel_timescale.qualified_name(relation))
        ELSE format('GRANT SELECT ON %s%s TO %I', CASE relkind WHEN 'S' THEN 'SEQUENCE ' END, diesel_timescale.qualified_name(relation), current_user)
    END
    FROM unnest(relations) WITH ORDINALITY AS r (relation, n)
    JOIN pg_class ON pg_class.oid = relation
    ORDER BY has_table_privilege(relation, 'SELECT') AND NOT row_security_active(relation), n
    LIMIT 1
);
COMMENT ON FUNCTION diesel_timescale.fix_unreadable(REGCLASS[]) IS 'The statement that lets the caller read the first of these relations that it cannot read.';

CREATE OR REPLACE FUNCTION diesel_timescale.is_chunk(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN false;
    END IF;
    -- What the columnstore keeps its rows in is in this schema, too.
    RETURN EXISTS (SELECT FROM pg_class WHERE oid = relation AND relnamespace = to_regnamespace('_timescaledb_internal'))
        OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = relation)
            AND EXISTS (SELECT FROM timescaledb_information.chunks WHERE format('%I.%I', chunk_schema, chunk_name) = qualified_name(relation));
END
$$;
COMMENT ON FUNCTION diesel_timescale.is_chunk(REGCLASS) IS 'Whether a table is a chunk of a hypertable, or holds its columnstore.';

-- What a table is a target by, also while it has lost its triggers.
CREATE OR REPLACE FUNCTION diesel_timescale.declared_target(
    target REGCLASS, OUT mark TEXT, OUT registry REGCLASS, OUT key NAME[], OUT time_column NAME, OUT register TEXT
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    place RECORD;
    literal TEXT[];
BEGIN
    SELECT nspname, relname, prosrc INTO place
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_proc ON pronamespace = relnamespace AND proname = short_name('release_' || relname) AND pronargs = 0 AND proowner = relowner
    WHERE pg_class.oid = target AND relkind = 'r';
    literal := regexp_match(place.prosrc, 'dt_target CONSTANT TEXT := (E)?''((?:[^'']|'''')*)''');
    IF literal IS NULL THEN
        RETURN;
    END IF;
    mark := replace(CASE WHEN literal[1] IS NULL THEN literal[2] ELSE replace(literal[2], '\\', '\') END, '''''', '''');
    registry := to_regclass(format('%I.%I', place.nspname, (parse_ident(mark))[1]));
    time_column := (parse_ident(mark))[2];
    key := primary_key_columns(registry);
    register := format('%I.%I', place.nspname, short_name('register_' || place.relname));
END
$$;
COMMENT ON FUNCTION diesel_timescale.declared_target(REGCLASS) IS 'What create_reference_target() has made of a table: the argument of its trigger, its registry, the key that references go by, its time column, and the function that registers. Nulls if it is no target.';

CREATE OR REPLACE FUNCTION diesel_timescale.reference_targets() RETURNS SETOF REGCLASS
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    SELECT pg_class.oid::REGCLASS
    FROM pg_proc
    JOIN pg_class ON relnamespace = pronamespace AND relowner = proowner AND relkind = 'r'
    WHERE prorettype = 'trigger'::REGTYPE AND prosecdef AND pronargs = 0 AND proname LIKE 'release\_%'
        AND strpos(prosrc, 'dt_target CONSTANT TEXT := ') > 0 AND proname = short_name('release_' || relname)
    ORDER BY 1
$$;
COMMENT ON FUNCTION diesel_timescale.reference_targets() IS 'The targets of references in this database.';

CREATE OR REPLACE FUNCTION diesel_timescale.renamed_targets() RETURNS TABLE (target REGCLASS, earlier_schema NAME, earlier_name NAME)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    -- What its function calls it, as create_release_triggers() writes it: a literal of a qualified name. Whatever else it has
    -- matches nothing: the function may be of any role.
    SELECT c.oid::REGCLASS, earlier.schema::NAME, earlier.name::NAME
    FROM pg_proc
    JOIN pg_trigger ON tgfoid = pg_proc.oid AND NOT tgisinternal
    JOIN pg_class AS c ON c.oid = tgrelid AND c.relkind = 'r' AND relowner = proowner
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT regexp_match(prosrc, 'is_in_columnstore\(TG_RELID, (E?)''((?:[^'']|'''')*)''::REGCLASS\)') AS parts) AS literal
    CROSS JOIN LATERAL (
        SELECT replace(CASE literal.parts[1] WHEN 'E' THEN replace(literal.parts[2], '\\', '\') ELSE literal.parts[2] END, '''''', '''') AS text
    ) AS name
    CROSS JOIN LATERAL (SELECT regexp_match(name.text, '^(?:"((?:[^"]|"")+)"|([a-z0-9_]+))\.(?:"((?:[^"]|"")+)"|([a-z0-9_]+))$') AS parts) AS qualified
    CROSS JOIN LATERAL (
        SELECT coalesce(replace(qualified.parts[1], '""', '"'), qualified.parts[2]) AS schema, coalesce(replace(qualified.parts[3], '""', '"'), qualified.parts[4]) AS name
    ) AS earlier
    WHERE prosecdef AND proname LIKE 'release\_%' AND strpos(prosrc, 'dt_target CONSTANT TEXT := ') > 0
        -- A chunk has the trigger of its table.
        AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
        AND (earlier.schema <> n.nspname OR earlier.name <> c.relname)
    ORDER BY 1
$$;
COMMENT ON FUNCTION diesel_timescale.renamed_targets() IS 'The targets of references that have another name, or are in another schema, than when they were made one.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_target_names(target REGCLASS, home NAME) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    SELECT
        'wrong_trigger', name_from(target, home),
        format('It was made a target of references under the earlier name %I.%I, so its rows can neither be referenced nor deleted.', earlier_schema, earlier_name),
        fix_for(target, CASE
            WHEN c.relname <> earlier_name THEN format('ALTER TABLE %s RENAME TO %I', qualified_name(target), earlier_name)
            WHEN to_regnamespace(quote_ident(earlier_schema)) IS NULL THEN format('ALTER SCHEMA %I RENAME TO %I', n.nspname, earlier_schema)
            ELSE format('ALTER TABLE %s SET SCHEMA %I', qualified_name(target), earlier_schema)
        END)
    FROM renamed_targets() AS renamed
    JOIN pg_class AS c ON c.oid = renamed.target
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE renamed.target = verify_target_names.target
    UNION ALL
    SELECT
        'wrong_trigger', format('%s.%I', name_from(target, home), now.attname),
        format('It was the column %I of the key when its table was made a target of references, so rows can neither be referenced nor deleted.', earlier.attname),
        fix_for(target, format('ALTER TABLE %s RENAME COLUMN %I TO %I', qualified_name(target), now.attname, earlier.attname))
    FROM declared_target(target) AS declared
    CROSS JOIN LATERAL (
        SELECT attname, row_number() OVER (ORDER BY attnum) AS n FROM pg_attribute WHERE attrelid = declared.registry AND attnum > 0 AND NOT attisdropped
    ) AS earlier
    -- The trigger that keeps the key fixed knows the columns by their numbers, in the order of the registry.
    JOIN pg_trigger ON tgrelid = target AND NOT tgisinternal AND tgfoid = 'diesel_timescale.refuse_key_change'::REGPROC
    JOIN pg_attribute AS now ON now.attrelid = target AND now.attnum = tgattr[earlier.n - 1]
    WHERE now.attname <> earlier.attname AND NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = target AND pg_attribute.attname = earlier.attname AND attnum > 0 AND NOT attisdropped
    )
$$;
COMMENT ON FUNCTION diesel_timescale.verify_target_names(REGCLASS, NAME) IS 'Part of verify_references(): whether a target and the columns of its key have the names that its functions know.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_target_triggers(target REGCLASS, home NAME) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    WITH place AS (
        SELECT c.oid AS relation, c.relname, n.nspname, d.mark, d.registry, d.time_column
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN declared_target(c.oid) AS d
        WHERE c.oid = target
    ), wanted AS (
        SELECT place.*, short_name(relname, suffix) AS trigger_name, to_regprocedure(function_name || '()') AS function, arguments, purpose, is_for_rows
        FROM place
        CROSS JOIN LATERAL (VALUES
            ('_key_is_fixed', 'diesel_timescale.refuse_key_change', NULL, 'Keeps the key of a row fixed', true),
            ('_release_references', format('%I.%I', nspname, short_name('release_' || relname)), mark, 'Clears the references to deleted rows', true),
            ('_release_all_references', format('%I.%I', nspname, short_name('release_all_' || relname)), NULL, 'Clears every reference on TRUNCATE', false)
        ) AS v (suffix, function_name, arguments, purpose, is_for_rows)
    )
    SELECT
        CASE WHEN present.tgname IS NULL THEN 'missing_trigger' WHEN fault.text IS NOT NULL THEN 'wrong_trigger' ELSE 'disabled_trigger' END,
        w.trigger_name::TEXT,
        concat(
            w.purpose, ': the trigger is ',
            CASE WHEN present.tgname IS NULL THEN 'missing' WHEN fault.text IS NOT NULL THEN 'another: it ' || fault.text ELSE 'missing or disabled' END,
            format(' on %s chunk(s)', nullif(broken.chunks, 0)), '.'
        ),
        -- A hypertable refuses to enable a trigger.
        format('SELECT diesel_timescale.restore_target_triggers(%L, %L, %L)', qualified_name(target), w.time_column, qualified_name(w.registry))
    FROM wanted AS w
    LEFT JOIN pg_trigger AS present ON present.tgrelid = target AND present.tgname = w.trigger_name
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN present.tgfoid <> w.function OR w.function IS NULL THEN format('executes %s', present.tgfoid::REGPROCEDURE)
            WHEN w.arguments IS DISTINCT FROM CASE WHEN present.tgnargs = 1 THEN trigger_argument(present.tgargs) END AND w.arguments IS NOT NULL THEN 'has other arguments'
        END
    ) AS fault (text)
    -- A trigger for each row is on each chunk as well.
    CROSS JOIN LATERAL (
        SELECT count(*) AS chunks
        FROM pg_inherits
        JOIN pg_class AS chunk ON chunk.oid = inhrelid AND chunk.relkind = 'r'
        LEFT JOIN pg_trigger AS on_chunk ON on_chunk.tgrelid = inhrelid AND on_chunk.tgname = w.trigger_name AND on_chunk.tgfoid = w.function
        WHERE inhparent = target AND w.is_for_rows AND (on_chunk.tgname IS NULL OR on_chunk.tgenabled NOT IN ('O', 'A'))
    ) AS broken
    WHERE present.tgname IS NULL OR fault.text IS NOT NULL OR present.tgenabled NOT IN ('O', 'A') OR broken.chunks > 0
$$;
COMMENT ON FUNCTION diesel_timescale.verify_target_triggers(REGCLASS, NAME) IS 'Part of verify_references(): the triggers of a target and its chunks.';

CREATE OR REPLACE FUNCTION diesel_timescale.key_attributes(constraint_oid OID, key NAME[]) RETURNS INT2[]
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (
    SELECT array_agg(conkey[array_position(confkey, attnum)] ORDER BY n)
    FROM pg_constraint
    CROSS JOIN unnest(key_attributes.key) WITH ORDINALITY AS u (c, n)
    JOIN pg_attribute ON attrelid = confrelid AND attname = c
    WHERE pg_constraint.oid = constraint_oid
);
COMMENT ON FUNCTION diesel_timescale.key_attributes(OID, NAME[]) IS 'The columns of a foreign key, in the order of the key that they reference.';

CREATE OR REPLACE FUNCTION diesel_timescale.same_columns(one NAME, columns NAME[], other NAME, other_columns NAME[]) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (SELECT string_agg(format('%I.%I = %I.%I', one, a, other, b), ' AND ' ORDER BY n) FROM unnest(columns, other_columns) WITH ORDINALITY AS u (a, b, n));
COMMENT ON FUNCTION diesel_timescale.same_columns(NAME, NAME[], NAME, NAME[]) IS 'The condition that columns of two relations are equal.';

-- Every list of columns that references a target: it has the trigger, the foreign key, or should have both.
CREATE OR REPLACE FUNCTION diesel_timescale.references_to(target REGCLASS, home NAME) RETURNS TABLE (
    relation REGCLASS, columns NAME[], object TEXT, nullable BOOLEAN, has_foreign_key BOOLEAN, trigger_name NAME, trigger_fault TEXT
)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    -- Partitions and chunks have theirs from their table.
    WITH declared AS (
        SELECT d.*, to_regprocedure(format('%s(%s)', d.register, array_to_string(column_types(target, d.key), ', '))) AS register_function
        FROM declared_target(target) AS d
    ), triggers AS (
        SELECT tgrelid AS relation, ARRAY(SELECT unnest(tgattr::INT2[])) AS attributes, tgname, tgenabled, tgfoid, prosrc
        FROM declared
        CROSS JOIN pg_trigger
        JOIN pg_proc ON pg_proc.oid = tgfoid
        JOIN pg_class ON pg_class.oid = tgrelid AND relkind IN ('r', 'p')
        -- As add_reference() makes them.
        WHERE NOT tgisinternal AND proname LIKE 'reference\_%' AND prosecdef AND strpos(prosrc, format('PERFORM %s(NEW.', register)) > 0
            -- It can register a row: any role can make a function that looks like one that does.
            AND has_function_privilege(proowner, register_function, 'EXECUTE')
            AND tgparentid = 0 AND NOT is_chunk(tgrelid)
    ), foreign_keys AS (
        SELECT DISTINCT conrelid AS relation, key_attributes(k.oid, declared.key) AS attributes
        FROM declared
        JOIN pg_constraint AS k ON k.confrelid = declared.registry
        WHERE contype = 'f' AND conparentid = 0 AND NOT is_chunk(conrelid)
    ), referencing AS (
        SELECT t.relation, t.attributes FROM triggers AS t
        UNION
        SELECT k.relation, k.attributes FROM foreign_keys AS k
    )
    SELECT
        c.relation::REGCLASS, names.columns,
        format(CASE cardinality(names.columns) WHEN 1 THEN '%s.%s' ELSE '%s (%s)' END, name_from(c.relation, home), each_column(names.columns, '%1$I')),
        names.nullable,
        k.relation IS NOT NULL,
        coalesce(t.tgname, under_our_name.tgname),
        CASE
            WHEN t.tgname IS NULL AND under_our_name.tgname IS NULL THEN 'is missing'
            WHEN t.tgname IS NULL THEN format('executes %s', under_our_name.tgfoid::REGPROCEDURE)
            WHEN strpos(t.prosrc, format('%s(%s)', declared.register, each_column(names.columns, 'NEW.%1$I'))) = 0 THEN 'was made for an earlier name of the column'
            WHEN t.tgenabled NOT IN ('O', 'A') THEN 'is disabled'
            WHEN broken_parts(c.relation, t.tgname, t.tgfoid) > 0 THEN format('is disabled on %s of its partitions or chunks', broken_parts(c.relation, t.tgname, t.tgfoid))
        END
    FROM declared
    CROSS JOIN referencing AS c
    CROSS JOIN LATERAL (
        SELECT array_agg(attname ORDER BY n) AS columns, bool_and(NOT attnotnull) AS nullable
        FROM unnest(c.attributes) WITH ORDINALITY AS u (attribute, n)
        JOIN pg_attribute ON attrelid = c.relation AND attnum = attribute
    ) AS names
    LEFT JOIN triggers AS t ON t.relation = c.relation AND t.attributes = c.attributes
    LEFT JOIN foreign_keys AS k ON k.relation = c.relation AND k.attributes = c.attributes
    LEFT JOIN pg_trigger AS under_our_name ON under_our_name.tgrelid = c.relation
        AND under_our_name.tgname = short_name('reference_' || array_to_string(names.columns, '_'))
    ORDER BY 3
$$;
COMMENT ON FUNCTION diesel_timescale.references_to(REGCLASS, NAME) IS 'One row for each list of columns that references a target, with whether it has a foreign key, the trigger that registers rows, and what is wrong with that.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_reference_statement(relation REGCLASS, columns NAME[], target REGCLASS, nullable BOOLEAN) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN format(
    -- What cannot be set null holds its rows.
    'diesel_timescale.add_reference(%L, %L::NAME[], %L%s)',
    diesel_timescale.qualified_name(relation), columns, diesel_timescale.qualified_name(target), CASE WHEN NOT nullable THEN ', ''RESTRICT''' END
);
COMMENT ON FUNCTION diesel_timescale.add_reference_statement(REGCLASS, NAME[], REGCLASS, BOOLEAN) IS 'What makes columns that have no foreign key reference a target, for SELECT or PERFORM.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_reference_triggers(target REGCLASS, home NAME, trusted REGCLASS) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT
        'missing_foreign_key', r.object,
        format('%s references %s, and has no foreign key.', r.object, name_from(target, home)),
        fix_for(r.relation, concat('SELECT ', add_reference_statement(r.relation, r.columns, target, r.nullable)), trusted)
    FROM references_to(target, home) AS r
    WHERE NOT r.has_foreign_key;

    RETURN QUERY
    SELECT
        CASE WHEN r.trigger_fault = 'is missing' THEN 'missing_trigger' WHEN r.trigger_fault LIKE 'is disabled%' THEN 'disabled_trigger' ELSE 'wrong_trigger' END,
        coalesce(r.trigger_name::TEXT, r.object),
        format('The trigger that registers what %s references %s, so new references are refused.', r.object, r.trigger_fault),
        fix_for(
            r.relation,
            CASE
                -- One of ours is replaced.
                WHEN r.trigger_fault LIKE 'executes %' THEN format('DO %L', format(
                    'BEGIN DROP TRIGGER %I ON %s; PERFORM %s; END',
                    r.trigger_name, qualified_name(r.relation), add_reference_statement(r.relation, r.columns, target, true)
                ))
                ELSE concat('SELECT ', add_reference_statement(r.relation, r.columns, target, true))
            END,
            trusted
        )
    FROM references_to(target, home) AS r
    -- The fix for a foreign key that is missing gives the trigger as well.
    WHERE r.trigger_fault IS NOT NULL AND (r.has_foreign_key OR r.trigger_name IS NOT NULL);
END
$$;
COMMENT ON FUNCTION diesel_timescale.verify_reference_triggers(REGCLASS, NAME, REGCLASS) IS 'Part of verify_references(): whether each reference has its trigger and a foreign key.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_foreign_keys(target REGCLASS, home NAME, trusted REGCLASS) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    WITH foreign_keys AS (
        SELECT
            k.oid, k.conname, k.conrelid::REGCLASS AS relation, k.convalidated, k.confdeltype, k.confrelid,
            alter_table.text AS alter_table, names.columns, names.not_null,
            format(CASE cardinality(names.columns) WHEN 1 THEN '%s.%s' ELSE '%s (%s)' END, name_from(k.conrelid, home), each_column(names.columns, '%1$I')) AS object
        FROM declared_target(target) AS d
        JOIN pg_constraint AS k ON k.confrelid = d.registry AND k.contype = 'f' AND k.conparentid = 0
        CROSS JOIN LATERAL (SELECT format('ALTER TABLE %s', qualified_name(k.conrelid))) AS alter_table (text)
        CROSS JOIN LATERAL (
            SELECT array_agg(attname ORDER BY n) AS columns, string_agg(quote_ident(attname), ', ' ORDER BY n) FILTER (WHERE attnotnull) AS not_null
            FROM unnest(key_attributes(k.oid, d.key)) WITH ORDINALITY AS u (attribute, n)
            JOIN pg_attribute ON attrelid = k.conrelid AND attnum = attribute
        ) AS names
        WHERE NOT is_chunk(k.conrelid)
    )
    SELECT
        'wrong_foreign_key', k.conname::TEXT,
        format('The foreign key on %s is not validated.', k.object),
        fix_for(k.relation, format('DO %L', format(
            'BEGIN PERFORM diesel_timescale.register_present_references(%L, %L::NAME[], %L); %s VALIDATE CONSTRAINT %I; END',
            qualified_name(k.relation), k.columns, qualified_name(target), k.alter_table, k.conname
        )), trusted)
    FROM foreign_keys AS k
    WHERE NOT k.convalidated
    UNION ALL
    SELECT
        'wrong_foreign_key', k.conname::TEXT,
        format('%s is NOT NULL, so its foreign key cannot clear it, and no row that it references can be removed.', k.object),
        -- The same, and it says so.
        fix_for(k.relation, format(
            '%1$s DROP CONSTRAINT %2$I, ADD CONSTRAINT %2$I %3$s',
            k.alter_table, k.conname, replace(pg_get_constraintdef(k.oid), ' ON DELETE SET NULL', '')
        ), trusted)
    FROM foreign_keys AS k
    WHERE k.not_null IS NOT NULL AND k.confdeltype = 'n'
    UNION ALL
    -- It is triggers of its own that a foreign key does its work by. Those of a partition belong to its own constraint.
    SELECT
        'disabled_trigger', k.conname::TEXT,
        format('The foreign key on %s has %s disabled trigger(s), so it does not hold.', k.object, count(*)),
        fix_for(k.relation, format('%1$s DROP CONSTRAINT %2$I, ADD CONSTRAINT %2$I %3$s', k.alter_table, k.conname, pg_get_constraintdef(k.oid)), trusted)
    FROM foreign_keys AS k
    JOIN pg_constraint AS part ON part.oid = k.oid OR part.conparentid = k.oid
        OR (part.contype = 'f' AND part.confrelid = k.confrelid AND part.conrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = k.relation))
    JOIN pg_trigger AS t ON t.tgconstraint = part.oid AND t.tgenabled NOT IN ('O', 'A')
    GROUP BY k.oid, k.conname, k.relation, k.object, k.alter_table
$$;
COMMENT ON FUNCTION diesel_timescale.verify_foreign_keys(REGCLASS, NAME, REGCLASS) IS 'Part of verify_references(): whether the foreign keys to a target are validated and enforced. What a removed row does to another is for whoever made the foreign key to say.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_native_foreign_keys(relation REGCLASS, home NAME, trusted REGCLASS) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT RECORD := declared_target(relation);
    -- What references can go by: those of a table that is no target yet, by its primary key with the time in it.
    time_column CONSTANT NAME := coalesce(present.time_column, (hypertable_report(relation)).time_column);
    wanted_key CONSTANT NAME[] := coalesce(present.key, (SELECT k FROM (SELECT primary_key_columns(relation)) AS p (k) WHERE time_column = ANY (k)));
BEGIN
    RETURN QUERY
    SELECT
        'native_foreign_key', k.conname::TEXT,
        format('%s references the rows of %s itself; that and retention exclude each other.', name_from(k.conrelid, home), name_from(relation, home)),
        fix_for(k.conrelid, CASE
            -- Together, so that the columns are never without.
            WHEN names.columns IS NOT NULL THEN format('DO %L', format(
                'BEGIN %sPERFORM %s; %s; END',
                CASE WHEN present.mark IS NULL THEN format('PERFORM diesel_timescale.create_reference_target(%L, %L); ', qualified_name(relation), time_column) END,
                add_reference_statement(k.conrelid, names.columns, relation, names.nullable), drop_it.text
            ))
            ELSE concat(drop_it.text, ' -- and let references go by the primary key, with the time in it: diesel_timescale.add_reference()')
        END, trusted)
    FROM pg_constraint AS k
    CROSS JOIN LATERAL (SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', qualified_name(k.conrelid), k.conname)) AS drop_it (text)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN count(attname) = cardinality(wanted_key) THEN array_agg(attname ORDER BY n) END AS columns, bool_and(NOT attnotnull) AS nullable
        FROM unnest(key_attributes(k.oid, wanted_key)) WITH ORDINALITY AS u (attribute, n)
        JOIN pg_attribute ON attrelid = k.conrelid AND attnum = attribute
    ) AS names
    WHERE k.contype = 'f' AND k.confrelid = relation AND k.conparentid = 0 AND NOT is_chunk(k.conrelid);
END
$$;
COMMENT ON FUNCTION diesel_timescale.verify_native_foreign_keys(REGCLASS, NAME, REGCLASS) IS 'Part of verify_references() and verify_database(): foreign keys to a hypertable or a target itself.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_referencing_rows(target REGCLASS, home NAME, trusted REGCLASS) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
SET row_security TO off
SET enable_nestloop TO off
SET jit TO off
AS $$
DECLARE
    d CONSTANT RECORD := declared_target(target);
    reference RECORD;
    obstacle TEXT;
    unregistered BIGINT;
    valid BIGINT;
    source TEXT;
    lost TEXT;
    there TEXT;
BEGIN
    PERFORM set_config('search_path', operator_path(target), true);
    FOR reference IN SELECT * FROM diesel_timescale.references_to(target, home) LOOP
        obstacle := coalesce(diesel_timescale.unreadable_because(reference.relation, trusted, home), diesel_timescale.unreadable_because(target, trusted, home));
        IF obstacle IS NOT NULL THEN
            RETURN QUERY SELECT
                'unchecked', reference.object, format('The rows were not read: %s.', obstacle),
                format('Let its owner verify (SELECT * FROM diesel_timescale.verify_references(%L)), or drop the reference.', diesel_timescale.qualified_name(target));
            CONTINUE;
        END IF;
        -- A foreign key that holds does not cover what inherits from an ordinary table.
        source := concat(
            CASE WHEN (SELECT relkind = 'p' FROM pg_class WHERE oid = reference.relation) OR (diesel_timescale.hypertable_report(reference.relation)).time_column IS NOT NULL THEN '' ELSE 'ONLY ' END,
            diesel_timescale.qualified_name(reference.relation), ' AS t'
        );
        lost := format(
            '%s AND NOT EXISTS (SELECT FROM %s AS r WHERE %s)',
            diesel_timescale.each_column(reference.columns, 't.%1$I IS NOT NULL', ' AND '), diesel_timescale.qualified_name(d.registry),
            diesel_timescale.same_columns('r', d.key, 't', reference.columns)
        );
        there := format('EXISTS (SELECT FROM %s AS e WHERE %s)', diesel_timescale.qualified_name(target), diesel_timescale.same_columns('e', d.key, 't', reference.columns));
        BEGIN
            EXECUTE format('SELECT count(*) FROM %s WHERE %s', source, lost) INTO unregistered;
            CONTINUE WHEN unregistered = 0;
            EXECUTE format('SELECT count(*) FROM %s WHERE %s AND %s', source, lost, there) INTO valid;
        EXCEPTION
            WHEN undefined_table OR undefined_column OR invalid_schema_name THEN
                CONTINUE; -- gone meanwhile
            WHEN insufficient_privilege THEN
                RETURN QUERY SELECT 'unchecked', reference.object, format('The rows were not read: %s.', SQLERRM), diesel_timescale.fix_unreadable(reference.relation, d.registry, target);
                CONTINUE;
        END;
        RETURN QUERY SELECT
            'unregistered_reference', reference.object,
            format('%s rows reference rows of %s that are there and not registered.', valid, diesel_timescale.name_from(target, home)),
            format(
                'SELECT diesel_timescale.register_present_references(%L, %L::NAME[], %L)',
                diesel_timescale.qualified_name(reference.relation), reference.columns, diesel_timescale.qualified_name(target)
            )
        WHERE valid > 0;
        RETURN QUERY SELECT
            'dangling_reference', reference.object,
            format('%s rows reference rows of %s that are not there.', unregistered - valid, diesel_timescale.name_from(target, home)),
            CASE
                WHEN reference.nullable THEN format('UPDATE %s SET %s WHERE %s AND NOT %s', source, diesel_timescale.each_column(reference.columns, '%1$I = NULL'), lost, there)
                ELSE format('Delete these rows, or let them reference others: SELECT * FROM %s WHERE %s AND NOT %s', source, lost, there)
            END
        WHERE unregistered > valid;
    END LOOP;
END
$$;
COMMENT ON FUNCTION diesel_timescale.verify_referencing_rows(REGCLASS, NAME, REGCLASS) IS 'Part of verify_references(): rows that reference rows which are not registered, or not there.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_registrations(target REGCLASS, home NAME, trusted REGCLASS) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
SET row_security TO off
-- A nested loop would probe every chunk for every registration.
SET enable_nestloop TO off
-- The setting above makes plans look costly enough to be compiled, which takes longer than they run.
SET jit TO off
AS $$
DECLARE
    d CONSTANT RECORD := declared_target(target);
    columns CONSTANT NAME[] := CASE WHEN d.time_column = ANY (d.key) THEN d.key ELSE d.key || d.time_column END;
    obstacle CONSTANT TEXT := coalesce(unreadable_because(target, trusted, home), unreadable_because(d.registry, trusted, home));
    missing BIGINT;
BEGIN
    IF obstacle IS NOT NULL THEN
        RETURN QUERY SELECT
            'unchecked', name_from(d.registry, home), format('Whether the registered rows are there was not read: %s.', obstacle),
            format('Let its owner verify: SELECT * FROM diesel_timescale.verify_references(%L)', qualified_name(target));
        RETURN;
    END IF;
    PERFORM set_config('search_path', operator_path(target), true);
    EXECUTE format(
        'SELECT count(*) FROM %s AS r LEFT JOIN %s AS e ON %s WHERE e.%I IS NULL',
        diesel_timescale.qualified_name(d.registry), diesel_timescale.qualified_name(target),
        diesel_timescale.same_columns('e', columns, 'r', columns), d.time_column
    ) INTO missing;
    IF missing > 0 THEN
        RETURN QUERY SELECT
            'dangling_reference', diesel_timescale.name_from(d.registry, home),
            format('%s rows of %s are referenced, and gone: something dropped their chunks without clearing the references.', missing, diesel_timescale.name_from(target, home)),
            format('SELECT diesel_timescale.clear_dangling_references(%L)', diesel_timescale.qualified_name(target));
    END IF;
EXCEPTION
    WHEN undefined_table THEN
        RETURN; -- gone meanwhile
    WHEN insufficient_privilege THEN
        RETURN QUERY SELECT
            'unchecked', diesel_timescale.name_from(d.registry, home), format('Whether the registered rows are there was not read: %s.', SQLERRM),
            diesel_timescale.fix_unreadable(d.registry, target);
END
$$;
COMMENT ON FUNCTION diesel_timescale.verify_registrations(REGCLASS, NAME, REGCLASS) IS 'Part of verify_references(): registered rows that are gone.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_rights(target REGCLASS, home NAME) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    WITH functions (oid) AS (
        SELECT to_regprocedure(fill_template(signature, template_names(target, d.registry, d.key, d.time_column)))
        FROM declared_target(target) AS d
        CROSS JOIN unnest(target_functions()) AS signature
        WHERE d.registry IS NOT NULL
        UNION
        SELECT tgfoid
        FROM references_to(target, home) AS r
        JOIN pg_trigger ON tgrelid = r.relation AND tgname = r.trigger_name
        WHERE r.trigger_fault IS NULL
    )
    SELECT
        'public_function', signature.text,
        'Everybody may execute the function, which is for its owner and for those to whom that grants it: it tells which rows there are, and registers them.',
        format('REVOKE EXECUTE ON FUNCTION %I.%s FROM PUBLIC', n.nspname, signature.text)
    FROM functions
    JOIN pg_proc AS p ON p.oid = functions.oid
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    CROSS JOIN LATERAL (SELECT format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid))) AS signature (text)
    WHERE EXISTS (
        SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'
    )
    ORDER BY 2
$$;
COMMENT ON FUNCTION diesel_timescale.verify_rights(REGCLASS, NAME) IS 'Part of verify_references(): functions with the rights of their owner that everybody may execute.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_retention(target REGCLASS) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        'foreign_retention_policy', format('job %s', j.job_id),
        'The retention policy of the server drops chunks without clearing the references to their rows.',
        format('SELECT %I.delete_job(%s) -- and call diesel_timescale.drop_referenced_rows_before() instead, or add its job', timescaledb_schema(), j.job_id)
    FROM timescaledb_information.jobs AS j
    WHERE j.proc_name = 'policy_retention' AND format('%I.%I', j.hypertable_schema, j.hypertable_name) = qualified_name(target);
END
$$;
COMMENT ON FUNCTION diesel_timescale.verify_retention(REGCLASS) IS 'Part of verify_references(): retention policies of the server.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_refresh_windows(relation REGCLASS, home NAME) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    kept CONSTANT TEXT := kept_for(relation);
BEGIN
    IF kept IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        'retention_within_refresh', name_from(p.view_name, home),
        format(
            'Its refresh policy (job %s) reads %s back to %s, where rows go after %s: a refresh erases the aggregates of the rows that are gone.',
            p.job_id, name_from(relation, home), coalesce(in_days(p.start_offset) || ' ago', 'the beginning'), in_days(kept)
        ),
        CASE
            WHEN fix.start_offset IS NULL THEN format('Keep rows of %s for longer: too few for two buckets are left.', name_from(relation, home))
            ELSE format(
                'SELECT %I.alter_job(%s, config => %L)', timescaledb_schema(), p.job_id, j.config || jsonb_build_object('start_offset', fix.start_offset)
            )
        END
    FROM refresh_windows(relation) AS p
    JOIN timescaledb_information.jobs AS j USING (job_id)
    CROSS JOIN LATERAL (SELECT longest_start_offset(kept, p.end_offset, p.bucket, p.schedule_interval)) AS fix (start_offset)
    WHERE p.scheduled AND reaches_beyond(p.start_offset, kept);
END
$$;
COMMENT ON FUNCTION diesel_timescale.verify_refresh_windows(REGCLASS, NAME) IS 'Part of verify_references() and verify_database(): refresh policies that read rows which retention drops.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_references(target REGCLASS, home NAME DEFAULT NULL, trusted REGCLASS DEFAULT NULL) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
-- What is compared as text is written so.
SET standard_conforming_strings TO on
SET quote_all_identifiers TO off
AS $$
DECLARE
    present CONSTANT RECORD := declared_target(target);
BEGIN
    RETURN QUERY SELECT * FROM verify_target_names(target, home);
    IF FOUND THEN
        -- Nothing else could be found under these names.
        RETURN;
    ELSIF present.mark IS NULL THEN
        -- Says what to do.
        PERFORM reference_target(target);
    ELSIF present.registry IS NULL OR present.key = '{}' THEN
        RETURN QUERY SELECT
            'missing_registry', name_from(target, home),
            format('The registry that %s names is gone, or has lost its primary key, so rows can neither be referenced nor deleted.', present.mark),
            format('Restore it, or drop the triggers ..._release_references, ..._release_all_references and ..._key_is_fixed of %s and make it a target again.', qualified_name(target));
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM verify_retention(target);
    RETURN QUERY SELECT * FROM verify_refresh_windows(target, home);
    RETURN QUERY SELECT * FROM verify_target_triggers(target, home);
    -- In the order to fix them in: no foreign key can be added over a reference that dangles.
    RETURN QUERY SELECT * FROM verify_referencing_rows(target, home, trusted);
    RETURN QUERY SELECT * FROM verify_foreign_keys(target, home, trusted);
    RETURN QUERY SELECT * FROM verify_reference_triggers(target, home, trusted);
    RETURN QUERY SELECT * FROM verify_native_foreign_keys(target, home, trusted);
    RETURN QUERY SELECT * FROM verify_registrations(target, home, trusted);
    RETURN QUERY SELECT * FROM verify_rights(target, home);
END
$$;
COMMENT ON FUNCTION diesel_timescale.verify_references(REGCLASS, NAME, REGCLASS) IS 'One row for each violation of what a target of references promises, with its remedy. Tables of the owner of the trusted table are read as well.';

CREATE OR REPLACE FUNCTION diesel_timescale.verify_database() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    targets CONSTANT REGCLASS[] := ARRAY(SELECT reference_targets() UNION SELECT target FROM renamed_targets() ORDER BY 1);
    relation REGCLASS;
BEGIN
    FOREACH relation IN ARRAY targets LOOP
        RETURN QUERY SELECT * FROM verify_references(relation);
    END LOOP;
    IF has_timescaledb() THEN
        FOR relation IN
            SELECT c.oid
            FROM timescaledb_information.hypertables AS h
            JOIN pg_namespace AS n ON n.nspname = h.hypertable_schema
            JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = h.hypertable_name
            WHERE c.oid <> ALL (targets)
            ORDER BY 1
        LOOP
            RETURN QUERY SELECT * FROM verify_native_foreign_keys(relation, NULL, NULL);
            RETURN QUERY SELECT * FROM verify_refresh_windows(relation, NULL);
        END LOOP;
        FOR relation IN
            SELECT c.oid
            FROM timescaledb_information.continuous_aggregates AS a
            JOIN pg_namespace AS n ON n.nspname = a.view_schema
            JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.view_name
            ORDER BY 1
        LOOP
            RETURN QUERY SELECT * FROM verify_refresh_windows(relation, NULL);
        END LOOP;
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.verify_database() IS 'One row for each violation of what the targets of references in this database promise, and for each native foreign key to a hypertable, with its remedy.';
