-- What only later releases of TimescaleDB have, and what follows from the policies of a hypertable and its aggregates.

-- Retention of rows that a refresh window still reads: the refresh would take their loss for a change, and erase the
-- aggregate of them.
CREATE OR REPLACE FUNCTION diesel_timescale.bucket_width(hypertable_schema NAME, hypertable_name NAME) RETURNS TEXT
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    hypertable CONSTANT INT := (
        SELECT id
        FROM _timescaledb_catalog.hypertable AS h
        WHERE (h.schema_name, h.table_name) = (bucket_width.hypertable_schema, bucket_width.hypertable_name)
    );
    width TEXT;
BEGIN
    -- Later releases read it out of the definition.
    IF to_regclass('_timescaledb_catalog.continuous_aggs_bucket_function') IS NOT NULL THEN
        EXECUTE 'SELECT f.bucket_width FROM _timescaledb_catalog.continuous_aggs_bucket_function AS f WHERE f.mat_hypertable_id = $1'
            INTO width USING hypertable;
    ELSIF to_regprocedure('_timescaledb_functions.cagg_get_bucket_function_info(integer)') IS NOT NULL THEN
        EXECUTE 'SELECT f.bucket_width::TEXT FROM _timescaledb_functions.cagg_get_bucket_function_info($1) AS f'
            INTO width USING hypertable;
    END IF;
    RETURN width;
END
$$;
COMMENT ON FUNCTION diesel_timescale.bucket_width(NAME, NAME) IS 'How wide the buckets of a continuous aggregate are, by the hypertable that it keeps its rows in; null if that is unknown.';

