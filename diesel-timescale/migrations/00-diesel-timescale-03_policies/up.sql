-- Chunks, the columnstore, retention and jobs, for any hypertable.
--
-- These functions call what TimescaleDB names differently from release to release, so that a client's statement is the
-- same on all of them. The extension may be in any schema, so its functions are called with it. The functions are
-- installed on every server; a feature that the server lacks is an error when it is used.

CREATE OR REPLACE FUNCTION diesel_timescale.timescaledb_names_columnstore() RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN EXISTS (
    SELECT FROM pg_proc
    WHERE proname = 'convert_to_columnstore' AND pronamespace = (SELECT extnamespace FROM pg_extension WHERE extname = 'timescaledb')
);
COMMENT ON FUNCTION diesel_timescale.timescaledb_names_columnstore() IS 'Whether this release calls it columnstore (2.18 and later) rather than compression.';

CREATE OR REPLACE FUNCTION diesel_timescale.is_reference_target(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN EXISTS (
    SELECT FROM pg_trigger
    -- AFTER DELETE, for each row.
    WHERE tgrelid = relation AND NOT tgisinternal AND tgname LIKE '%\_release\_references' AND tgtype & 75 = 9
);
COMMENT ON FUNCTION diesel_timescale.is_reference_target(REGCLASS) IS 'Whether references to the rows of the table are kept by triggers on it, which drop_chunks does not fire.';

-- drop_chunks fires no trigger. What refers to rows of a table must be cleared, or the table must not lose chunks.
CREATE OR REPLACE FUNCTION diesel_timescale.refuse_loss_of_referenced_rows(relation REGCLASS, operation TEXT) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    reference RECORD;
BEGIN
    IF is_reference_target(relation) THEN
        PERFORM refuse(
            'diesel_timescale:loss_of_referenced_rows', 'object_not_in_prerequisite_state',
            format('%s of %s would leave references to rows that are gone', operation, relation),
            format('Use retention that clears the references in the same transaction: diesel_timescale.drop_referenced_rows_before(%L, ...), or its job.', qualified_name(relation)),
            relation => relation
        );
    END IF;
    -- Nobody adds a foreign key between this look and the end of the transaction; writes go on. None goes to a view.
    IF (SELECT relkind FROM pg_class WHERE oid = relation) = 'r' THEN
        EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', relation);
    END IF;
    SELECT * INTO reference FROM native_foreign_key(relation);
    IF reference.constraint_name IS NOT NULL THEN
        PERFORM refuse(
            'diesel_timescale:loss_of_referenced_rows', 'object_not_in_prerequisite_state',
            format('%s of %s does not go with the foreign key %I of %s', operation, relation, reference.constraint_name, reference.referencing),
            format('Depending on the release it fails for ever, or the foreign key is dropped without asking: ALTER TABLE %s DROP CONSTRAINT %I first.', reference.referencing, reference.constraint_name),
            relation => relation
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_loss_of_referenced_rows(REGCLASS, TEXT) IS 'Raises an error if something references the rows of the table, so that dropping its chunks would leave references to nothing.';

CREATE OR REPLACE FUNCTION diesel_timescale.change_chunk_interval(
    relation REGCLASS, INOUT chunk_interval INTERVAL DEFAULT NULL, INOUT integer_interval BIGINT DEFAULT NULL
)
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present RECORD;
BEGIN
    PERFORM refuse_chunk_interval(relation, time_type_of(relation), chunk_interval, integer_interval);
    IF integer_interval IS NULL THEN
        EXECUTE format('SELECT %I.set_chunk_time_interval($1, $2)', timescaledb_schema()) USING relation, chunk_interval;
    ELSE
        EXECUTE format('SELECT %I.set_chunk_time_interval($1, $2)', timescaledb_schema()) USING relation, integer_interval;
    END IF;
    present := hypertable_report(relation);
    chunk_interval := present.chunk_interval;
    integer_interval := present.integer_interval;
END
$$;
COMMENT ON FUNCTION diesel_timescale.change_chunk_interval(REGCLASS, INTERVAL, BIGINT) IS 'Sets how much time, or how many units, new chunks of a hypertable cover. Chunks that are there stay as they are.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_hash_dimension(relation REGCLASS, column_name NAME, partitions INT) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    was_created BOOLEAN;
BEGIN
    EXECUTE format('SELECT created FROM %1$I.add_dimension($1, %1$I.by_hash($2, $3), if_not_exists => true)', timescaledb_schema())
        INTO was_created USING relation, column_name, partitions;
    RETURN was_created;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_hash_dimension(REGCLASS, NAME, INT) IS 'Spreads the chunks of a hypertable that is empty by the hash of a column as well. False if it is so already.';

CREATE OR REPLACE FUNCTION diesel_timescale.chunk_ranges(relation REGCLASS)
RETURNS TABLE (
    chunk TEXT, range_start TIMESTAMPTZ, range_end TIMESTAMPTZ, range_start_integer BIGINT, range_end_integer BIGINT, is_columnstore BOOLEAN
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM time_type_of(relation);
    RETURN QUERY
        SELECT
            format('%I.%I', c.chunk_schema, c.chunk_name),
            CASE WHEN isfinite(c.range_start) THEN c.range_start END,
            CASE WHEN isfinite(c.range_end) THEN c.range_end END,
            nullif(c.range_start_integer, -9223372036854775808),
            nullif(c.range_end_integer, 9223372036854775807),
            c.is_compressed
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        JOIN timescaledb_information.chunks AS c ON c.hypertable_schema = nspname AND c.hypertable_name = relname
        WHERE pg_class.oid = hypertable_of(relation);
END
$$;
COMMENT ON FUNCTION diesel_timescale.chunk_ranges(REGCLASS) IS 'The chunks of a hypertable or continuous aggregate, with the time that each covers: instants, of UTC where the column has no time zone, or numbers where it counts units. Null is no bound.';

CREATE OR REPLACE FUNCTION diesel_timescale.chunks_within(
    relation REGCLASS,
    newer_than TIMESTAMPTZ DEFAULT NULL, newer_than_integer BIGINT DEFAULT NULL,
    older_than TIMESTAMPTZ DEFAULT NULL, older_than_integer BIGINT DEFAULT NULL
)
RETURNS TABLE (
    chunk TEXT, range_start TIMESTAMPTZ, range_end TIMESTAMPTZ, range_start_integer BIGINT, range_end_integer BIGINT, is_columnstore BOOLEAN
)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    SELECT *
    FROM chunk_ranges(relation) AS c
    WHERE (older_than IS NULL OR c.range_end <= older_than)
        AND (older_than_integer IS NULL OR c.range_end_integer <= older_than_integer)
        AND (newer_than IS NULL OR c.range_start >= newer_than)
        AND (newer_than_integer IS NULL OR c.range_start_integer >= newer_than_integer)
    ORDER BY c.range_start NULLS FIRST, c.range_start_integer NULLS FIRST, c.chunk
$$;
COMMENT ON FUNCTION diesel_timescale.chunks_within(REGCLASS, TIMESTAMPTZ, BIGINT, TIMESTAMPTZ, BIGINT) IS 'The chunks of a hypertable or continuous aggregate that lie in a range of time whole, oldest first.';

CREATE OR REPLACE FUNCTION diesel_timescale.drop_chunks_before(relation REGCLASS, older_than TIMESTAMPTZ, older_than_integer BIGINT DEFAULT NULL) RETURNS BIGINT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    -- The server takes an instant for a UUID.
    time_type CONSTANT REGTYPE := replace(time_type_of(relation)::TEXT, 'uuid', 'timestamptz');
    dropped BIGINT;
BEGIN
    PERFORM refuse_loss_of_referenced_rows(relation, 'dropping chunks');
    EXECUTE format('SELECT count(*) FROM %I.drop_chunks($1, older_than => %s)', timescaledb_schema(), moment_as(time_type, '$2', '$3'))
        INTO dropped USING relation, older_than, older_than_integer;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION diesel_timescale.drop_chunks_before(REGCLASS, TIMESTAMPTZ, BIGINT) IS 'Drops the chunks that end by the moment, which is a number where the time column counts units, and returns how many. Refused where something references the rows.';

-- The columnstore.
CREATE OR REPLACE FUNCTION diesel_timescale.enable_columnstore(
    relation REGCLASS,
    segment_by NAME[],
    order_by NAME[],
    descending BOOLEAN[],
    bloom NAME[] DEFAULT '{}',
    minmax NAME[] DEFAULT '{}'
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    names CONSTANT TEXT[] := CASE WHEN timescaledb_names_columnstore()
        THEN ARRAY['enable_columnstore', 'segmentby', 'orderby']
        ELSE ARRAY['compress', 'compress_segmentby', 'compress_orderby']
    END;
    sparse_indexes CONSTANT TEXT := (
        SELECT string_agg(index, ', ')
        FROM (
            SELECT format('bloom(%I)', c) FROM unnest(bloom) AS b (c)
            UNION ALL SELECT format('minmax(%I)', c) FROM unnest(minmax) AS m (c)
        ) AS indexes (index)
    );
BEGIN
    PERFORM require_timescaledb();
    IF sparse_indexes IS NOT NULL THEN
        PERFORM require_feature('SparseIndexes');
    ELSIF EXISTS (
        -- Releases without sparse indexes have no such column.
        SELECT FROM timescaledb_information.hypertable_compression_settings AS s
        WHERE s.hypertable = relation AND to_jsonb(s) #>> '{index}' LIKE '%"config"%'
    ) THEN
        EXECUTE format('ALTER TABLE %s RESET (timescaledb.sparse_index)', relation);
    END IF;
    EXECUTE format(
        'ALTER TABLE %s SET (timescaledb.%I = true, timescaledb.%I = %L%s%s)',
        relation,
        names[1],
        names[2],
        (SELECT coalesce(string_agg(quote_ident(c), ', ' ORDER BY n), '') FROM unnest(segment_by) WITH ORDINALITY AS s (c, n)),
        -- No order at all is the server's choice; it takes no empty one.
        (
            SELECT format(', timescaledb.%I = %L', names[3], string_agg(quote_ident(c) || CASE WHEN d THEN ' DESC' ELSE '' END, ', ' ORDER BY n))
            FROM unnest(order_by, descending) WITH ORDINALITY AS o (c, d, n)
            HAVING count(*) > 0
        ),
        CASE WHEN sparse_indexes IS NOT NULL THEN format(', timescaledb.sparse_index = %L', sparse_indexes) END
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.enable_columnstore(REGCLASS, NAME[], NAME[], BOOLEAN[], NAME[], NAME[]) IS 'Lets chunks of a hypertable be kept by columns: rows with the same segment_by together, in the order of order_by, with sparse indexes of the columns in bloom and minmax.';

CREATE OR REPLACE FUNCTION diesel_timescale.disable_columnstore(relation REGCLASS) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_timescaledb();
    EXECUTE format(
        'ALTER TABLE %s SET (timescaledb.%I = false)',
        relation, CASE WHEN timescaledb_names_columnstore() THEN 'enable_columnstore' ELSE 'compress' END
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.disable_columnstore(REGCLASS) IS 'Takes back enable_columnstore. Chunks must be in the rowstore.';

CREATE OR REPLACE FUNCTION diesel_timescale.convert_chunk(chunk REGCLASS, to_columnstore BOOLEAN) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    statement CONSTANT TEXT := CASE
        WHEN NOT timescaledb_names_columnstore() AND to_columnstore THEN 'SELECT %I.compress_chunk($1, true)'
        WHEN NOT timescaledb_names_columnstore() THEN 'SELECT %I.decompress_chunk($1, true)'
        WHEN to_columnstore THEN 'CALL %I.convert_to_columnstore($1, true)'
        ELSE 'CALL %I.convert_to_rowstore($1, true)'
    END;
BEGIN
    EXECUTE format(statement, timescaledb_schema()) USING chunk;
END
$$;
COMMENT ON FUNCTION diesel_timescale.convert_chunk(REGCLASS, BOOLEAN) IS 'Converts a chunk to the columnstore, or back to the rowstore. Does nothing if it is there already.';

CREATE OR REPLACE FUNCTION diesel_timescale.policy_job(relation REGCLASS, VARIADIC procedures NAME[]) RETURNS INT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT job_id
        FROM timescaledb_information.jobs
        JOIN pg_namespace ON nspname = hypertable_schema
        JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = hypertable_name
        -- Of a continuous aggregate the releases name the view, or what it keeps its rows in.
        WHERE pg_class.oid IN (relation, hypertable_of(relation)) AND proc_name = ANY (procedures)
        ORDER BY job_id
        LIMIT 1
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.policy_job(REGCLASS, NAME[]) IS 'The job of a policy of a hypertable, by the names of its procedure, or null.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_columnstore_policy(relation REGCLASS, convert_after INTERVAL DEFAULT NULL, integer_after BIGINT DEFAULT NULL) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    call CONSTANT TEXT := CASE WHEN timescaledb_names_columnstore() THEN 'CALL %I.add_columnstore_policy($1, %s)' ELSE 'SELECT %I.add_compression_policy($1, %s)' END;
BEGIN
    PERFORM require_integer_now(relation);
    PERFORM remove_columnstore_policy(relation);
    EXECUTE format(call, timescaledb_schema(), length_as(time_type_of(relation), '$2', '$3')) USING relation, convert_after, integer_after;
    RETURN policy_job(relation, 'policy_compression', 'policy_columnstore');
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_columnstore_policy(REGCLASS, INTERVAL, BIGINT) IS 'Converts chunks to the columnstore in the background once they are this old, a number where the time column counts units, and returns the job. Replaces an existing one.';

CREATE OR REPLACE FUNCTION diesel_timescale.remove_columnstore_policy(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT INT := policy_job(relation, 'policy_compression', 'policy_columnstore');
BEGIN
    IF present IS NULL THEN
        RETURN false;
    END IF;
    IF timescaledb_names_columnstore() THEN
        EXECUTE format('CALL %I.remove_columnstore_policy($1)', timescaledb_schema()) USING relation;
    ELSE
        EXECUTE format('SELECT %I.remove_compression_policy($1)', timescaledb_schema()) USING relation;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.remove_columnstore_policy(REGCLASS) IS 'Removes the columnstore policy of a hypertable. False if there is none.';

-- Retention, where nothing references the rows.
CREATE OR REPLACE FUNCTION diesel_timescale.refuse_retention_of_nothing(drop_after INTERVAL, integer_after BIGINT DEFAULT NULL) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF drop_after IS NULL AND integer_after IS NULL OR drop_after <= INTERVAL '0' OR integer_after <= 0 THEN
        PERFORM refuse(
            'diesel_timescale:retention_interval', 'invalid_parameter_value',
            format('retention cannot keep %s of data', coalesce(drop_after::TEXT, integer_after::TEXT, 'null')),
            'Give an interval above zero.'
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_retention_of_nothing(INTERVAL, BIGINT) IS 'Raises an error if retention would keep nothing.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_retention_policy(relation REGCLASS, drop_after INTERVAL DEFAULT NULL, integer_after BIGINT DEFAULT NULL) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    job INT;
BEGIN
    PERFORM refuse_retention_of_nothing(drop_after, integer_after);
    PERFORM require_integer_now(relation);
    PERFORM refuse_loss_of_referenced_rows(relation, 'a retention policy');
    PERFORM refuse_retention_within_refresh(relation, coalesce(drop_after::TEXT, integer_after::TEXT));
    EXECUTE format('SELECT %I.remove_retention_policy($1, if_exists => true)', timescaledb_schema()) USING relation;
    EXECUTE format('SELECT %I.add_retention_policy($1, %s)', timescaledb_schema(), length_as(time_type_of(relation), '$2', '$3'))
        INTO job USING relation, drop_after, integer_after;
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_retention_policy(REGCLASS, INTERVAL, BIGINT) IS 'Adds the server''s own retention policy to a hypertable, and returns the job. The age is a number where the time column counts units. Replaces an existing one. Refused where something references the rows.';

CREATE OR REPLACE FUNCTION diesel_timescale.remove_retention_policy(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT BOOLEAN := policy_job(relation, 'policy_retention') IS NOT NULL;
BEGIN
    IF present THEN
        EXECUTE format('SELECT %I.remove_retention_policy($1)', timescaledb_schema()) USING relation;
    END IF;
    RETURN present;
END
$$;
COMMENT ON FUNCTION diesel_timescale.remove_retention_policy(REGCLASS) IS 'Removes the server''s own retention policy of a hypertable. False if there is none.';

-- The ids of what users have added begin at 1000.
CREATE OR REPLACE FUNCTION diesel_timescale.scheduled_jobs() RETURNS INT[]
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(SELECT job_id FROM timescaledb_information.jobs WHERE scheduled AND job_id >= 1000 ORDER BY job_id);
END
$$;
COMMENT ON FUNCTION diesel_timescale.scheduled_jobs() IS 'The jobs of this database that run in the background, without the server''s own.';
