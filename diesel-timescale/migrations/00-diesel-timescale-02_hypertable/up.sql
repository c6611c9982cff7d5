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
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb');
END
$$;
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
        ('InsertNotifications', 'notifications of new rows of a hypertable', 'Apache', ARRAY[2, 18]),
        ('DirectCompress', 'direct compress', 'Community', ARRAY[2, 23]),
        ('DirectCompressOfTable', 'direct compress as a setting of the table', 'Community', ARRAY[2, 29]),
        ('Jobs', 'jobs and policies', 'Community', ARRAY[2, 17]),
        ('RetentionByCreation', 'retention by creation', 'Community', ARRAY[2, 27]),
        ('ChunkSkipping', 'chunk skipping', 'Community', ARRAY[2, 17]),
        ('MoveChunks', 'moving and reordering of chunks', 'Community', ARRAY[2, 17]),
        ('MergeChunks', 'merging of chunks', 'Community', ARRAY[2, 18]),
        ('SplitChunks', 'splitting of chunks', 'Community', ARRAY[2, 20]),
        ('AttachChunks', 'attaching and detaching of chunks', 'Community', ARRAY[2, 21]),
        ('CreateTableWith', 'hypertables made by CREATE TABLE', 'Apache', ARRAY[2, 21]),
        ('ContinuousAggregates', 'continuous aggregates', 'Community', ARRAY[2, 17]),
        ('AggregateWindows', 'window functions in continuous aggregates', 'Community', ARRAY[2, 20]),
        ('AggregateColumns', 'columns added to a continuous aggregate', 'Community', ARRAY[2, 28]),
        ('ForcedRefresh', 'forced refresh', 'Community', ARRAY[2, 18]),
        ('RefreshBatches', 'refresh policies in batches', 'Community', ARRAY[2, 19]),
        ('RefreshOrder', 'order of the batches of a refresh policy', 'Community', ARRAY[2, 20]),
        ('SeveralRefreshPolicies', 'several refresh policies', 'Community', ARRAY[2, 21]),
        ('RefreshInBatches', 'refresh in batches', 'Community', ARRAY[2, 28]),
        ('GranularRefresh', 'granular refresh', 'Community', ARRAY[2, 30]),
        ('Gapfill', 'gap filling', 'Community', ARRAY[2, 17]),
        ('UuidV7', 'UUIDv7 functions', 'Apache', ARRAY[2, 22]),
        ('UuidTime', 'hypertables on UUIDv7', 'Apache', ARRAY[2, 25]),
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

