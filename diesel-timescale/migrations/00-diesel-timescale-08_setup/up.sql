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

CREATE OR REPLACE FUNCTION diesel_timescale.span_facts(span TEXT) RETURNS JSONB
LANGUAGE sql STABLE STRICT
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN CASE WHEN span ~ '^-?\d+$' THEN span::JSONB ELSE diesel_timescale.length_facts(span::INTERVAL) END;
COMMENT ON FUNCTION diesel_timescale.span_facts(TEXT) IS 'A span of time as length_facts(); a number where the time column counts units.';

-- The settings of a policy are text or numbers, depending on the type of the time column.
CREATE OR REPLACE FUNCTION diesel_timescale.config_facts(config JSONB) RETURNS JSONB
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (
    SELECT coalesce(jsonb_object_agg(key, CASE jsonb_typeof(value) WHEN 'string' THEN diesel_timescale.span_facts(value #>> '{}') ELSE value END), '{}')
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
            'fixed', fixed_schedule,
            'start', CASE WHEN isfinite(initial_start) THEN initial_start END,
            'time_zone', time_zone,
            'max_runtime', length_facts(max_runtime),
            'max_retries', max_retries,
            'retry_period', length_facts(retry_period),
            'scheduled', scheduled,
            'config', config,
            'lengths', CASE WHEN proc_name LIKE 'policy\_%' THEN config_facts(config) ELSE '{}' END
        ) ORDER BY job_id), '[]')
        FROM timescaledb_information.jobs
        JOIN job_time_zones() USING (job_id)
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
            'not_null', attnotnull,
            'comment', col_description(relation, attnum)
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
            -- (Not every role may read pg_am on the WebAssembly server.)
            'method', substring(pg_get_indexdef(indexrelid) FROM ' USING (\S+) \('),
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
        WHERE indrelid = relation
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.index_facts(REGCLASS) IS 'The indexes of a table.';

CREATE OR REPLACE FUNCTION diesel_timescale.compresses_directly(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN (
        -- Releases without the setting do not use this bit.
        SELECT h.status & 8 <> 0 FROM _timescaledb_catalog.hypertable AS h WHERE h.id = hypertable_id(relation)
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.compresses_directly(REGCLASS) IS 'Whether the rows of a hypertable go into the columnstore directly, by a setting of the table.';

CREATE OR REPLACE FUNCTION diesel_timescale.granular_refresh_facts(relation REGCLASS) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN (
        -- Of integer time, both offsets are numbers.
        SELECT jsonb_build_object('column', g.column_name) || config_facts(jsonb_build_object(
            'start_offset', CASE WHEN g.start_offset ~ '^-?\d+$' THEN g.start_offset::JSONB ELSE to_jsonb(g.start_offset) END,
            'end_offset', CASE WHEN g.end_offset ~ '^-?\d+$' THEN g.end_offset::JSONB ELSE to_jsonb(g.end_offset) END
        ))
        FROM granular_refresh(relation) AS g
        WHERE g.column_name IS NOT NULL
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.granular_refresh_facts(REGCLASS) IS 'What granular refresh of a hypertable goes by; null without it.';

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
            'chunk_skipping', chunk_skipping_columns(relation),
            'uses_chunk_skipping', uses_chunk_skipping(),
            'tablespaces', coalesce(tablespaces, '{}'),
            'direct_compress', compresses_directly(relation),
            'granular_refresh', granular_refresh_facts(relation),
            'dimensions', (
                SELECT jsonb_agg(jsonb_build_object(
                    'column', column_name,
                    'interval', coalesce(length_facts(time_interval), to_jsonb(integer_interval)),
                    'partitions', num_partitions,
                    'integer_now_func', nullif(integer_now_func, ''),
                    'integer_now', obj_description(to_regprocedure(quote_ident(place.nspname) || '.' || quote_ident(integer_now_func) || '()'), 'pg_proc')
                ) ORDER BY dimension_number)
                FROM timescaledb_information.dimensions AS d
                WHERE d.hypertable_schema = place.nspname AND d.hypertable_name = place.relname
            )
        ) || coalesce(
            (
                -- Releases without sparse indexes have no such column.
                SELECT jsonb_build_object('segment_by', segmentby, 'order_by', orderby, 'sparse_indexes', to_jsonb(s) -> 'index')
                FROM timescaledb_information.hypertable_compression_settings AS s
                WHERE s.hypertable = relation AND compression_enabled
            ),
            '{}'
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
    EXCEPTION WHEN undefined_column OR wrong_object_type OR object_not_in_prerequisite_state OR feature_not_supported THEN
        GET STACKED DIAGNOSTICS obstacle = MESSAGE_TEXT, remedy = PG_EXCEPTION_HINT;
        obstacle := format('%s. %s', obstacle, remedy);
        RETURN;
    END;
    -- A policy of another role's would run with the rights of the caller.
    IF has_table_privilege(relation, 'SELECT') AND NOT row_security_active(relation) THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation) INTO has_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.hypertable_obstacle(REGCLASS, NAME) IS 'Why a table cannot become a hypertable on the column, or null; and whether it has rows, null if that is unknown.';

CREATE OR REPLACE FUNCTION diesel_timescale.aggregate_source(view REGCLASS) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT format('%I.%I', coalesce(below.view_schema, a.hypertable_schema), coalesce(below.view_name, a.hypertable_name))
        FROM timescaledb_information.continuous_aggregates AS a
        LEFT JOIN timescaledb_information.continuous_aggregates AS below
            ON (a.hypertable_schema, a.hypertable_name) = (below.materialization_hypertable_schema, below.materialization_hypertable_name)
        WHERE format('%I.%I', a.view_schema, a.view_name) = qualified_name(view)
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.aggregate_source(REGCLASS) IS 'The hypertable, or the continuous aggregate, that a continuous aggregate reads, with its schema, quoted.';

CREATE OR REPLACE FUNCTION diesel_timescale.aggregate_facts(relation REGCLASS) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT jsonb_build_object(
            'materialized_only', a.materialized_only,
            'schema', a.materialization_hypertable_schema,
            'name', a.materialization_hypertable_name,
            'source', aggregate_source(relation),
            'bucket', span_facts(bucket_width(a.materialization_hypertable_schema, a.materialization_hypertable_name)),
            -- Earlier releases have no such column.
            'granular_refresh', (
                SELECT to_jsonb(c) -> 'granular_refresh_enabled'
                FROM _timescaledb_catalog.continuous_agg AS c
                WHERE c.user_view_schema = a.view_schema AND c.user_view_name = a.view_name
            ),
            'has_chunks', EXISTS (
                SELECT
                FROM timescaledb_information.chunks AS c
                WHERE c.hypertable_schema = a.materialization_hypertable_schema AND c.hypertable_name = a.materialization_hypertable_name
            )
        )
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        JOIN timescaledb_information.continuous_aggregates AS a ON a.view_schema = nspname AND a.view_name = relname
        WHERE pg_class.oid = relation
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.aggregate_facts(REGCLASS) IS 'What a continuous aggregate shows, and where it keeps its rows; null for another relation.';

-- A job of this crate, or of one that builds on it: it names the table in retention_of.
CREATE OR REPLACE FUNCTION diesel_timescale.target_retention_job(target REGCLASS) RETURNS INT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT job_id
        FROM timescaledb_information.jobs
        WHERE config ->> 'retention_of' = qualified_name(target)
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
COMMENT ON FUNCTION diesel_timescale.target_retention_job(REGCLASS) IS 'The job that drops rows of a target and clears the references to them, or null.';

CREATE OR REPLACE FUNCTION diesel_timescale.target_retention_facts(target REGCLASS) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT jsonb_build_object('id', job_id, 'drop_after', span_facts(config ->> 'drop_after'))
        FROM timescaledb_information.jobs
        WHERE job_id = target_retention_job(target)
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.target_retention_facts(REGCLASS) IS 'The job of target_retention_job(), and after which time it drops rows.';

CREATE OR REPLACE FUNCTION diesel_timescale.kept_for(relation REGCLASS) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT config ->> 'drop_after'
        FROM timescaledb_information.jobs
        WHERE job_id = coalesce(policy_job(relation, 'policy_retention'), target_retention_job(relation)) AND scheduled
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.kept_for(REGCLASS) IS 'After which time a job drops the rows of a hypertable or a continuous aggregate, as text; null if none does.';

CREATE OR REPLACE FUNCTION diesel_timescale.target_facts(relation REGCLASS, declared_registry NAME) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    place RECORD;
    argument TEXT;
    registry TEXT;
BEGIN
    SELECT nspname, relname INTO place FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = relation;
    -- The trigger names the registry.
    SELECT trigger_argument(tgargs) INTO argument
    FROM pg_trigger
    WHERE tgrelid = relation AND NOT tgisinternal AND tgname = short_name(place.relname, '_release_references') AND tgnargs = 1;
    registry := coalesce((parse_ident(argument))[1], declared_registry, short_name('referenced_' || place.relname));
    registry := format('%I.%I', place.nspname, registry);
    IF argument IS NULL AND to_regclass(registry) IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN jsonb_build_object(
        'registry', registry,
        'registry_is_there', to_regclass(registry) IS NOT NULL,
        'key', primary_key_columns(to_regclass(registry)),
        'retention', target_retention_facts(relation),
        'missing_triggers', ARRAY(
            SELECT short_name(place.relname, suffix)
            FROM unnest(ARRAY['_release_references', '_release_all_references', '_key_is_fixed']) AS suffix
            WHERE NOT EXISTS (
                SELECT FROM pg_trigger
                WHERE tgrelid = relation AND tgname = short_name(place.relname, suffix) AND tgenabled IN ('O', 'A')
            )
            ORDER BY suffix
        )
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.target_facts(REGCLASS, NAME) IS 'What makes a table a target of references: its registry, the key of that, and which triggers are missing or disabled. Null if it is none.';

CREATE OR REPLACE FUNCTION diesel_timescale.reference_facts(referencing REGCLASS, columns NAME[], target REGCLASS) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present JSONB := target_facts(target, NULL);
    attributes CONSTANT INT2[] := ARRAY(
        SELECT attnum FROM unnest(columns) WITH ORDINALITY AS u (c, n) JOIN pg_attribute ON attrelid = referencing AND attname = c AND attnum > 0 ORDER BY n
    );
BEGIN
    -- What goes to a target that is none, or half of one, shows when that is right.
    IF present IS NULL OR present -> 'missing_triggers' ? short_name((SELECT relname FROM pg_class WHERE oid = target), '_release_references') THEN
        RETURN NULL;
    END IF;
    RETURN jsonb_build_object(
        'constraint', (
            SELECT jsonb_build_object('name', conname, 'on_delete', confdeltype, 'validated', convalidated)
            FROM pg_constraint
            WHERE conrelid = referencing AND contype = 'f' AND confrelid = to_regclass(present ->> 'registry') AND conkey = attributes
            ORDER BY convalidated DESC, conname
            LIMIT 1
        ),
        'trigger_is_right', (
            SELECT count(*) = 1 AND bool_and(is_right) FROM reference_triggers(referencing, columns, target)
        )
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.reference_facts(REGCLASS, NAME[], REGCLASS) IS 'The foreign key and the trigger of columns that reference the rows of a target; null if it is none.';

-- create_reference_target() finds a target by one of its triggers, and makes all of them or none.
CREATE OR REPLACE FUNCTION diesel_timescale.restore_target_triggers(target REGCLASS, time_column NAME, registry REGCLASS) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    table_name CONSTANT NAME := (SELECT relname FROM pg_class WHERE oid = target);
    suffix TEXT;
BEGIN
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', qualified_name(target));
    FOREACH suffix IN ARRAY ARRAY['_release_references', '_release_all_references', '_key_is_fixed'] LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', short_name(table_name, suffix), qualified_name(target));
    END LOOP;
    PERFORM create_release_triggers(
        target, template_names(target, registry, primary_key_columns(registry), time_column), registry, time_column
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.restore_target_triggers(REGCLASS, NAME, REGCLASS) IS 'Creates the triggers of a target of references anew. References to rows that were removed while one was missing are left: clear_dangling_references().';

-- What is asked of the tiers alone.
CREATE OR REPLACE FUNCTION diesel_timescale.tier_facts(relation REGCLASS, kept_for TEXT) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF hypertable_of(relation) IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN jsonb_build_object(
        'readers', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'view', qualified_name(view_name),
                'job', job_id,
                'start_offset', span_facts(start_offset),
                'end_offset', span_facts(end_offset),
                'bucket', span_facts(bucket),
                'schedule', length_facts(schedule_interval),
                'scheduled', scheduled
            ) ORDER BY job_id), '[]')
            FROM refresh_windows(relation)
        ),
        'expired_chunks', (
            SELECT count(*)
            FROM chunk_ranges(relation)
            WHERE range_end <= now() - CASE WHEN kept_for !~ '^-?\d+$' THEN kept_for::INTERVAL END
        )
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.tier_facts(REGCLASS, TEXT) IS 'The refresh policies of what reads a hypertable or a continuous aggregate, and how many chunks are older than it keeps rows; null if it is neither.';

CREATE OR REPLACE FUNCTION diesel_timescale.relation_facts(
    relation REGCLASS, time_column NAME, registry_name NAME, direct_compress BOOLEAN, is_tier BOOLEAN, kept_for TEXT
) RETURNS JSONB
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
        'bytes', CASE WHEN relkind = 'r' THEN pg_relation_size(relation) ELSE 0 END,
        'comment', obj_description(relation, 'pg_class'),
        'hypertable', hypertable,
        'aggregate', CASE WHEN relkind = 'v' THEN aggregate_facts(relation) END,
        'direct_compress_obstacle', CASE WHEN direct_compress THEN (SELECT kind || ', ' || o.name FROM direct_compress_obstacle(relation) AS o) END,
        'target', CASE WHEN relkind = 'r' THEN target_facts(relation, registry_name) END,
        'tier', CASE WHEN is_tier THEN tier_facts(relation, kept_for) END,
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
COMMENT ON FUNCTION diesel_timescale.relation_facts(REGCLASS, NAME, NAME, BOOLEAN, BOOLEAN, TEXT) IS 'What a table or view is; null if there is none. With a time column: what keeps it from becoming a hypertable on that. With a name: its registry, if it is a target of references. On demand: what keeps its rows from going into the columnstore directly, and of a tier what tier_facts() gives as well.';

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
