-- Hypertables: set-up for any table.
--
-- The functions run on plain PostgreSQL too: what needs TimescaleDB is behind EXECUTE or in a branch that is not
-- reached there.

CREATE OR REPLACE FUNCTION diesel_timescale.require_timescaledb() RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    -- The oldest release that this crate is tested with understands is 2.17.
    oldest CONSTANT INT[] := ARRAY[2, 17];
    installed TEXT := (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb');
BEGIN
    IF installed IS NULL AND NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
        PERFORM refuse(
            'diesel_timescale:extension_unavailable', 'feature_not_supported',
            format('this server is plain PostgreSQL %s: it has no TimescaleDB', current_setting('server_version')),
            'Install TimescaleDB on the server, or allow a plain table (allow_plain_table).'
        );
    ELSIF (CASE
        -- The library defines the first setting when the server starts, the second when a session uses the extension.
        WHEN installed IS NULL THEN current_setting('timescaledb.max_background_workers', true)
        ELSE current_setting('timescaledb.license', true)
    END) IS NULL THEN
        PERFORM refuse(
            'diesel_timescale:extension_not_loaded', 'object_not_in_prerequisite_state',
            'this server has the extension timescaledb, but its library is not loaded',
            'Add timescaledb to shared_preload_libraries and restart the server.'
        );
    ELSIF installed IS NULL THEN
        PERFORM refuse(
            'diesel_timescale:extension_not_created', 'object_not_in_prerequisite_state',
            format('the extension timescaledb is not created in database %I', current_database()),
            'CREATE EXTENSION timescaledb'
        );
    ELSIF (regexp_match(installed, '^(\d+)\.(\d+)'))::INT[] < oldest THEN
        PERFORM refuse(
            'diesel_timescale:server_too_old', 'feature_not_supported',
            format('TimescaleDB %s is too old: %s or later is needed', installed, array_to_string(oldest, '.')),
            'ALTER EXTENSION timescaledb UPDATE',
            detail => installed
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.require_timescaledb() IS 'Raises an error unless this database has a TimescaleDB that is loaded and new enough.';

-- Any role that may create a schema can make one of the names that the extension has, where it is not there.
CREATE OR REPLACE FUNCTION diesel_timescale.has_timescaledb() RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'timescaledb');
COMMENT ON FUNCTION diesel_timescale.has_timescaledb() IS 'Whether this database has the extension. Check it before reading the schemas of the extension: without the extension, any role may own schemas of these names.';

-- The extension is trusted: who may create objects in the database may create it.
CREATE OR REPLACE FUNCTION diesel_timescale.create_timescaledb(
    extension_schema NAME DEFAULT current_schema(),
    allow_plain_postgres BOOLEAN DEFAULT false,
    OUT outcome TEXT,
    OUT timescaledb_version TEXT,
    OUT schema_name NAME
)
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
-- The extension welcomes with a warning.
SET client_min_messages TO error
AS $$
DECLARE
    statement CONSTANT TEXT := format('CREATE EXTENSION timescaledb SCHEMA %I', extension_schema);
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
                PERFORM refuse(
                    'diesel_timescale:extension_not_created', 'insufficient_privilege',
                    format('the role %I may not create the extension timescaledb in database %I', current_user, current_database()),
                    format('%s, as the owner of the database or a superuser; or GRANT CREATE ON DATABASE %I TO %I', statement, current_database(), current_user)
                );
            WHEN duplicate_object OR unique_violation THEN
                -- Another session has created it meanwhile; or this one has it loaded from before it was dropped.
                IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
                    PERFORM refuse(
                        'diesel_timescale:extension_not_created', 'object_not_in_prerequisite_state',
                        format('the extension timescaledb cannot be created in database %I by this session: %s', current_database(), SQLERRM),
                        format('%s, as the first statement of a new session', statement)
                    );
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
COMMENT ON FUNCTION diesel_timescale.create_timescaledb(NAME, BOOLEAN) IS 'Creates the extension timescaledb in this database, in the current schema by default, or finds it. The outcome is created, already_there, or unavailable where the caller accepts plain PostgreSQL.';

-- The table in src/feature.rs is the same; a test compares the two.
CREATE OR REPLACE FUNCTION diesel_timescale.features()
RETURNS TABLE (feature TEXT, words TEXT, needs TEXT, since INT[])
LANGUAGE sql IMMUTABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
BEGIN ATOMIC
    VALUES
        ('Hypertables', 'hypertables', 'Apache', ARRAY[2, 17]),
        ('Columnstore', 'columnstore', 'Community', ARRAY[2, 17]),
        ('SparseIndexes', 'sparse indexes', 'Community', ARRAY[2, 22]),
        ('DirectCompress', 'direct compress', 'Community', ARRAY[2, 23]),
        ('DirectCompressOfTable', 'direct compress as a setting of the table', 'Community', ARRAY[2, 29]),
        ('Jobs', 'jobs and policies', 'Community', ARRAY[2, 17]),
        ('ContinuousAggregates', 'continuous aggregates', 'Community', ARRAY[2, 17]),
        ('AggregateWindows', 'window functions in continuous aggregates', 'Community', ARRAY[2, 20]),
        ('AggregateColumns', 'columns added to a continuous aggregate', 'Community', ARRAY[2, 28]),
        ('ForcedRefresh', 'forced refresh', 'Community', ARRAY[2, 18]),
        ('RefreshBatches', 'refresh policies in batches', 'Community', ARRAY[2, 19]),
        ('RefreshOrder', 'order of the batches of a refresh policy', 'Community', ARRAY[2, 20]),
        ('SeveralRefreshPolicies', 'several refresh policies', 'Community', ARRAY[2, 21]),
        ('RefreshInBatches', 'refresh in batches', 'Community', ARRAY[2, 28]),
        ('Gapfill', 'gap filling', 'Community', ARRAY[2, 17]),
        ('UuidV7', 'UUIDv7 functions', 'Apache', ARRAY[2, 22]),
        ('Toolkit', 'Toolkit', 'Toolkit', ARRAY[1, 18]);
END;
COMMENT ON FUNCTION diesel_timescale.features() IS 'What not every edition and release of TimescaleDB has: the name that require_feature takes, the name in words, the edition (or Toolkit: the extension timescaledb_toolkit), and the first release.';

CREATE OR REPLACE FUNCTION diesel_timescale.require_feature(feature TEXT) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    needed RECORD;
    edition CONSTANT TEXT := CASE current_setting('timescaledb.license', true) WHEN 'timescale' THEN 'Community' ELSE 'Apache' END;
    postgres CONSTANT INT := current_setting('server_version_num');
    extension TEXT;
    installed TEXT;
BEGIN
    PERFORM require_timescaledb();
    SELECT * INTO STRICT needed FROM features() AS f WHERE f.feature = require_feature.feature;
    extension := CASE needed.needs WHEN 'Toolkit' THEN 'timescaledb_toolkit' ELSE 'timescaledb' END;
    installed := (SELECT extversion FROM pg_extension WHERE extname = extension);
    IF (needed.needs = 'Community' AND edition <> 'Community')
        OR installed IS NULL OR (regexp_match(installed, '^(\d+)\.(\d+)'))::INT[] < needed.since
    THEN
        PERFORM refuse(
            'diesel_timescale:unsupported', 'feature_not_supported',
            format(
                'the server has no %s: found TimescaleDB %s (%s edition) on PostgreSQL %s.%s, needed %s %s or later%s',
                needed.words, (SELECT substring(extversion FROM '^[^-]+') FROM pg_extension WHERE extname = 'timescaledb'),
                edition, postgres / 10000, postgres % 10000,
                CASE needed.needs WHEN 'Toolkit' THEN 'the extension timescaledb_toolkit' ELSE 'TimescaleDB' END,
                array_to_string(needed.since, '.'), CASE needed.needs WHEN 'Community' THEN ', Community edition' END
            ),
            CASE
                WHEN needed.needs = 'Community' AND edition <> 'Community' THEN
                    'Run a server with the Community edition (timescaledb.license = timescale).'
                WHEN installed IS NULL THEN format('CREATE EXTENSION %I', extension)
                ELSE format('ALTER EXTENSION %I UPDATE', extension)
            END,
            column_name => feature
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.require_feature(TEXT) IS 'Raises an error unless this database has a TimescaleDB with the feature.';

CREATE OR REPLACE FUNCTION diesel_timescale.has_feature(feature TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_feature(feature);
    RETURN true;
EXCEPTION WHEN feature_not_supported OR object_not_in_prerequisite_state THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION diesel_timescale.has_feature(TEXT) IS 'Whether this database has a TimescaleDB with the feature.';

CREATE OR REPLACE FUNCTION diesel_timescale.timescaledb_schema() RETURNS NAME
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_timescaledb();
    RETURN (SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb');
END
$$;
COMMENT ON FUNCTION diesel_timescale.timescaledb_schema() IS 'The schema of the functions of TimescaleDB. An error where this database has none.';

CREATE OR REPLACE FUNCTION diesel_timescale.hypertable_report(
    relation REGCLASS,
    OUT timescaledb_version TEXT,
    OUT timescaledb_license TEXT,
    OUT time_column NAME,
    OUT chunk_interval INTERVAL,
    OUT chunks BIGINT
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
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
COMMENT ON FUNCTION diesel_timescale.hypertable_report(REGCLASS) IS 'The release and edition of TimescaleDB in this database (null without it), and the time dimension of a table (null where it is no hypertable).';

-- A native foreign key to the table. Those that a partition has from its table go with that one.
CREATE OR REPLACE FUNCTION diesel_timescale.native_foreign_key(
    relation REGCLASS,
    OUT constraint_name NAME,
    OUT referencing REGCLASS
)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
BEGIN ATOMIC
    SELECT conname, conrelid
    FROM pg_constraint
    WHERE confrelid = relation AND contype = 'f' AND conparentid = 0
    ORDER BY conname
    LIMIT 1;
END;
COMMENT ON FUNCTION diesel_timescale.native_foreign_key(REGCLASS) IS 'A foreign key that references the table, and its table; nulls if there is none.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_native_foreign_key(relation REGCLASS) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    reference RECORD;
BEGIN
    SELECT * INTO reference FROM native_foreign_key(relation);
    IF reference.constraint_name IS NOT NULL THEN
        PERFORM refuse(
            'diesel_timescale:referenced_by_foreign_key', 'object_not_in_prerequisite_state',
            format('%s is referenced by the foreign key %I of %s', relation, reference.constraint_name, reference.referencing),
            format('ALTER TABLE %s DROP CONSTRAINT %I, and let references go to a plain table, that is filled by a trigger', reference.referencing, reference.constraint_name),
            detail => 'A native foreign key to a hypertable and retention exclude each other: depending on the release, drop_chunks is refused, or drops the foreign key without asking; before 2.21.1 rows that are right are refused as well.',
            relation => relation, column_name => reference.constraint_name
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_native_foreign_key(REGCLASS) IS 'Raises an error if a foreign key references the table.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_unique_index_without(time_column NAME, relation REGCLASS) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    lacking RECORD;
    remedy TEXT;
BEGIN
    SELECT
        class.relname,
        class.oid::REGCLASS AS qualified,
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
        AND (SELECT attnum FROM pg_attribute WHERE attrelid = relation AND attname = time_column) <> ALL (index.indkey[:index.indnkeyatts - 1])
    ORDER BY index.indisprimary DESC, class.relname
    LIMIT 1;
    IF FOUND THEN
        remedy := CASE
            WHEN lacking.is_special THEN
                format('Drop it, or add %I to it', time_column)
            WHEN lacking.contype = 'p' THEN
                format('ALTER TABLE %s DROP CONSTRAINT %I, ADD PRIMARY KEY (%s, %I)', relation, lacking.conname, lacking.columns, time_column)
            WHEN lacking.contype = 'u' THEN
                format('ALTER TABLE %s DROP CONSTRAINT %I, ADD UNIQUE (%s, %I)', relation, lacking.conname, lacking.columns, time_column)
            ELSE
                format(
                    'DROP INDEX %s; CREATE UNIQUE INDEX %I ON %s (%s, %I)',
                    lacking.qualified, lacking.relname, relation, lacking.columns, time_column
                )
        END;
        PERFORM refuse(
            'diesel_timescale:unique_index_lacks_time', 'object_not_in_prerequisite_state',
            format('the unique index %I of %s lacks the partition column %I', lacking.relname, relation, time_column),
            remedy,
            detail => 'A hypertable can only keep a key unique that contains the partition column.',
            relation => relation, column_name => lacking.relname
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_unique_index_without(NAME, REGCLASS) IS 'Raises an error with the remedy if a unique index of the table lacks the column.';

-- Everything that create_hypertable would refuse, or accept and break later, found before anything changes.
CREATE OR REPLACE FUNCTION diesel_timescale.check_hypertable_candidate(relation REGCLASS, time_column NAME, migrate_data BOOLEAN) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    time_attribute pg_attribute;
    has_rows BOOLEAN;
BEGIN
    SELECT * INTO time_attribute
    FROM pg_attribute
    WHERE attrelid = relation AND attname = time_column AND attnum > 0 AND NOT attisdropped;
    IF time_attribute IS NULL OR time_attribute.atttypid <> 'timestamptz'::REGTYPE THEN
        PERFORM refuse(
            'diesel_timescale:no_time_column', 'undefined_column',
            format('%s has no column %I of type timestamp with time zone', relation, time_column),
            'Partition on a timestamptz column.',
            relation => relation, column_name => time_column
        );
    END IF;

    IF (SELECT relkind <> 'r' OR relpersistence <> 'p' FROM pg_class WHERE oid = relation)
        OR EXISTS (SELECT FROM pg_inherits WHERE relation IN (inhparent, inhrelid))
    THEN
        PERFORM refuse(
            'diesel_timescale:not_a_table', 'wrong_object_type',
            format('%s is not an ordinary table: a view, or partitioned, inherited, temporary or unlogged', relation),
            'Create an ordinary table, and move the rows there.',
            relation => relation
        );
    END IF;

    PERFORM refuse_native_foreign_key(relation);
    PERFORM refuse_unique_index_without(time_column, relation);
    IF NOT migrate_data THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation) INTO has_rows;
        IF has_rows THEN
            PERFORM refuse(
                'diesel_timescale:table_not_empty', 'object_not_in_prerequisite_state',
                format('%s is not empty', relation),
                'Set migrate_data to migrate its rows; the table is locked meanwhile.',
                relation => relation
            );
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.check_hypertable_candidate(REGCLASS, NAME, BOOLEAN) IS 'Raises an error that names the obstacle and the remedy if the table cannot become a hypertable on the column.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_chunk_interval(relation REGCLASS, chunk_interval INTERVAL) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF chunk_interval <= INTERVAL '0' THEN
        PERFORM refuse(
            'diesel_timescale:chunk_interval', 'invalid_parameter_value',
            format('a chunk cannot cover %s', chunk_interval),
            'Give an interval of a microsecond or more; hours to weeks are usual.',
            relation => relation
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_chunk_interval(REGCLASS, INTERVAL) IS 'Raises an error if a chunk cannot cover the interval.';

CREATE OR REPLACE FUNCTION diesel_timescale.convert_to_hypertable(
    relation REGCLASS,
    time_column NAME,
    chunk_interval INTERVAL,
    default_indexes BOOLEAN,
    migrate_data BOOLEAN
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    truncate_trigger RECORD;
    truncate_triggers TEXT[] := '{}';
    definition TEXT;
BEGIN
    -- Moving rows truncates the table, which is no reason to do what TRUNCATE triggers do: those of a table
    -- whose rows are referenced would clear every reference. The transaction that this is in holds the table locked.
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
            timescaledb_schema()
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
COMMENT ON FUNCTION diesel_timescale.convert_to_hypertable(REGCLASS, NAME, INTERVAL, BOOLEAN, BOOLEAN) IS 'Makes a table that has been checked and is locked a hypertable. Its TRUNCATE triggers do not fire when rows are moved.';

CREATE OR REPLACE FUNCTION diesel_timescale.setup_hypertable(
    relation REGCLASS,
    time_column NAME,
    chunk_interval INTERVAL DEFAULT NULL,
    if_not_exists BOOLEAN DEFAULT true,
    migrate_data BOOLEAN DEFAULT false,
    default_indexes BOOLEAN DEFAULT true,
    allow_plain_table BOOLEAN DEFAULT false,
    create_extension BOOLEAN DEFAULT false,
    OUT outcome TEXT,
    OUT timescaledb_version TEXT,
    OUT timescaledb_license TEXT,
    OUT current_chunk_interval INTERVAL,
    OUT chunks BIGINT,
    OUT ignored_chunk_interval INTERVAL
)
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present RECORD;
BEGIN
    PERFORM refuse_chunk_interval(relation, chunk_interval);
    IF allow_plain_table AND NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
        outcome := 'plain_table';
        RETURN;
    END IF;
    IF create_extension THEN
        PERFORM create_timescaledb((SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = relation));
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
        PERFORM convert_to_hypertable(relation, time_column, chunk_interval, default_indexes, migrate_data);
        outcome := 'created';
        present := hypertable_report(relation);
    ELSIF present.time_column <> time_column THEN
        PERFORM refuse(
            'diesel_timescale:other_time_column', 'object_not_in_prerequisite_state',
            format('%s is a hypertable on %I already, not on %I', relation, present.time_column, time_column),
            format('Set it up on %I, or create the table again.', present.time_column),
            relation => relation, column_name => present.time_column
        );
    ELSIF NOT if_not_exists THEN
        PERFORM refuse(
            'diesel_timescale:already_a_hypertable', 'duplicate_object',
            format('%s is a hypertable already', relation),
            'Set if_not_exists to accept it.',
            relation => relation
        );
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
COMMENT ON FUNCTION diesel_timescale.setup_hypertable(REGCLASS, NAME, INTERVAL, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN) IS 'Makes a table a hypertable on a timestamptz column, or finds that it is one. The outcome is created, already_there, or plain_table where the caller accepts one on plain PostgreSQL. A hypertable that is there keeps its chunk interval: another one that was asked for is returned as ignored_chunk_interval.';