CREATE OR REPLACE FUNCTION diesel_timescale.hypertable_of(relation REGCLASS) RETURNS REGCLASS
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
    RETURN coalesce(
        (
            SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::REGCLASS
            FROM timescaledb_information.continuous_aggregates
            WHERE view_schema = place.nspname AND view_name = place.relname
        ),
        (SELECT relation FROM timescaledb_information.hypertables WHERE hypertable_schema = place.nspname AND hypertable_name = place.relname),
        -- What a continuous aggregate keeps its rows in is not among them.
        (
            SELECT relation
            FROM timescaledb_information.continuous_aggregates
            WHERE materialization_hypertable_schema = place.nspname AND materialization_hypertable_name = place.relname
        )
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.hypertable_of(REGCLASS) IS 'The hypertable that a relation is, or that a continuous aggregate keeps its rows in; null if it is neither.';

CREATE OR REPLACE FUNCTION diesel_timescale.hypertable_id(relation REGCLASS) RETURNS INT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT h.id
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN _timescaledb_catalog.hypertable AS h ON h.schema_name = n.nspname AND h.table_name = c.relname
        WHERE c.oid = relation
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.hypertable_id(REGCLASS) IS 'The number that a hypertable has in the catalog of the extension; null if it is none.';

CREATE OR REPLACE FUNCTION diesel_timescale.hypertable_report(
    relation REGCLASS,
    OUT timescaledb_version TEXT,
    OUT timescaledb_license TEXT,
    OUT time_column NAME,
    OUT chunk_interval INTERVAL,
    OUT chunks BIGINT,
    OUT integer_interval BIGINT,
    OUT time_type REGTYPE,
    OUT integer_now TEXT
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    timescaledb_version := (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb');
    timescaledb_license := current_setting('timescaledb.license', true);
    IF timescaledb_version IS NOT NULL THEN
        SELECT d.column_name, d.time_interval, d.integer_interval, d.column_type, d.integer_now_func,
            coalesce(
                (SELECT num_chunks FROM timescaledb_information.hypertables AS h WHERE h.hypertable_schema = n.nspname AND h.hypertable_name = c.relname),
                (SELECT count(*) FROM timescaledb_information.chunks AS k WHERE k.hypertable_schema = n.nspname AND k.hypertable_name = c.relname)
            )
        INTO time_column, chunk_interval, integer_interval, time_type, integer_now, chunks
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN timescaledb_information.dimensions AS d
            ON d.hypertable_schema = n.nspname AND d.hypertable_name = c.relname AND d.dimension_number = 1
        WHERE c.oid = hypertable_of(relation);
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.hypertable_report(REGCLASS) IS 'The release and edition of TimescaleDB in this database (null without it), and the time dimension of a hypertable or continuous aggregate (null where it is neither).';

-- Moments. A function takes one as an instant and, for columns that count units, as a number. This makes an expression of
-- the type of the column of that.
CREATE OR REPLACE FUNCTION diesel_timescale.moment_as(time_type REGTYPE, instant TEXT, count TEXT) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN CASE time_type
        WHEN 'timestamptz'::REGTYPE THEN instant
        WHEN 'timestamp'::REGTYPE THEN format('(%s AT TIME ZONE ''UTC'')', instant)
        WHEN 'date'::REGTYPE THEN format('(%s AT TIME ZONE ''UTC'')::DATE', instant)
        WHEN 'uuid'::REGTYPE THEN format('%I.to_uuidv7_boundary(%s)', timescaledb_schema(), instant)
        ELSE format('%s::%s', count, time_type)
    END;
END
$$;
COMMENT ON FUNCTION diesel_timescale.moment_as(REGTYPE, TEXT, TEXT) IS 'An expression of the type of a time column, made of two: an instant, and a number for a type that counts units. A UUID is the first of its millisecond.';

CREATE OR REPLACE FUNCTION diesel_timescale.length_as(time_type REGTYPE, length TEXT, count TEXT) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN CASE WHEN time_type IN ('smallint'::REGTYPE, 'integer'::REGTYPE, 'bigint'::REGTYPE) THEN format('%s::%s', count, time_type) ELSE length END;
COMMENT ON FUNCTION diesel_timescale.length_as(REGTYPE, TEXT, TEXT) IS 'An expression for a length of time in a time column, made of two: an interval, and a number for a type that counts units.';

CREATE OR REPLACE FUNCTION diesel_timescale.time_type_of(relation REGCLASS) RETURNS REGTYPE
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT REGTYPE := (hypertable_report(relation)).time_type;
BEGIN
    IF present IS NULL THEN
        PERFORM refuse(
            'diesel_timescale:not_a_hypertable', 'wrong_object_type',
            format('%s is no hypertable, and no continuous aggregate', relation),
            'Make it one first: hypertable(), or diesel_timescale.setup_hypertable().',
            relation => relation
        );
    ELSIF present = 'uuid'::REGTYPE THEN
        PERFORM require_feature('UuidTime');
    END IF;
    RETURN present;
END
$$;
COMMENT ON FUNCTION diesel_timescale.time_type_of(REGCLASS) IS 'The type of the time column of a hypertable or continuous aggregate. An error if it is neither.';

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
CREATE OR REPLACE FUNCTION diesel_timescale.check_hypertable_candidate(relation REGCLASS, time_column NAME, time_type REGTYPE, migrate_data BOOLEAN) RETURNS VOID
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
    IF time_attribute IS NULL OR time_attribute.atttypid::REGTYPE NOT IN ('timestamptz', 'timestamp', 'date', 'smallint', 'integer', 'bigint', 'uuid') THEN
        PERFORM refuse(
            'diesel_timescale:no_time_column', 'undefined_column',
            format('%s has no column %I that it can be partitioned on', relation, time_column),
            'Partition on a column of the type timestamptz, timestamp, date, smallint, integer, bigint or uuid.',
            relation => relation, column_name => time_column
        );
    ELSIF time_attribute.atttypid <> time_type THEN
        PERFORM refuse(
            'diesel_timescale:no_time_column', 'undefined_column',
            format('%s has no column %I of type %s: it is of type %s', relation, time_column, time_type, time_attribute.atttypid::REGTYPE),
            'Declare the column as it is in the database.',
            relation => relation, column_name => time_column
        );
    ELSIF time_attribute.atttypid = 'uuid'::REGTYPE THEN
        PERFORM require_feature('UuidTime');
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
COMMENT ON FUNCTION diesel_timescale.check_hypertable_candidate(REGCLASS, NAME, REGTYPE, BOOLEAN) IS 'Raises an error that names the obstacle and the remedy if the table cannot become a hypertable on the column.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_chunk_interval(
    relation REGCLASS, time_type REGTYPE, chunk_interval INTERVAL, integer_interval BIGINT
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    is_integer CONSTANT BOOLEAN := time_type IN ('smallint', 'integer', 'bigint');
    largest CONSTANT BIGINT := CASE time_type WHEN 'smallint'::REGTYPE THEN 32767 WHEN 'integer'::REGTYPE THEN 2147483647 END;
    problem TEXT;
    remedy TEXT := 'Give an interval of a microsecond or more; hours to weeks are usual.';
BEGIN
    IF chunk_interval <= INTERVAL '0' OR integer_interval <= 0 THEN
        problem := format('a chunk cannot cover %s', coalesce(chunk_interval::TEXT, integer_interval::TEXT));
        remedy := CASE WHEN is_integer THEN 'Give a number above zero: that of the units in hours to weeks is usual.' ELSE remedy END;
    ELSIF is_integer AND chunk_interval IS NOT NULL OR NOT is_integer AND integer_interval IS NOT NULL THEN
        problem := format('the time column of %s is of the type %s, and a chunk of it cannot cover %s', relation, time_type, coalesce(chunk_interval::TEXT, integer_interval::TEXT));
        remedy := CASE WHEN is_integer THEN 'Give a number of units.' ELSE 'Give a length of time.' END;
    ELSIF integer_interval > largest THEN
        problem := format('a chunk of %s cannot cover %s: its time column is of the type %s', relation, integer_interval, time_type);
        remedy := format('Give a number up to %s.', largest);
    ELSIF time_type = 'date'::REGTYPE AND extract(epoch FROM chunk_interval) % 86400 <> 0 THEN
        problem := format('a chunk of %s cannot cover %s: its time column is a date', relation, chunk_interval);
        remedy := 'Give a multiple of one day.';
    ELSE
        RETURN;
    END IF;
    PERFORM refuse('diesel_timescale:chunk_interval', 'invalid_parameter_value', problem, remedy, relation => relation);
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_chunk_interval(REGCLASS, REGTYPE, INTERVAL, BIGINT) IS 'Raises an error if a chunk of a table with a time column of this type cannot cover the interval, which is a length of time or a number of units.';

CREATE OR REPLACE FUNCTION diesel_timescale.convert_to_hypertable(
    relation REGCLASS,
    time_column NAME,
    chunk_interval ANYELEMENT,
    default_indexes BOOLEAN,
    migrate_data BOOLEAN
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
-- The server warns of timestamp without time zone.
SET client_min_messages TO error
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
COMMENT ON FUNCTION diesel_timescale.convert_to_hypertable(REGCLASS, NAME, ANYELEMENT, BOOLEAN, BOOLEAN) IS 'Makes a table that has been checked and is locked a hypertable. Its TRUNCATE triggers do not fire when rows are moved.';

-- The present of a column that counts units.
CREATE OR REPLACE FUNCTION diesel_timescale.create_integer_now(hypertable REGCLASS, time_type REGTYPE, unit BIGINT) RETURNS TEXT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    place RECORD;
    function_name TEXT;
    present OID;
    -- The length of the unit in nanoseconds.
    expression CONSTANT TEXT := format('floor(extract(epoch FROM now()) * 1000000000 / %s)::%s', unit, time_type);
    marked CONSTANT TEXT := format('The present in the time column of %s: how many units of %s ns since 1970-01-01 00:00 UTC. Made by set_integer_now().', qualified_name(hypertable), unit);
    problem TEXT;
    remedy TEXT;
BEGIN
    SELECT nspname, relname, relowner::REGROLE AS owner INTO place FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = hypertable;
    function_name := format('%I.%I', place.nspname, short_name(place.relname, '_now'));
    present := to_regprocedure(function_name || '()');
    IF unit <= 0 THEN
        problem := format('a unit cannot be %s nanoseconds long', unit);
        remedy := 'Give a length above zero.';
    ELSIF present IS NOT NULL AND coalesce(obj_description(present, 'pg_proc'), '') NOT LIKE '% Made by set\_integer\_now().' THEN
        problem := format('another function %s is there', function_name);
        remedy := 'Rename it; or, if it tells the present, name it: set_integer_now_func().';
    ELSE
        BEGIN
            EXECUTE 'SELECT ' || expression;
        EXCEPTION WHEN numeric_value_out_of_range THEN
            problem := format('the present in units of %s nanoseconds does not fit into the type %s', unit, time_type);
            remedy := 'Choose a longer unit or a wider type; or, if the count does not begin in 1970, write a function and name it: set_integer_now_func().';
        END;
    END IF;
    IF problem IS NOT NULL THEN
        PERFORM refuse('diesel_timescale:integer_now', 'invalid_parameter_value', problem, remedy, relation => hypertable);
    END IF;
    IF obj_description(present, 'pg_proc') IS DISTINCT FROM marked THEN
        EXECUTE format('CREATE OR REPLACE FUNCTION %s() RETURNS %s LANGUAGE sql STABLE RETURN %s', function_name, time_type, expression);
        EXECUTE format('COMMENT ON FUNCTION %s() IS %L', function_name, marked);
        IF place.owner <> current_user::REGROLE THEN
            EXECUTE format('ALTER FUNCTION %s() OWNER TO %s', function_name, place.owner);
        END IF;
    END IF;
    RETURN function_name;
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_integer_now(REGCLASS, REGTYPE, BIGINT) IS 'Creates the function that tells the present of a time column that counts units of this many nanoseconds, or finds it, and returns its name.';

CREATE OR REPLACE FUNCTION diesel_timescale.set_integer_now(
    relation REGCLASS, unit BIGINT, function_name TEXT,
    -- What the name means.
    function_search_path TEXT DEFAULT current_setting('search_path')
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    time_type CONSTANT REGTYPE := time_type_of(relation);
    function REGPROC;
BEGIN
    IF unit IS NOT NULL THEN
        function := create_integer_now(relation, time_type, unit)::REGPROC;
    ELSE
        PERFORM set_config('search_path', function_search_path, true);
        function := function_name::REGPROC;
        PERFORM set_config('search_path', 'pg_catalog, diesel_timescale, pg_temp', true);
    END IF;
    EXECUTE format('SELECT %I.set_integer_now_func($1, $2, replace_if_exists => true)', timescaledb_schema()) USING relation, function;
END
$$;
COMMENT ON FUNCTION diesel_timescale.set_integer_now(REGCLASS, BIGINT, TEXT, TEXT) IS 'Lets the policies of a hypertable whose time column counts units go by a function that tells the present: one that is made for units of this many nanoseconds, or the one that is named.';

CREATE OR REPLACE FUNCTION diesel_timescale.require_integer_now(relation REGCLASS) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    time_type CONSTANT REGTYPE := time_type_of(relation);
BEGIN
    -- A continuous aggregate goes by the function of its hypertable.
    IF time_type IN ('smallint', 'integer', 'bigint') AND hypertable_of(relation) = relation AND (hypertable_report(relation)).integer_now IS NULL THEN
        PERFORM refuse(
            'diesel_timescale:no_integer_now', 'object_not_in_prerequisite_state',
            format('the server does not know the present of %s: its time column counts units', relation),
            'Tell how long a unit is: set_integer_now(), or diesel_timescale.set_integer_now().',
            relation => relation
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.require_integer_now(REGCLASS) IS 'Raises an error if the time column of a hypertable counts units and no function tells its present.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_present_hypertable(relation REGCLASS, present_column NAME, time_column NAME, if_not_exists BOOLEAN) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF present_column <> time_column THEN
        PERFORM refuse(
            'diesel_timescale:other_time_column', 'object_not_in_prerequisite_state',
            format('%s is a hypertable on %I already, not on %I', relation, present_column, time_column),
            format('Set it up on %I, or create the table again.', present_column),
            relation => relation, column_name => present_column
        );
    ELSIF NOT if_not_exists THEN
        PERFORM refuse(
            'diesel_timescale:already_a_hypertable', 'duplicate_object',
            format('%s is a hypertable already', relation),
            'Set if_not_exists to accept it.',
            relation => relation
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_present_hypertable(REGCLASS, NAME, NAME, BOOLEAN) IS 'Raises an error if the table is a hypertable on another column, or must not be one.';

CREATE OR REPLACE FUNCTION diesel_timescale.create_hypertable(
    relation REGCLASS, time_column NAME, declared_type REGTYPE, chunk_interval INTERVAL, integer_interval BIGINT, default_indexes BOOLEAN, migrate_data BOOLEAN
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    time_type REGTYPE;
BEGIN
    PERFORM check_hypertable_candidate(relation, time_column, declared_type, migrate_data);
    time_type := (SELECT atttypid FROM pg_attribute WHERE attrelid = relation AND attname = time_column);
    PERFORM refuse_chunk_interval(relation, time_type, chunk_interval, integer_interval);
    IF time_type NOT IN ('smallint', 'integer', 'bigint') THEN
        PERFORM convert_to_hypertable(relation, time_column, chunk_interval, default_indexes, migrate_data);
    ELSIF integer_interval IS NOT NULL THEN
        PERFORM convert_to_hypertable(relation, time_column, integer_interval, default_indexes, migrate_data);
    ELSE
        PERFORM refuse(
            'diesel_timescale:chunk_interval', 'invalid_parameter_value',
            format('%s.%I counts units, and nothing says how many of them a chunk covers', relation, time_column),
            'Give the number of units in hours to weeks.',
            relation => relation
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.create_hypertable(REGCLASS, NAME, REGTYPE, INTERVAL, BIGINT, BOOLEAN, BOOLEAN) IS 'Makes a table that is locked a hypertable, or raises an error that names the obstacle.';

CREATE OR REPLACE FUNCTION diesel_timescale.foreign_key_fixes(relation REGCLASS) RETURNS TEXT[]
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN ARRAY(
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::REGCLASS, conname)
    FROM pg_constraint
    WHERE confrelid = relation AND contype = 'f' AND conparentid = 0
    ORDER BY conname
);
COMMENT ON FUNCTION diesel_timescale.foreign_key_fixes(REGCLASS) IS 'Statements that drop the native foreign keys to a table, which break with retention where it is a hypertable.';

CREATE OR REPLACE FUNCTION diesel_timescale.setup_hypertable(
    relation REGCLASS,
    time_column NAME,
    chunk_interval INTERVAL DEFAULT NULL,
    if_not_exists BOOLEAN DEFAULT true,
    migrate_data BOOLEAN DEFAULT false,
    default_indexes BOOLEAN DEFAULT true,
    allow_plain_table BOOLEAN DEFAULT false,
    create_extension BOOLEAN DEFAULT false,
    integer_interval BIGINT DEFAULT NULL,
    integer_now_unit BIGINT DEFAULT NULL,
    time_type REGTYPE DEFAULT NULL,
    OUT outcome TEXT,
    OUT timescaledb_version TEXT,
    OUT timescaledb_license TEXT,
    OUT current_chunk_interval INTERVAL,
    OUT current_integer_interval BIGINT,
    OUT chunks BIGINT,
    OUT ignored_chunk_interval INTERVAL,
    OUT ignored_integer_interval BIGINT,
    OUT foreign_key_fixes TEXT[]
)
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present RECORD;
BEGIN
    PERFORM refuse_chunk_interval(relation, time_type, chunk_interval, integer_interval);
    foreign_key_fixes := '{}';
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
        PERFORM create_hypertable(relation, time_column, time_type, chunk_interval, integer_interval, default_indexes, migrate_data);
        outcome := 'created';
        present := hypertable_report(relation);
    ELSE
        PERFORM refuse_present_hypertable(relation, present.time_column, time_column, if_not_exists);
        outcome := 'already_there';
        ignored_chunk_interval := nullif(chunk_interval, present.chunk_interval);
        ignored_integer_interval := nullif(integer_interval, present.integer_interval);
        foreign_key_fixes := foreign_key_fixes(relation);
    END IF;
    IF integer_now_unit IS NOT NULL THEN
        PERFORM set_integer_now(relation, integer_now_unit, NULL);
    END IF;

    timescaledb_version := present.timescaledb_version;
    timescaledb_license := present.timescaledb_license;
    current_chunk_interval := present.chunk_interval;
    current_integer_interval := present.integer_interval;
    chunks := present.chunks;
END
$$;
COMMENT ON FUNCTION diesel_timescale.setup_hypertable(REGCLASS, NAME, INTERVAL, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN, BIGINT, BIGINT, REGTYPE) IS 'Makes a table a hypertable on a time column, or finds that it is one. The outcome is created, already_there, or plain_table where the caller accepts one on plain PostgreSQL. A column that counts units takes its chunk interval as integer_interval, and the length of a unit in nanoseconds for the function that tells its present. A hypertable that is there keeps its chunk interval: another one that was asked for is returned as ignored. foreign_key_fixes drop the native foreign keys to it.';
