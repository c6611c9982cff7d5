-- What is done to chunks beside the columnstore: skipping, tablespaces, splitting, merging, attaching and detaching,
-- dropping and converting by the time that they were created; and the policy that reorders them. At the end: which
-- chunk has a row of which only the id is known.

-- Chunk skipping. TimescaleDB looks at its setting when the range of a column is kept, and when a query is planned.
CREATE OR REPLACE FUNCTION diesel_timescale.chunk_skipping_columns(relation REGCLASS) RETURNS NAME[]
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    hypertable CONSTANT INT := hypertable_id(relation);
BEGIN
    IF hypertable IS NULL THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(
        SELECT s.column_name
        FROM _timescaledb_catalog.chunk_column_stats AS s
        -- The row of the hypertable itself names no chunk.
        WHERE s.hypertable_id = hypertable AND coalesce(s.chunk_id, 0) = 0
        ORDER BY s.column_name
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.chunk_skipping_columns(REGCLASS) IS 'The columns of a hypertable that chunk skipping is enabled for.';

CREATE OR REPLACE FUNCTION diesel_timescale.change_chunk_skipping(relation REGCLASS, column_name NAME, enabled BOOLEAN) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    before CONSTANT TEXT := current_setting('timescaledb.enable_chunk_skipping', true);
BEGIN
    PERFORM require_feature('ChunkSkipping');
    PERFORM time_type_of(relation);
    IF enabled = (column_name = ANY (chunk_skipping_columns(relation))) THEN
        RETURN false;
    END IF;
    PERFORM set_config('timescaledb.enable_chunk_skipping', 'on', true);
    EXECUTE format(
        CASE WHEN enabled THEN 'SELECT FROM %I.enable_chunk_skipping($1, $2)' ELSE 'SELECT FROM %I.disable_chunk_skipping($1, $2)' END,
        timescaledb_schema()
    ) USING relation, column_name;
    PERFORM set_config('timescaledb.enable_chunk_skipping', before, true);
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.change_chunk_skipping(REGCLASS, NAME, BOOLEAN) IS 'Keeps the smallest and largest value of a column for each chunk of the columnstore, or no longer. False if that is so already.';

CREATE OR REPLACE FUNCTION diesel_timescale.use_chunk_skipping(enabled BOOLEAN) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_feature('ChunkSkipping');
    IF enabled THEN
        EXECUTE format('ALTER DATABASE %I SET timescaledb.enable_chunk_skipping TO on', current_database());
    ELSE
        EXECUTE format('ALTER DATABASE %I RESET timescaledb.enable_chunk_skipping', current_database());
    END IF;
    PERFORM set_config('timescaledb.enable_chunk_skipping', enabled::TEXT, false);
END
$$;
COMMENT ON FUNCTION diesel_timescale.use_chunk_skipping(BOOLEAN) IS 'Lets every later session of this database, and this one, leave out chunks by the values that chunk skipping keeps, or no longer.';

CREATE OR REPLACE FUNCTION diesel_timescale.uses_chunk_skipping() RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN EXISTS (
    SELECT
    FROM pg_db_role_setting AS s
    -- (Not every role may read pg_database on the WebAssembly server.)
    JOIN pg_stat_database AS d ON d.datid = s.setdatabase
    WHERE d.datname = current_database() AND setrole = 0 AND 'timescaledb.enable_chunk_skipping=on' = ANY (setconfig)
);
COMMENT ON FUNCTION diesel_timescale.uses_chunk_skipping() IS 'Whether the sessions of this database leave out chunks by the values that chunk skipping keeps.';

-- Tablespaces.
CREATE OR REPLACE FUNCTION diesel_timescale.attached_tablespaces(relation REGCLASS) RETURNS NAME[]
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    hypertable CONSTANT INT := hypertable_id(hypertable_of(relation));
BEGIN
    IF hypertable IS NULL THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(
        SELECT t.tablespace_name FROM _timescaledb_catalog.tablespace AS t WHERE t.hypertable_id = hypertable ORDER BY t.tablespace_name
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.attached_tablespaces(REGCLASS) IS 'The tablespaces that a hypertable spreads its chunks over.';

CREATE OR REPLACE FUNCTION diesel_timescale.attach_tablespace(relation REGCLASS, tablespace NAME) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM time_type_of(relation);
    IF tablespace = ANY (attached_tablespaces(relation)) THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT %I.attach_tablespace($1, $2)', timescaledb_schema()) USING tablespace, hypertable_of(relation);
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.attach_tablespace(REGCLASS, NAME) IS 'Lets new chunks of a hypertable go to a tablespace as well. False if that is so already.';

CREATE OR REPLACE FUNCTION diesel_timescale.detach_tablespace(relation REGCLASS, tablespace NAME) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM time_type_of(relation);
    IF tablespace <> ALL (attached_tablespaces(relation)) THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT %I.detach_tablespace($1, $2)', timescaledb_schema()) USING tablespace, hypertable_of(relation);
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.detach_tablespace(REGCLASS, NAME) IS 'Lets no new chunks of a hypertable go to a tablespace. False if that is so already. Chunks that are there stay.';

CREATE OR REPLACE FUNCTION diesel_timescale.detach_tablespaces(relation REGCLASS) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    detached INT;
BEGIN
    PERFORM time_type_of(relation);
    EXECUTE format('SELECT %I.detach_tablespaces($1)', timescaledb_schema()) INTO detached USING hypertable_of(relation);
    RETURN detached;
END
$$;
COMMENT ON FUNCTION diesel_timescale.detach_tablespaces(REGCLASS) IS 'Detaches every tablespace of a hypertable, and returns how many.';

-- Other ranges of chunks.
CREATE OR REPLACE FUNCTION diesel_timescale.chunk_owner(chunk REGCLASS) RETURNS REGCLASS
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT format('%I.%I', c.hypertable_schema, c.hypertable_name)::REGCLASS
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        JOIN timescaledb_information.chunks AS c ON c.chunk_schema = nspname AND c.chunk_name = relname
        WHERE pg_class.oid = chunk
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.chunk_owner(REGCLASS) IS 'The hypertable of a chunk; null if it is none.';

CREATE OR REPLACE FUNCTION diesel_timescale.split_chunk(chunk REGCLASS, split_at TIMESTAMPTZ DEFAULT NULL, split_at_integer BIGINT DEFAULT NULL) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    moment TEXT := '';
BEGIN
    PERFORM require_feature('SplitChunks');
    IF split_at IS NOT NULL OR split_at_integer IS NOT NULL THEN
        -- A parameter would be an instant; the procedure looks at the type of what it is given.
        moment := ', ' || moment_as(time_type_of(chunk_owner(chunk)), quote_nullable(split_at) || '::TIMESTAMPTZ', quote_nullable(split_at_integer));
    END IF;
    EXECUTE format('CALL %I.split_chunk($1%s)', timescaledb_schema(), moment) USING chunk;
END
$$;
COMMENT ON FUNCTION diesel_timescale.split_chunk(REGCLASS, TIMESTAMPTZ, BIGINT) IS 'Splits a chunk of the rowstore in two, at a moment (a number where the time column counts units; null: in the middle).';

CREATE OR REPLACE FUNCTION diesel_timescale.merge_chunks(chunks TEXT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_feature('MergeChunks');
    EXECUTE format('CALL %I.merge_chunks($1::REGCLASS[])', timescaledb_schema()) USING chunks;
END
$$;
COMMENT ON FUNCTION diesel_timescale.merge_chunks(TEXT[]) IS 'Makes one chunk of several that follow each other: the first one, with the rows of all.';

CREATE OR REPLACE FUNCTION diesel_timescale.detach_chunk(chunk REGCLASS) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_feature('AttachChunks');
    IF chunk_owner(chunk) IS NOT NULL THEN
        PERFORM refuse_loss_of_referenced_rows(chunk_owner(chunk), 'detaching a chunk');
    END IF;
    EXECUTE format('CALL %I.detach_chunk($1)', timescaledb_schema()) USING chunk;
END
$$;
COMMENT ON FUNCTION diesel_timescale.detach_chunk(REGCLASS) IS 'Takes a chunk of the rowstore out of its hypertable: it stays as a table of its own. Refused where something references the rows.';

CREATE OR REPLACE FUNCTION diesel_timescale.attach_chunk(
    relation REGCLASS, chunk REGCLASS,
    range_start TIMESTAMPTZ, range_start_integer BIGINT,
    range_end TIMESTAMPTZ, range_end_integer BIGINT
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    time_type CONSTANT REGTYPE := time_type_of(relation);
    is_integer CONSTANT BOOLEAN := time_type IN ('smallint', 'integer', 'bigint');
    bounds JSONB;
BEGIN
    PERFORM require_feature('AttachChunks');
    IF is_integer THEN
        bounds := jsonb_build_array(range_start_integer, range_end_integer);
    ELSE
        EXECUTE format('SELECT jsonb_build_array((%s)::TEXT, (%s)::TEXT)', moment_as(time_type, '$1', 'NULL'), moment_as(time_type, '$2', 'NULL'))
            INTO bounds USING range_start, range_end;
    END IF;
    EXECUTE format('CALL %I.attach_chunk($1, $2, $3)', timescaledb_schema())
        USING relation, chunk, jsonb_build_object((hypertable_report(relation)).time_column, bounds);
END
$$;
COMMENT ON FUNCTION diesel_timescale.attach_chunk(REGCLASS, REGCLASS, TIMESTAMPTZ, BIGINT, TIMESTAMPTZ, BIGINT) IS 'Makes a table with the columns of a hypertable its chunk from a moment on, up to another one, which is not in it.';

-- By the time that chunks were created.
CREATE OR REPLACE FUNCTION diesel_timescale.drop_chunks_created(relation REGCLASS, created_after TIMESTAMPTZ, created_before TIMESTAMPTZ) RETURNS BIGINT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    dropped BIGINT;
BEGIN
    PERFORM time_type_of(relation);
    IF created_after IS NULL AND created_before IS NULL THEN
        PERFORM refuse(
            'diesel_timescale:no_bound', 'invalid_parameter_value',
            format('dropping chunks of %s that were created at any time would drop all of them', relation),
            'Give the range a start or an end.',
            relation => relation
        );
    END IF;
    PERFORM refuse_loss_of_referenced_rows(relation, 'dropping chunks');
    EXECUTE format(
        'SELECT count(*) FROM %I.drop_chunks($1%s%s)', timescaledb_schema(),
        CASE WHEN created_after IS NOT NULL THEN ', created_after => $2' END, CASE WHEN created_before IS NOT NULL THEN ', created_before => $3' END
    ) INTO dropped USING relation, created_after, created_before;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION diesel_timescale.drop_chunks_created(REGCLASS, TIMESTAMPTZ, TIMESTAMPTZ) IS 'Drops the chunks that were created in a range of time, and returns how many. Refused where something references the rows.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_creation_retention_policy(relation REGCLASS, drop_created_before INTERVAL) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    job INT;
BEGIN
    PERFORM require_feature('RetentionByCreation');
    PERFORM time_type_of(relation);
    PERFORM refuse_retention_of_nothing(drop_created_before);
    PERFORM refuse_loss_of_referenced_rows(relation, 'a retention policy');
    PERFORM remove_retention_policy(relation);
    EXECUTE format('SELECT %I.add_retention_policy($1, drop_created_before => $2)', timescaledb_schema()) INTO job USING relation, drop_created_before;
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_creation_retention_policy(REGCLASS, INTERVAL) IS 'Drops chunks in the background once they were created this long ago, and returns the job. Takes the place of a retention policy that is there. Refused where something references the rows.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_creation_columnstore_policy(relation REGCLASS, created_before INTERVAL) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    call CONSTANT TEXT := CASE WHEN timescaledb_names_columnstore()
        THEN 'CALL %I.add_columnstore_policy($1, created_before => $2)'
        ELSE 'SELECT %I.add_compression_policy($1, compress_created_before => $2)'
    END;
BEGIN
    PERFORM time_type_of(relation);
    PERFORM remove_columnstore_policy(relation);
    EXECUTE format(call, timescaledb_schema()) USING relation, created_before;
    RETURN policy_job(relation, 'policy_compression', 'policy_columnstore');
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_creation_columnstore_policy(REGCLASS, INTERVAL) IS 'Converts chunks to the columnstore in the background once they were created this long ago, and returns the job. Takes the place of a columnstore policy that is there.';

-- Reordering.
CREATE OR REPLACE FUNCTION diesel_timescale.add_reorder_policy(relation REGCLASS, index_name NAME) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    job INT;
BEGIN
    PERFORM time_type_of(relation);
    PERFORM remove_reorder_policy(relation);
    EXECUTE format('SELECT %I.add_reorder_policy($1, $2)', timescaledb_schema()) INTO job USING relation, index_name;
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_reorder_policy(REGCLASS, NAME) IS 'Puts the rows of each chunk but the latest three into the order of an index in the background, once, and returns the job. Takes the place of a reorder policy that is there.';

CREATE OR REPLACE FUNCTION diesel_timescale.remove_reorder_policy(relation REGCLASS) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT BOOLEAN := policy_job(relation, 'policy_reorder') IS NOT NULL;
BEGIN
    IF present THEN
        EXECUTE format('SELECT %I.remove_reorder_policy($1)', timescaledb_schema()) USING relation;
    END IF;
    RETURN present;
END
$$;
COMMENT ON FUNCTION diesel_timescale.remove_reorder_policy(REGCLASS) IS 'Removes the reorder policy of a hypertable. False if there is none.';

-- Granular refresh.
CREATE OR REPLACE FUNCTION diesel_timescale.granular_refresh(relation REGCLASS, OUT column_name NAME, OUT start_offset TEXT, OUT end_offset TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF has_feature('GranularRefresh') THEN
        SELECT s.granular_refresh_column, s.granular_refresh_start_offset, s.granular_refresh_end_offset
        INTO column_name, start_offset, end_offset
        FROM _timescaledb_catalog.hypertable_cagg_settings AS s
        WHERE s.hypertable_id = diesel_timescale.hypertable_id(relation);
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.granular_refresh(REGCLASS) IS 'The column of a hypertable that granular refresh goes by, and the rows of which age it is for; null without it.';

CREATE OR REPLACE FUNCTION diesel_timescale.set_granular_refresh(
    relation REGCLASS, column_name NAME,
    start_offset INTERVAL DEFAULT NULL, start_offset_integer BIGINT DEFAULT NULL,
    end_offset INTERVAL DEFAULT NULL, end_offset_integer BIGINT DEFAULT NULL
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present RECORD;
BEGIN
    PERFORM require_feature('GranularRefresh');
    PERFORM time_type_of(relation);
    -- The server refuses to set it twice, even to what it is.
    SELECT * INTO present FROM granular_refresh(relation);
    IF present.column_name = set_granular_refresh.column_name AND (CASE
        WHEN start_offset IS NULL THEN (present.start_offset, present.end_offset) = (start_offset_integer::TEXT, end_offset_integer::TEXT)
        ELSE (present.start_offset::INTERVAL, present.end_offset::INTERVAL) = (start_offset, end_offset)
    END) THEN
        RETURN;
    END IF;
    EXECUTE format(
        'ALTER TABLE %s SET (timescaledb.granular_refresh_column = %L, timescaledb.granular_refresh_start_offset = %L, timescaledb.granular_refresh_end_offset = %L)',
        relation, column_name, coalesce(start_offset::TEXT, start_offset_integer::TEXT), coalesce(end_offset::TEXT, end_offset_integer::TEXT)
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.set_granular_refresh(REGCLASS, NAME, INTERVAL, BIGINT, INTERVAL, BIGINT) IS 'Keeps note of which values of a column change in a hypertable from start_offset ago to end_offset ago, so that aggregates with granular refresh refresh those alone.';

CREATE OR REPLACE FUNCTION diesel_timescale.enable_granular_refresh(view REGCLASS) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_feature('GranularRefresh');
    EXECUTE format('ALTER MATERIALIZED VIEW %s SET (timescaledb.enable_granular_refresh = true)', view);
END
$$;
COMMENT ON FUNCTION diesel_timescale.enable_granular_refresh(REGCLASS) IS 'Lets a continuous aggregate refresh only the values of a column that have changed. TimescaleDB has no way back but to create it again.';

-- The time of a row by its id. Ids of a sequence and times mostly rise together, so the time is searched: a sample of a
-- slice of time, which is any of its rows, tells on which side of it the id is. Each query has bounds, by which the
-- planner leaves out all other chunks.
CREATE OR REPLACE FUNCTION diesel_timescale.time_slices(relation REGCLASS, time_column NAME) RETURNS BIGINT[]
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    hypertable CONSTANT INT := hypertable_id(relation);
BEGIN
    IF hypertable IS NULL THEN
        RETURN '{}';
    END IF;
    -- By the index of the catalog, because its views join every chunk of the database. Some releases have a row for each
    -- chunk, not for each slice.
    RETURN ARRAY(
        SELECT DISTINCT s.range_start
        FROM _timescaledb_catalog.dimension AS d
        JOIN _timescaledb_catalog.dimension_slice AS s ON s.dimension_id = d.id
        WHERE d.hypertable_id = hypertable
            AND d.column_name = time_column AND d.interval_length IS NOT NULL AND d.partitioning_func IS NULL
        ORDER BY s.range_start
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.time_slices(REGCLASS, NAME) IS 'Where the slices of time begin that a hypertable has chunks for: microseconds since 1970, or the count that the column has. Empty if it is no hypertable by this column.';

CREATE OR REPLACE FUNCTION diesel_timescale.slice_condition(time_column NAME, time_type REGTYPE) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    -- Beyond the numbers of the type there are no rows, but there are bounds of slices.
    number CONSTANT TEXT := CASE time_type
        WHEN 'smallint'::REGTYPE THEN 'greatest(least(%1$s, 32767), -32768)'
        WHEN 'integer'::REGTYPE THEN 'greatest(least(%1$s, 2147483647), -2147483648)'
        ELSE '%1$s'
    END;
    moment CONSTANT TEXT := moment_as(time_type, '_timescaledb_functions.to_timestamp(%1$s)', number);
BEGIN
    RETURN format('%1$I >= %2$s AND ($2 IS NULL OR %1$I < %3$s)', time_column, format(moment, '$1'), format(moment, '$2'));
END
$$;
COMMENT ON FUNCTION diesel_timescale.slice_condition(NAME, REGTYPE) IS 'The condition on rows that they are in a slice of time_slices(), its start in $1 and that of the next in $2; null if there is none.';

CREATE OR REPLACE FUNCTION diesel_timescale.time_of_id(
    relation REGCLASS, id_column NAME, time_column NAME, id BIGINT, INOUT "time" ANYELEMENT
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    within TEXT;
    -- Samples are of the first pages, because a chunk may have many pages of deleted rows. The columnstore has no pages.
    in_first_pages CONSTANT TEXT := CASE WHEN has_columnstore() THEN '' ELSE $t$AND ctid < '(16,0)'$t$ END;
    starts BIGINT[];
    -- The positions of slices that have smaller and larger ids, or of the ends: 0, and one after the last.
    lower INT;
    upper INT;
    lower_id NUMERIC;
    upper_id NUMERIC;
    by_halves BOOLEAN;
    at INT;
    sample BIGINT;
BEGIN
    "time" := NULL;
    starts := time_slices(relation, time_column);
    -- A few chunks are looked into as fast. Under a policy, a sample could read a whole chunk for a row that is visible.
    IF cardinality(starts) < 10 OR row_security_active(relation) THEN
        RETURN;
    END IF;
    within := slice_condition(time_column, pg_typeof("time"));
    -- By interpolation; then by halves, which rows of a wrong clock in the first or the last chunk do not mislead.
    FOREACH by_halves IN ARRAY ARRAY[false, true] LOOP
        lower := 0;
        upper := cardinality(starts) + 1;
        lower_id := NULL;
        upper_id := NULL;
        FOR step IN 1..12 LOOP
            EXIT WHEN upper - lower <= 1;
            at := CASE
                WHEN by_halves THEN (lower + upper) / 2
                WHEN upper_id IS NULL THEN upper - 1
                WHEN lower_id IS NULL THEN lower + 1
                ELSE greatest(least(lower + (upper - lower) * (id - lower_id) / (upper_id - lower_id), upper - 1), lower + 1)
            END;
            EXECUTE format('SELECT %I FROM %s WHERE %s %s LIMIT 1', id_column, relation, within, in_first_pages)
                INTO sample USING starts[at], starts[at + 1];
            IF sample <= id THEN
                lower := at;
                lower_id := sample;
            ELSIF sample > id THEN
                upper := at;
                upper_id := sample;
            ELSE
                -- No row there: the slice tells nothing.
                starts := starts[:at - 1] || starts[at + 1:];
                upper := upper - 1;
            END IF;
        END LOOP;
        CONTINUE WHEN upper - lower > 8;
        EXECUTE format('SELECT %I FROM %s WHERE %s AND %I = $3', time_column, relation, within, id_column)
            INTO "time" USING starts[greatest(lower, 1)], starts[upper + 1], id;
        EXIT WHEN "time" IS NOT NULL;
    END LOOP;
END
$$;
COMMENT ON FUNCTION diesel_timescale.time_of_id(REGCLASS, NAME, NAME, BIGINT, ANYELEMENT) IS 'The time of the row with this id, searched in a few chunks of a hypertable; the last argument tells its type. Null if there are few chunks, the row is not where ids and times rise together, or there is none: then look into everything.';