CREATE OR REPLACE FUNCTION diesel_timescale.refresh_windows(relation REGCLASS)
RETURNS TABLE (
    view_name REGCLASS, job_id INT, start_offset TEXT, end_offset TEXT, bucket TEXT, schedule_interval INTERVAL, scheduled BOOLEAN
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT
            format('%I.%I', a.view_schema, a.view_name)::REGCLASS, j.job_id, j.config ->> 'start_offset', j.config ->> 'end_offset',
            bucket_width(a.materialization_hypertable_schema, a.materialization_hypertable_name), j.schedule_interval, j.scheduled
        FROM timescaledb_information.continuous_aggregates AS a
        JOIN timescaledb_information.jobs AS j
            ON j.proc_name = 'policy_refresh_continuous_aggregate'
            -- Some releases name the view, others the hypertable that it keeps its rows in.
            AND (j.hypertable_schema, j.hypertable_name) IN (
                (a.view_schema, a.view_name), (a.materialization_hypertable_schema, a.materialization_hypertable_name)
            )
        LEFT JOIN timescaledb_information.continuous_aggregates AS below
            ON (a.hypertable_schema, a.hypertable_name) = (below.materialization_hypertable_schema, below.materialization_hypertable_name)
        WHERE relation = coalesce(
            (quote_ident(below.view_schema) || '.' || quote_ident(below.view_name))::REGCLASS,
            to_regclass(format('%I.%I', a.hypertable_schema, a.hypertable_name))
        )
        ORDER BY j.job_id;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refresh_windows(REGCLASS) IS 'The refresh policies of the continuous aggregates that read a hypertable, or a continuous aggregate: the view, the job, how far back it refreshes (null: from the beginning) and up to when, the width of its buckets, how often it runs, and whether it does.';

CREATE OR REPLACE FUNCTION diesel_timescale.reaches_beyond(start_offset TEXT, drop_after TEXT) RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
-- Offsets of integer time are numbers; what they count is the same for a hypertable and what reads it.
RETURN CASE
    WHEN start_offset IS NULL THEN true
    WHEN start_offset ~ '^-?\d+$' AND drop_after ~ '^-?\d+$' THEN start_offset::NUMERIC > drop_after::NUMERIC
    ELSE start_offset::INTERVAL > drop_after::INTERVAL
END;
COMMENT ON FUNCTION diesel_timescale.reaches_beyond(TEXT, TEXT) IS 'Whether a refresh from start_offset ago (null: from the beginning) reads what is dropped after drop_after.';

CREATE OR REPLACE FUNCTION diesel_timescale.longest_start_offset(drop_after TEXT, end_offset TEXT, bucket TEXT, schedule_interval INTERVAL) RETURNS JSONB
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
-- A refresh reads a bucket more, and is over when the next one is due.
RETURN CASE
    WHEN drop_after ~ '^-?\d+$' THEN (
        SELECT CASE WHEN longest >= coalesce(end_offset::BIGINT, 0) + 2 * width THEN to_jsonb(longest) END
        FROM (SELECT drop_after::BIGINT - coalesce(bucket::BIGINT, 0), coalesce(bucket::BIGINT, 0)) AS s (longest, width)
    )
    ELSE (
        SELECT CASE WHEN longest >= coalesce(end_offset::INTERVAL, '0') + 2 * width THEN to_jsonb(longest::TEXT) END
        FROM (SELECT drop_after::INTERVAL - coalesce(bucket::INTERVAL, '0') - schedule_interval, coalesce(bucket::INTERVAL, '0')) AS s (longest, width)
    )
END;
COMMENT ON FUNCTION diesel_timescale.longest_start_offset(TEXT, TEXT, TEXT, INTERVAL) IS 'How far back a refresh policy can read rows that are dropped after drop_after, for its settings; null if that is less than two buckets.';

CREATE OR REPLACE FUNCTION diesel_timescale.in_days(span TEXT) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN CASE WHEN span ~ '^-?\d+$' THEN span ELSE justify_hours(span::INTERVAL)::TEXT END;
COMMENT ON FUNCTION diesel_timescale.in_days(TEXT) IS 'An interval as days and hours, for messages; the number that a span of integer time is.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_retention_within_refresh(relation REGCLASS, drop_after TEXT) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    refresh RECORD;
BEGIN
    SELECT * INTO refresh
    FROM refresh_windows(relation) AS p
    WHERE reaches_beyond(p.start_offset, drop_after)
    LIMIT 1;
    IF FOUND THEN
        PERFORM refuse(
            'diesel_timescale:retention_within_refresh', 'object_not_in_prerequisite_state',
            format(
                'retention of %s drops rows after %s, and the refresh policy of %s (job %s) reads rows back to %s',
                relation, in_days(drop_after), refresh.view_name, refresh.job_id, coalesce(in_days(refresh.start_offset) || ' ago', 'the beginning')
            ),
            format('Keep rows for longer than the refresh reads, or let the policy of %s start at most %s ago: otherwise a refresh erases the aggregates of the rows that are gone.', refresh.view_name, in_days(drop_after)),
            relation => relation
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_retention_within_refresh(REGCLASS, TEXT) IS 'Raises an error if a refresh policy reads rows that retention after drop_after would drop.';

-- The jobs of retention keep what they drop after in drop_after; those that are not the server's own, the table in
-- retention_of.
CREATE OR REPLACE FUNCTION diesel_timescale.refuse_refresh_beyond_retention(view_name REGCLASS, start_offset TEXT) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    retention RECORD;
BEGIN
    SELECT j.job_id, j.config ->> 'drop_after' AS drop_after, source.name
    INTO retention
    FROM timescaledb_information.continuous_aggregates AS a
    LEFT JOIN timescaledb_information.continuous_aggregates AS below
        ON (a.hypertable_schema, a.hypertable_name) = (below.materialization_hypertable_schema, below.materialization_hypertable_name)
    CROSS JOIN LATERAL (
        SELECT coalesce(
            quote_ident(below.view_schema) || '.' || quote_ident(below.view_name), format('%I.%I', a.hypertable_schema, a.hypertable_name)
        )
    ) AS source (name)
    JOIN timescaledb_information.jobs AS j
        ON CASE
            WHEN j.proc_name = 'policy_retention' THEN
                format('%I.%I', j.hypertable_schema, j.hypertable_name)
                    IN (source.name, format('%I.%I', a.hypertable_schema, a.hypertable_name))
            ELSE j.config ->> 'retention_of' = source.name
        END
    WHERE format('%I.%I', a.view_schema, a.view_name)::REGCLASS = refuse_refresh_beyond_retention.view_name
        AND j.config ? 'drop_after'
        AND reaches_beyond(refuse_refresh_beyond_retention.start_offset, j.config ->> 'drop_after')
    LIMIT 1;
    IF FOUND THEN
        PERFORM refuse(
            'diesel_timescale:retention_within_refresh', 'object_not_in_prerequisite_state',
            format(
                'a refresh of %s back to %s reads rows that the retention policy of %s (job %s) drops after %s',
                view_name, coalesce(in_days(start_offset) || ' ago', 'the beginning'), retention.name, retention.job_id, in_days(retention.drop_after)
            ),
            format('Let the refresh start at most %s ago, or keep rows for longer: otherwise it erases the aggregates of the rows that are gone.', in_days(retention.drop_after)),
            relation => view_name
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_refresh_beyond_retention(REGCLASS, TEXT) IS 'Raises an error if a refresh from start_offset ago (null: from the beginning) would read rows that a retention policy drops.';

-- Refresh policies.
CREATE OR REPLACE FUNCTION diesel_timescale.set_refresh_batches(
    job INT,
    buckets_per_batch INT,
    max_batches_per_execution INT,
    refresh_newest_first BOOLEAN
) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    present CONSTANT JSONB := (SELECT config FROM timescaledb_information.jobs WHERE job_id = job);
BEGIN
    PERFORM require_feature('RefreshBatches');
    IF refresh_newest_first IS NOT NULL THEN
        PERFORM require_feature('RefreshOrder');
    END IF;
    IF buckets_per_batch < 0 OR max_batches_per_execution < 0 THEN
        PERFORM refuse(
            'diesel_timescale:refresh_batches', 'invalid_parameter_value',
            format('a refresh cannot work in batches of %s buckets, %s batches at a time', buckets_per_batch, max_batches_per_execution),
            'Give numbers from 0: 0 is all at once.'
        );
    END IF;
    EXECUTE format('SELECT FROM %I.alter_job($1, config => $2)', timescaledb_schema())
        USING job, present || jsonb_strip_nulls(jsonb_build_object(
            'buckets_per_batch', buckets_per_batch,
            'max_batches_per_execution', max_batches_per_execution,
            'refresh_newest_first', refresh_newest_first
        ));
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.set_refresh_batches(INT, INT, INT, BOOLEAN) IS 'Sets how many buckets the job of a refresh policy takes at a time, how many times it does so in a run, and in which order. Null leaves as it is.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_aggregate_column(
    view_name NAME,
    column_name NAME,
    aggregate TEXT,
    view_schema NAME DEFAULT current_schema(),
    -- What the names in the aggregate mean.
    aggregate_search_path TEXT DEFAULT current_setting('search_path')
) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    qualified CONSTANT TEXT := format('%I.%I', view_schema, view_name);
    source TEXT;
    column_type TEXT;
BEGIN
    PERFORM require_feature('AggregateColumns');
    IF EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = qualified::REGCLASS AND attname = add_aggregate_column.column_name AND NOT attisdropped
    ) THEN
        RETURN false;
    END IF;
    source := (
        SELECT format('%I.%I', a.hypertable_schema, a.hypertable_name)
        FROM timescaledb_information.continuous_aggregates AS a
        WHERE a.view_name = add_aggregate_column.view_name AND a.view_schema = add_aggregate_column.view_schema
    );
    PERFORM set_config('search_path', format('%s, %I', aggregate_search_path, timescaledb_schema()), true);
    -- Of no rows: the table itself has none, its chunks do.
    EXECUTE format('SELECT pg_typeof(%s) FROM ONLY %s', aggregate, source) INTO column_type;
    EXECUTE format('ALTER MATERIALIZED VIEW %s ADD COLUMN %I %s GENERATED ALWAYS AS (%s) STORED', qualified, column_name, column_type, aggregate);
    -- By which a column that is there already is compared.
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', qualified, column_name, 'Aggregate: ' || aggregate);
    RETURN true;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_aggregate_column(NAME, NAME, TEXT, NAME, TEXT) IS 'Adds an aggregate to a continuous aggregate. False if a column of that name is there. What was materialized before has null in it until it is refreshed by force.';

-- The columnstore.
CREATE OR REPLACE FUNCTION diesel_timescale.columnstore_chunks(relation REGCLASS)
RETURNS TABLE (
    chunk TEXT, is_columnstore BOOLEAN, needs_recompression BOOLEAN,
    before_table BIGINT, before_index BIGINT, before_toast BIGINT, before_total BIGINT,
    after_table BIGINT, after_index BIGINT, after_toast BIGINT, after_total BIGINT
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_feature('Columnstore');
    RETURN QUERY EXECUTE format(
        -- The older name, which later releases have as well. Bits of the status: 2 is unordered, 8 partly compressed.
        'SELECT format(''%%I.%%I'', chunk_schema, chunk_name), compression_status = ''Compressed'',
            (_timescaledb_functions.chunk_status(format(''%%I.%%I'', chunk_schema, chunk_name)::REGCLASS) & 10) <> 0,
            before_compression_table_bytes, before_compression_index_bytes, before_compression_toast_bytes,
            before_compression_total_bytes, after_compression_table_bytes, after_compression_index_bytes,
            after_compression_toast_bytes, after_compression_total_bytes
        FROM %I.chunk_compression_stats($1)
        ORDER BY 1',
        timescaledb_schema()
    ) USING relation;
END
$$;
COMMENT ON FUNCTION diesel_timescale.columnstore_chunks(REGCLASS) IS 'Each chunk of a hypertable: whether it is in the columnstore, whether rows were written since that are not in order there, and its bytes before it was converted and now.';

CREATE OR REPLACE FUNCTION diesel_timescale.recompress_chunk(chunk REGCLASS) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_feature('Columnstore');
    EXECUTE format('SELECT %I.compress_chunk($1, if_not_compressed => true, recompress => true)', timescaledb_schema()) USING chunk;
END
$$;
COMMENT ON FUNCTION diesel_timescale.recompress_chunk(REGCLASS) IS 'Converts a chunk to the columnstore anew, as the hypertable is set up now.';

-- Where one of these is, TimescaleDB goes another way with no more than a warning.
CREATE OR REPLACE FUNCTION diesel_timescale.direct_compress_obstacle(relation REGCLASS, OUT kind TEXT, OUT name TEXT)
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    SELECT kind, name
    FROM (
        SELECT 1, 'a unique index', indexrelid::REGCLASS::TEXT
        FROM pg_index
        WHERE indrelid = relation AND (indisunique OR indisexclusion)
        UNION ALL
        SELECT 2, 'a foreign key', conname
        FROM pg_constraint
        WHERE contype = 'f' AND relation IN (conrelid, confrelid)
        UNION ALL
        SELECT 3, 'a trigger', tgname
        FROM pg_trigger
        WHERE tgrelid = relation AND NOT tgisinternal
            -- TimescaleDB's own, in some releases.
            AND tgname NOT IN ('ts_insert_blocker', 'ts_cagg_invalidation_trigger')
    ) AS present (place, kind, name)
    ORDER BY place, name
    LIMIT 1
$$;
COMMENT ON FUNCTION diesel_timescale.direct_compress_obstacle(REGCLASS) IS 'What of a table keeps its rows from going into the columnstore directly; null if nothing does.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_direct_compress(relation REGCLASS) RETURNS VOID
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    obstacle RECORD;
BEGIN
    SELECT * INTO obstacle FROM direct_compress_obstacle(relation);
    IF obstacle.kind IS NOT NULL THEN
        PERFORM refuse(
            'diesel_timescale:direct_compress', 'object_not_in_prerequisite_state',
            format('rows of %s cannot go into the columnstore directly: it has %s, %s', relation, obstacle.kind, obstacle.name),
            'Write rows as usual, and let a columnstore policy convert chunks; or drop what stands in the way.',
            relation => relation, column_name => obstacle.name
        );
    END IF;
    IF NOT (
        SELECT compression_enabled
        FROM timescaledb_information.hypertables AS h
        WHERE format('%I.%I', hypertable_schema, hypertable_name)::REGCLASS = relation
    ) THEN
        PERFORM refuse(
            'diesel_timescale:direct_compress', 'object_not_in_prerequisite_state',
            format('rows of %s cannot go into the columnstore directly: it has none', relation),
            'Enable its columnstore first.',
            relation => relation
        );
    END IF;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_direct_compress(REGCLASS) IS 'Raises an error if something of the table keeps rows from going into the columnstore directly.';

CREATE OR REPLACE FUNCTION diesel_timescale.compress_directly(relation REGCLASS) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_feature('DirectCompress');
    PERFORM refuse_direct_compress(relation);
    PERFORM set_config('timescaledb.enable_direct_compress_insert', 'on', true);
    PERFORM set_config('timescaledb.enable_direct_compress_copy', 'on', true);
END
$$;
COMMENT ON FUNCTION diesel_timescale.compress_directly(REGCLASS) IS 'Lets rows that this transaction inserts go into the columnstore directly, where a statement brings ten or more.';

CREATE OR REPLACE FUNCTION diesel_timescale.set_direct_compress(relation REGCLASS, enabled BOOLEAN) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM require_feature('DirectCompressOfTable');
    IF enabled THEN
        PERFORM refuse_direct_compress(relation);
    END IF;
    EXECUTE format('ALTER TABLE %s SET (timescaledb.direct_compress = %L)', relation, enabled);
END
$$;
COMMENT ON FUNCTION diesel_timescale.set_direct_compress(REGCLASS, BOOLEAN) IS 'Sets whether rows that statements of ten or more bring go into the columnstore of a hypertable directly.';

-- Plain views in place of continuous aggregates of any query have their buckets from here.
CREATE OR REPLACE FUNCTION diesel_timescale.plain_bucket(width INTERVAL, moment TIMESTAMP, origin TIMESTAMP DEFAULT NULL) RETURNS TIMESTAMP
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (
    SELECT CASE WHEN months > 0
        THEN date_trunc('month', coalesce(origin, TIMESTAMP '2000-01-01')) + floor(passed / months) * months * INTERVAL '1 month'
        -- A Monday.
        ELSE date_bin(width, moment, coalesce(origin, TIMESTAMP '2000-01-03'))
    END
    FROM (
        SELECT
            extract(YEAR FROM width) * 12 + extract(MONTH FROM width),
            (extract(YEAR FROM moment) - extract(YEAR FROM coalesce(origin, TIMESTAMP '2000-01-01'))) * 12
                + extract(MONTH FROM moment) - extract(MONTH FROM coalesce(origin, TIMESTAMP '2000-01-01'))
    ) AS counted (months, passed)
);
COMMENT ON FUNCTION diesel_timescale.plain_bucket(INTERVAL, TIMESTAMP, TIMESTAMP) IS 'The start of the bucket that a time is in: of months, or of a fixed width.';

CREATE OR REPLACE FUNCTION diesel_timescale.time_bucket(bucket_width INTERVAL, ts TIMESTAMPTZ) RETURNS TIMESTAMPTZ
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN diesel_timescale.plain_bucket(bucket_width, ts AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
COMMENT ON FUNCTION diesel_timescale.time_bucket(INTERVAL, TIMESTAMPTZ) IS 'As the function of TimescaleDB, for views on plain PostgreSQL.';

CREATE OR REPLACE FUNCTION diesel_timescale.time_bucket(bucket_width INTERVAL, ts TIMESTAMPTZ, origin TIMESTAMPTZ) RETURNS TIMESTAMPTZ
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN diesel_timescale.plain_bucket(bucket_width, ts AT TIME ZONE 'UTC', origin AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
COMMENT ON FUNCTION diesel_timescale.time_bucket(INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ) IS 'As the function of TimescaleDB, for views on plain PostgreSQL.';

CREATE OR REPLACE FUNCTION diesel_timescale.time_bucket(bucket_width INTERVAL, ts TIMESTAMPTZ, "offset" INTERVAL) RETURNS TIMESTAMPTZ
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (diesel_timescale.plain_bucket(bucket_width, ts AT TIME ZONE 'UTC' - "offset") + "offset") AT TIME ZONE 'UTC';
COMMENT ON FUNCTION diesel_timescale.time_bucket(INTERVAL, TIMESTAMPTZ, INTERVAL) IS 'As the function of TimescaleDB, for views on plain PostgreSQL.';

CREATE OR REPLACE FUNCTION diesel_timescale.time_bucket(bucket_width INTERVAL, ts TIMESTAMPTZ, timezone TEXT) RETURNS TIMESTAMPTZ
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN diesel_timescale.plain_bucket(bucket_width, ts AT TIME ZONE timezone) AT TIME ZONE timezone;
COMMENT ON FUNCTION diesel_timescale.time_bucket(INTERVAL, TIMESTAMPTZ, TEXT) IS 'As the function of TimescaleDB, for views on plain PostgreSQL.';

CREATE OR REPLACE FUNCTION diesel_timescale.add_another_refresh_policy(
    view REGCLASS,
    start_offset INTERVAL DEFAULT NULL, start_offset_integer BIGINT DEFAULT NULL,
    end_offset INTERVAL DEFAULT NULL, end_offset_integer BIGINT DEFAULT NULL,
    schedule_interval INTERVAL DEFAULT NULL
) RETURNS INT
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    job INT;
BEGIN
    PERFORM require_feature('SeveralRefreshPolicies');
    PERFORM refuse_refresh_beyond_retention(view, coalesce(start_offset::TEXT, start_offset_integer::TEXT));
    EXECUTE format(
        'SELECT %I.add_continuous_aggregate_policy($1, %s, %s, $6)',
        timescaledb_schema(), length_as(time_type_of(view), '$2', '$3'), length_as(time_type_of(view), '$4', '$5')
    ) INTO job USING view, start_offset, start_offset_integer, end_offset, end_offset_integer, schedule_interval;
    RETURN job;
END
$$;
COMMENT ON FUNCTION diesel_timescale.add_another_refresh_policy(REGCLASS, INTERVAL, BIGINT, INTERVAL, BIGINT, INTERVAL) IS 'Adds a refresh policy beside those that a continuous aggregate has, and returns the job.';
