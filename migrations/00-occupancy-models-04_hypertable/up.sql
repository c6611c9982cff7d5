-- Hypertables: set-up for any table, and retention for sensor_events.
--
-- The functions run on plain PostgreSQL too: what needs TimescaleDB is behind EXECUTE or in a branch that is not
-- reached there. A refusal is an error before anything has changed; its CONSTRAINT field carries a code
-- (occupancy_models:...) that clients can go by, and its HINT the remedy.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION require_timescaledb() RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    -- The oldest release that this crate is tested with understands is 2.17.
    oldest CONSTANT INT[] := ARRAY[2, 17];
    installed TEXT := (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb');
BEGIN
    IF installed IS NULL AND NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('this server is plain PostgreSQL %s: it has no TimescaleDB', current_setting('server_version')),
            HINT = 'Install TimescaleDB on the server, or say that a plain table will do.',
            CONSTRAINT = 'occupancy_models:extension_unavailable';
    ELSIF (CASE
        -- The library defines the first setting when the server starts, the second when a session uses the extension.
        WHEN installed IS NULL THEN current_setting('timescaledb.max_background_workers', true)
        ELSE current_setting('timescaledb.license', true)
    END) IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'this server has the extension timescaledb, but its library is not loaded',
            HINT = 'Add timescaledb to shared_preload_libraries and restart the server.',
            CONSTRAINT = 'occupancy_models:extension_not_loaded';
    ELSIF installed IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the extension timescaledb is not created in database %I', current_database()),
            HINT = 'CREATE EXTENSION timescaledb',
            CONSTRAINT = 'occupancy_models:extension_not_created';
    ELSIF (regexp_match(installed, '^(\d+)\.(\d+)'))::INT[] < oldest THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('TimescaleDB %s is too old: %s or later is needed', installed, array_to_string(oldest, '.')),
            HINT = 'ALTER EXTENSION timescaledb UPDATE',
            DETAIL = installed,
            CONSTRAINT = 'occupancy_models:server_too_old';
    END IF;
END
$$;
COMMENT ON FUNCTION require_timescaledb() IS 'Raises an error unless this database has a TimescaleDB that is loaded and new enough.';

-- The extension is trusted: who may create objects in the database may create it.
CREATE FUNCTION create_timescaledb(
    extension_schema NAME DEFAULT NULL,
    allow_plain_postgres BOOLEAN DEFAULT false,
    OUT outcome TEXT,
    OUT timescaledb_version TEXT,
    OUT schema_name NAME
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
-- The extension welcomes with a warning.
SET client_min_messages TO error
AS $$
DECLARE
    statement CONSTANT TEXT := format('CREATE EXTENSION timescaledb SCHEMA %I', coalesce(extension_schema, current_schema()));
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
            IF NOT allow_plain_postgres THEN
                PERFORM require_timescaledb();
            END IF;
            outcome := 'unavailable';
            RETURN;
        ELSIF current_setting('timescaledb.max_background_workers', true) IS NULL THEN
            -- CREATE EXTENSION would end the session.
            PERFORM require_timescaledb();
        END IF;
        BEGIN
            EXECUTE statement;
            outcome := 'created';
        EXCEPTION
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'insufficient_privilege',
                    MESSAGE = format('the role %I may not create the extension timescaledb in database %I', current_user, current_database()),
                    HINT = format('%s, as the owner of the database or a superuser; or GRANT CREATE ON DATABASE %I TO %I', statement, current_database(), current_user),
                    CONSTRAINT = 'occupancy_models:extension_not_created';
            WHEN duplicate_object OR unique_violation THEN
                -- Another session has created it meanwhile; or this one has it loaded from before it was dropped.
                IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
                    RAISE EXCEPTION USING
                        ERRCODE = 'object_not_in_prerequisite_state',
                        MESSAGE = format('the extension timescaledb cannot be created in database %I by this session: %s', current_database(), SQLERRM),
                        HINT = format('%s, as the first statement of a new session', statement),
                        CONSTRAINT = 'occupancy_models:extension_not_created';
                END IF;
        END;
    END IF;
    PERFORM require_timescaledb();
    outcome := coalesce(outcome, 'already_there');
    SELECT extversion, nspname INTO timescaledb_version, schema_name
    FROM pg_extension
    JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'timescaledb';
END
$$;
COMMENT ON FUNCTION create_timescaledb(NAME, BOOLEAN) IS 'Creates the extension timescaledb in this database, in the schema of these functions by default, or finds it. The outcome is created, already_there, or unavailable where the caller accepts plain PostgreSQL.';

CREATE FUNCTION hypertable_report(
    relation REGCLASS,
    OUT timescaledb_version TEXT,
    OUT timescaledb_license TEXT,
    OUT time_column NAME,
    OUT chunk_interval INTERVAL,
    OUT chunks BIGINT
)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    timescaledb_version := (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb');
    timescaledb_license := current_setting('timescaledb.license', true);
    IF timescaledb_version IS NOT NULL THEN
        SELECT d.column_name, d.time_interval, h.num_chunks
        INTO time_column, chunk_interval, chunks
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN timescaledb_information.hypertables AS h
            ON h.hypertable_schema = n.nspname AND h.hypertable_name = c.relname
        JOIN timescaledb_information.dimensions AS d
            ON d.hypertable_schema = n.nspname AND d.hypertable_name = c.relname AND d.dimension_number = 1
        WHERE c.oid = relation;
    END IF;
END
$$;
COMMENT ON FUNCTION hypertable_report(REGCLASS) IS 'The release and edition of TimescaleDB in this database (null without it), and the time dimension of a table (null where it is no hypertable).';

-- Everything that create_hypertable would refuse, or accept and break later, found before anything changes.
CREATE FUNCTION check_hypertable_candidate(relation REGCLASS, time_column NAME, migrate_data BOOLEAN) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    time_attribute pg_attribute;
    reference RECORD;
    lacking RECORD;
    remedy TEXT;
    has_rows BOOLEAN;
    -- For statements that the caller runs, under whatever search_path.
    qualified CONSTANT TEXT := (SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = relation);
BEGIN
    SELECT * INTO time_attribute
    FROM pg_attribute
    WHERE attrelid = relation AND attname = time_column AND attnum > 0 AND NOT attisdropped;
    IF time_attribute IS NULL OR time_attribute.atttypid <> 'timestamptz'::REGTYPE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('%s has no column %I of type timestamp with time zone', relation, time_column),
            HINT = 'Partition on a timestamptz column.',
            TABLE = relation::TEXT, COLUMN = time_column, CONSTRAINT = 'occupancy_models:no_time_column';
    END IF;

    IF (SELECT relkind <> 'r' OR relpersistence <> 'p' FROM pg_class WHERE oid = relation)
        OR EXISTS (SELECT FROM pg_inherits WHERE relation IN (inhparent, inhrelid))
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is not an ordinary table: a view, or partitioned, inherited, temporary or unlogged', relation),
            HINT = 'Create an ordinary table, and move the rows there.',
            TABLE = relation::TEXT, CONSTRAINT = 'occupancy_models:not_a_table';
    END IF;

    SELECT conname, conrelid::REGCLASS AS referencing, format('%I.%I', nspname, relname) AS qualified_referencing
    INTO reference
    FROM pg_constraint
    JOIN pg_class ON pg_class.oid = conrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    -- Those that a partition has from its table go with that one.
    WHERE confrelid = relation AND contype = 'f' AND conparentid = 0
    ORDER BY conname
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s is referenced by the foreign key %I of %s', relation, reference.conname, reference.referencing),
            DETAIL = 'A native foreign key to a hypertable and retention exclude each other: depending on the release, drop_chunks is refused, or drops the foreign key without asking; before 2.21.1 rows that are right are refused as well.',
            HINT = format('ALTER TABLE %s DROP CONSTRAINT %I, and let references go to a plain table, as reference_sensor_events() does', reference.qualified_referencing, reference.conname),
            TABLE = relation::TEXT, COLUMN = reference.conname, CONSTRAINT = 'occupancy_models:referenced_by_foreign_key';
    END IF;

    SELECT
        class.relname,
        constr.conname,
        constr.contype,
        index.indexprs IS NOT NULL OR index.indpred IS NOT NULL OR index.indisexclusion AS is_special,
        (
            SELECT string_agg(quote_ident(attname), ', ' ORDER BY position)
            FROM unnest(index.indkey[:index.indnkeyatts - 1]) WITH ORDINALITY AS key (attnum, position)
            JOIN pg_attribute ON attrelid = relation AND pg_attribute.attnum = key.attnum
        ) AS columns
    INTO lacking
    FROM pg_index AS index
    JOIN pg_class AS class ON class.oid = index.indexrelid
    LEFT JOIN pg_constraint AS constr ON constr.conindid = index.indexrelid AND constr.contype IN ('p', 'u', 'x')
    WHERE index.indrelid = relation
        AND (index.indisunique OR index.indisexclusion)
        AND time_attribute.attnum <> ALL (index.indkey[:index.indnkeyatts - 1])
    ORDER BY index.indisprimary DESC, class.relname
    LIMIT 1;
    IF FOUND THEN
        remedy := CASE
            WHEN lacking.is_special THEN
                format('Drop it, or add %I to it', time_column)
            WHEN lacking.contype = 'p' THEN
                format('ALTER TABLE %s DROP CONSTRAINT %I, ADD PRIMARY KEY (%s, %I)', qualified, lacking.conname, lacking.columns, time_column)
            WHEN lacking.contype = 'u' THEN
                format('ALTER TABLE %s DROP CONSTRAINT %I, ADD UNIQUE (%s, %I)', qualified, lacking.conname, lacking.columns, time_column)
            ELSE
                format(
                    'DROP INDEX %s; CREATE UNIQUE INDEX %I ON %s (%s, %I)',
                    format('%I.%I', (SELECT nspname FROM pg_namespace JOIN pg_class ON pg_namespace.oid = relnamespace WHERE pg_class.oid = relation), lacking.relname),
                    lacking.relname, qualified, lacking.columns, time_column
                )
        END;
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the unique index %I of %s lacks the partition column %I', lacking.relname, relation, time_column),
            DETAIL = 'A hypertable can only keep a key unique that contains the partition column.',
            HINT = remedy,
            TABLE = relation::TEXT, COLUMN = lacking.relname, CONSTRAINT = 'occupancy_models:unique_index_lacks_time';
    END IF;

    IF NOT migrate_data THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation) INTO has_rows;
        IF has_rows THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('%s is not empty', relation),
                HINT = 'Ask for its rows to be migrated; the table is locked meanwhile.',
                TABLE = relation::TEXT, CONSTRAINT = 'occupancy_models:table_not_empty';
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION check_hypertable_candidate(REGCLASS, NAME, BOOLEAN) IS 'Raises an error that names the obstacle and the remedy if the table cannot become a hypertable on the column.';

CREATE FUNCTION refuse_chunk_interval(relation REGCLASS, chunk_interval INTERVAL) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF chunk_interval <= INTERVAL '0' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a chunk cannot cover %s', chunk_interval),
            HINT = 'Give an interval of a microsecond or more; hours to weeks do well.',
            TABLE = relation::TEXT, CONSTRAINT = 'occupancy_models:chunk_interval';
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_chunk_interval(REGCLASS, INTERVAL) IS 'Raises an error if a chunk cannot cover the interval.';

CREATE FUNCTION make_hypertable(
    relation REGCLASS,
    time_column NAME,
    chunk_interval INTERVAL,
    migrate_data BOOLEAN,
    default_indexes BOOLEAN
) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    truncate_trigger RECORD;
    truncate_triggers TEXT[] := '{}';
    definition TEXT;
BEGIN
    -- Moving rows truncates the table, which is no reason to do what TRUNCATE triggers do: those of sensor_events
    -- would clear every reference. The transaction that this is in holds the table locked.
    FOR truncate_trigger IN
        SELECT
            tgname,
            concat_ws(
                '; ',
                pg_get_triggerdef(oid),
                format('COMMENT ON TRIGGER %I ON %s IS %L', tgname, relation, obj_description(oid, 'pg_trigger'))
            ) AS definition
        FROM pg_trigger
        WHERE migrate_data AND tgrelid = relation AND NOT tgisinternal AND tgtype & 32 <> 0
            -- One that is disabled does nothing, and no hypertable could disable it again.
            AND tgenabled IN ('O', 'A')
    LOOP
        truncate_triggers := truncate_triggers || truncate_trigger.definition;
        EXECUTE format('DROP TRIGGER %I ON %s', truncate_trigger.tgname, relation);
    END LOOP;
    BEGIN
        EXECUTE format(
            'SELECT %1$I.create_hypertable($1, %1$I.by_range($2, $3), create_default_indexes => $4, migrate_data => $5)',
            (SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb')
        ) USING relation, time_column, chunk_interval, default_indexes, migrate_data;
    EXCEPTION WHEN SQLSTATE 'TS110' THEN
        -- The table is a hypertable already, and this snapshot is too old to see it.
        RAISE EXCEPTION USING
            ERRCODE = 'serialization_failure',
            MESSAGE = format('%s was made a hypertable by another transaction meanwhile', relation),
            HINT = 'Run the transaction again.';
    END;
    FOREACH definition IN ARRAY truncate_triggers LOOP
        EXECUTE definition;
    END LOOP;
END
$$;
COMMENT ON FUNCTION make_hypertable(REGCLASS, NAME, INTERVAL, BOOLEAN, BOOLEAN) IS 'Makes a table a hypertable, without doing what its TRUNCATE triggers do. The caller has checked that it can become one, and holds it locked.';

CREATE FUNCTION setup_hypertable(
    relation REGCLASS,
    time_column NAME,
    chunk_interval INTERVAL DEFAULT NULL,
    if_not_exists BOOLEAN DEFAULT true,
    migrate_data BOOLEAN DEFAULT false,
    default_indexes BOOLEAN DEFAULT true,
    plain_table_will_do BOOLEAN DEFAULT false,
    create_extension BOOLEAN DEFAULT false,
    OUT outcome TEXT,
    OUT timescaledb_version TEXT,
    OUT timescaledb_license TEXT,
    OUT current_chunk_interval INTERVAL,
    OUT chunks BIGINT,
    OUT ignored_chunk_interval INTERVAL
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    present RECORD;
BEGIN
    PERFORM refuse_chunk_interval(relation, chunk_interval);
    IF plain_table_will_do AND NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
        outcome := 'plain_table';
        RETURN;
    END IF;
    IF create_extension THEN
        PERFORM create_timescaledb();
    END IF;
    PERFORM require_timescaledb();

    present := hypertable_report(relation);
    IF present.time_column IS NULL AND (SELECT relkind = 'r' FROM pg_class WHERE oid = relation) THEN
        -- Two that set up the same table take turns: the second one finds a hypertable.
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
        present := hypertable_report(relation);
    END IF;

    IF present.time_column IS NULL THEN
        PERFORM check_hypertable_candidate(relation, time_column, migrate_data);
        PERFORM make_hypertable(relation, time_column, chunk_interval, migrate_data, default_indexes);
        outcome := 'created';
        present := hypertable_report(relation);
    ELSIF present.time_column <> time_column THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s is a hypertable on %I already, not on %I', relation, present.time_column, time_column),
            HINT = format('Set it up on %I, or create the table anew.', present.time_column),
            TABLE = relation::TEXT, COLUMN = present.time_column, CONSTRAINT = 'occupancy_models:other_time_column';
    ELSIF NOT if_not_exists THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('%s is a hypertable already', relation),
            HINT = 'Allow it to exist.',
            TABLE = relation::TEXT, CONSTRAINT = 'occupancy_models:already_a_hypertable';
    ELSE
        outcome := 'already_there';
        IF chunk_interval <> present.chunk_interval THEN
            ignored_chunk_interval := chunk_interval;
        END IF;
    END IF;

    timescaledb_version := present.timescaledb_version;
    timescaledb_license := present.timescaledb_license;
    current_chunk_interval := present.chunk_interval;
    chunks := present.chunks;
END
$$;
COMMENT ON FUNCTION setup_hypertable(REGCLASS, NAME, INTERVAL, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN) IS 'Makes a table a hypertable on a timestamptz column, or finds that it is one. The outcome is created, already_there, or plain_table where the caller accepts one on plain PostgreSQL. A hypertable that is there keeps its chunk interval: another one that was asked for is returned as ignored_chunk_interval.';

-- Retention that references survive. drop_chunks fires no trigger, so a plain drop_chunks, or the server's own
-- retention policy, would leave references to events that are gone.
CREATE FUNCTION drop_sensor_events_before(
    cutoff TIMESTAMPTZ,
    OUT chunks_dropped BIGINT,
    OUT rows_deleted BIGINT,
    OUT events_released BIGINT,
    OUT dropped_before TIMESTAMPTZ
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    extension_schema NAME := (SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb');
BEGIN
    PERFORM refuse_old_snapshot('drop_sensor_events_before()');
    -- References first, chunks second, as in every registration.
    PERFORM lock_referenced_events();
    chunks_dropped := 0;
    rows_deleted := 0;
    IF (hypertable_report('sensor_events')).time_column IS NULL THEN
        WITH released AS (
            DELETE FROM referenced_events WHERE timestamp < cutoff RETURNING id
        )
        SELECT count(*) INTO events_released FROM released;
        DELETE FROM sensor_events WHERE timestamp < cutoff;
        GET DIAGNOSTICS rows_deleted = ROW_COUNT;
        dropped_before := cutoff;
        RETURN;
    END IF;

    -- Only whole chunks go, so what is gone ends where the youngest of them does.
    SELECT max(range_end) INTO dropped_before
    FROM timescaledb_information.chunks
    WHERE hypertable_schema = (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = 'sensor_events'::REGCLASS)
        AND hypertable_name = 'sensor_events'
        AND range_end <= cutoff;
    EXECUTE format('SELECT count(*) FROM %I.drop_chunks($1, older_than => $2)', extension_schema)
        INTO chunks_dropped USING 'sensor_events'::REGCLASS, cutoff;
    WITH released AS (
        DELETE FROM referenced_events WHERE timestamp < dropped_before RETURNING id
    )
    SELECT count(*) INTO events_released FROM released;
END
$$;
COMMENT ON FUNCTION drop_sensor_events_before(TIMESTAMPTZ) IS 'Retention: drops the chunks that end by the cutoff and clears every reference to their events, in one transaction. On a plain table it deletes the rows before the cutoff.';
