-- What is there, for a declared set-up to be compared with: one statement, one document. Nothing here changes anything
-- or locks more than ACCESS SHARE. In PL/pgSQL, which keeps the plans of its queries from table to table.

CREATE OR REPLACE FUNCTION diesel_timescale.length_facts(length INTERVAL) RETURNS JSONB
LANGUAGE plpgsql STABLE STRICT
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    months CONSTANT INT := extract(year FROM length) * 12 + extract(month FROM length);
BEGIN
    RETURN jsonb_build_object(
        'months', months,
        'microseconds', trunc(extract(epoch FROM length - make_interval(months => months)) * 1000000)::BIGINT
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.length_facts(INTERVAL) IS 'An interval as months and microseconds; a day has 24 hours.';

-- The settings of a policy are text or numbers, depending on the type of the time column.
CREATE OR REPLACE FUNCTION diesel_timescale.config_facts(config JSONB) RETURNS JSONB
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (
    SELECT coalesce(jsonb_object_agg(key, CASE jsonb_typeof(value) WHEN 'string' THEN diesel_timescale.length_facts((value #>> '{}')::INTERVAL) ELSE value END), '{}')
    FROM jsonb_each(config)
    WHERE key IN ('drop_after', 'drop_created_before', 'compress_after', 'compress_created_before', 'start_offset', 'end_offset')
);
COMMENT ON FUNCTION diesel_timescale.config_facts(JSONB) IS 'The lengths of time in the settings of a policy.';

CREATE OR REPLACE FUNCTION diesel_timescale.job_facts() RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN '[]';
    END IF;
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'id', job_id,
            'procedure_schema', proc_schema,
            'procedure', proc_name,
            'schema', hypertable_schema,
            'relation', hypertable_name,
            'schedule', length_facts(schedule_interval),
            'scheduled', scheduled,
            'config', config,
            'lengths', CASE WHEN proc_name LIKE 'policy\_%' THEN config_facts(config) ELSE '{}' END
        ) ORDER BY job_id), '[]')
        FROM timescaledb_information.jobs
        -- The ids of what users have added begin at 1000.
        WHERE job_id >= 1000
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.job_facts() IS 'The jobs of this database, without the server''s own.';

CREATE OR REPLACE FUNCTION diesel_timescale.column_facts(relation REGCLASS) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', attname,
            'type', format_type(atttypid, NULL),
            'full_type', format_type(atttypid, atttypmod),
            'type_oid', atttypid::BIGINT,
            'not_null', attnotnull
        ) ORDER BY attnum), '[]')
        FROM pg_attribute
        WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.column_facts(REGCLASS) IS 'The columns of a table or view.';

CREATE OR REPLACE FUNCTION diesel_timescale.index_facts(relation REGCLASS) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', relname,
            'schema', relnamespace::REGNAMESPACE::TEXT,
            'method', amname,
            'unique', indisunique,
            'primary', indisprimary,
            'valid', indisvalid,
            'predicate', pg_get_expr(indpred, indrelid),
            'columns', (
                SELECT jsonb_agg(jsonb_build_object(
                    'name', coalesce(attname, pg_get_indexdef(indexrelid, n::INT, true)),
                    -- The bits of an option: descending, nulls first.
                    'descending', indoption[n - 1] & 1 = 1
                ) ORDER BY n)
                FROM unnest(indkey[:indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, n)
                LEFT JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = k.attnum AND k.attnum <> 0
            )
        ) ORDER BY relname), '[]')
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_am ON pg_am.oid = relam
        WHERE indrelid = relation
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.index_facts(REGCLASS) IS 'The indexes of a table.';

CREATE OR REPLACE FUNCTION diesel_timescale.hypertable_facts(relation REGCLASS) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    place RECORD;
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN NULL;
    END IF;
    SELECT nspname, relname INTO place FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = relation;
    RETURN (
        SELECT jsonb_build_object(
            'chunks', num_chunks,
            'columnstore', compression_enabled,
            'segment_by', (SELECT segmentby FROM timescaledb_information.hypertable_compression_settings WHERE hypertable = relation AND compression_enabled),
            'order_by', (SELECT orderby FROM timescaledb_information.hypertable_compression_settings WHERE hypertable = relation AND compression_enabled),
            'dimensions', (
                SELECT jsonb_agg(jsonb_build_object(
                    'column', column_name,
                    'interval', coalesce(length_facts(time_interval), to_jsonb(integer_interval)),
                    'partitions', num_partitions
                ) ORDER BY dimension_number)
                FROM timescaledb_information.dimensions AS d
                WHERE d.hypertable_schema = place.nspname AND d.hypertable_name = place.relname
            )
        )
        FROM timescaledb_information.hypertables AS h
        WHERE h.hypertable_schema = place.nspname AND h.hypertable_name = place.relname
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.hypertable_facts(REGCLASS) IS 'The dimensions and the columnstore of a hypertable; null for another table.';

-- What setup_hypertable() would refuse, and whether there are rows to move.
CREATE OR REPLACE FUNCTION diesel_timescale.hypertable_obstacle(relation REGCLASS, time_column NAME, OUT obstacle TEXT, OUT has_rows BOOLEAN)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    remedy TEXT;
BEGIN
    -- A block of its own, because its error undoes a savepoint.
    BEGIN
        PERFORM check_hypertable_candidate(relation, time_column, NULL, true);
    EXCEPTION WHEN undefined_column OR wrong_object_type OR object_not_in_prerequisite_state THEN
        GET STACKED DIAGNOSTICS obstacle = MESSAGE_TEXT, remedy = PG_EXCEPTION_HINT;
        obstacle := format('%s. %s', obstacle, remedy);
        RETURN;
    END;
    IF has_table_privilege(relation, 'SELECT') THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation) INTO has_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.hypertable_obstacle(REGCLASS, NAME) IS 'Why a table cannot become a hypertable on the column, or null; and whether it has rows, null if that is unknown.';

CREATE OR REPLACE FUNCTION diesel_timescale.relation_facts(relation REGCLASS, time_column NAME) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    facts JSONB;
    hypertable CONSTANT JSONB := hypertable_facts(relation);
BEGIN
    SELECT jsonb_build_object(
        'schema', nspname,
        'name', relname,
        'qualified', format('%I.%I', nspname, relname),
        'kind', relkind,
        'bytes', CASE WHEN relkind = 'r' THEN pg_relation_size(relation) ELSE 0 END,
        'comment', obj_description(relation, 'pg_class'),
        'hypertable', hypertable,
        'columns', column_facts(relation),
        'indexes', index_facts(relation)
    )
    INTO facts
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = relation;
    IF facts IS NOT NULL AND time_column IS NOT NULL AND hypertable IS NULL THEN
        facts := facts || (SELECT to_jsonb(o) FROM hypertable_obstacle(relation, time_column) AS o);
    END IF;
    RETURN facts;
END
$$;
COMMENT ON FUNCTION diesel_timescale.relation_facts(REGCLASS, NAME) IS 'What a table or view is; null if there is none. With a time column: what keeps it from becoming a hypertable on that.';

CREATE OR REPLACE FUNCTION diesel_timescale.server_facts() RETURNS JSONB
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN jsonb_build_object(
    'postgres_version', current_setting('server_version_num')::INT,
    'timescaledb', (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
    'toolkit', (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb_toolkit'),
    'license', current_setting('timescaledb.license', true),
    'available', (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'),
    'extension_schema', (SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb'),
    'database', current_database()
);
COMMENT ON FUNCTION diesel_timescale.server_facts() IS 'The releases of this server, and the schema of the functions of TimescaleDB.';
