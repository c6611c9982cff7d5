-- What the tiers of a hypertable take: its own rows, and those of the continuous aggregates of it.

CREATE OR REPLACE FUNCTION diesel_timescale.tier_relations()
RETURNS TABLE (hypertable TEXT, level INT, relation TEXT, source TEXT)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    IF NOT has_timescaledb() THEN
        RETURN;
    END IF;
    RETURN QUERY
        WITH RECURSIVE tiers (hypertable, level, relation, source, schema_name, table_name) AS (
            SELECT q.name, 0, q.name, NULL::TEXT COLLATE "C", h.hypertable_schema, h.hypertable_name
            FROM timescaledb_information.hypertables AS h
            CROSS JOIN LATERAL (SELECT format('%I.%I', h.hypertable_schema, h.hypertable_name)) AS q (name)
            WHERE has_schema_privilege(h.hypertable_schema, 'USAGE')
            UNION ALL
            SELECT
                t.hypertable, t.level + 1, format('%I.%I', a.view_schema, a.view_name), t.relation,
                a.materialization_hypertable_schema, a.materialization_hypertable_name
            FROM tiers AS t
            JOIN timescaledb_information.continuous_aggregates AS a
                ON (a.hypertable_schema, a.hypertable_name) = (t.schema_name, t.table_name)
            WHERE has_schema_privilege(a.view_schema, 'USAGE')
        )
        SELECT t.hypertable, t.level, t.relation, t.source
        FROM tiers AS t
        ORDER BY t.hypertable, t.level, t.relation;
END
$$;
COMMENT ON FUNCTION diesel_timescale.tier_relations() IS 'The hypertables that the caller can name, and the continuous aggregates that read them or each other.';

CREATE OR REPLACE FUNCTION diesel_timescale.tier_size(
    relation REGCLASS,
    OUT kept_for INTERVAL,
    OUT kept_for_integer BIGINT,
    OUT chunks BIGINT,
    OUT columnstore_chunks BIGINT,
    OUT table_bytes BIGINT,
    OUT index_bytes BIGINT,
    OUT toast_bytes BIGINT,
    OUT total_bytes BIGINT,
    OUT columnstore_bytes BIGINT,
    OUT bytes_per_day BIGINT,
    OUT bytes_when_full BIGINT
)
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    kept CONSTANT TEXT := kept_for(relation);
    per_day NUMERIC;
BEGIN
    IF kept ~ '^-?\d+$' THEN
        kept_for_integer := kept;
    ELSE
        kept_for := kept;
    END IF;
    EXECUTE format(
        'WITH sizes AS (
            SELECT r.*, s.table_bytes, s.index_bytes, s.toast_bytes, s.total_bytes
            FROM diesel_timescale.chunk_ranges($1) AS r
            JOIN %I.chunks_detailed_size($2) AS s ON format(''%%I.%%I'', s.chunk_schema, s.chunk_name) = r.chunk
        ),
        -- Chunks that divide the same time by other columns count it once.
        ended AS (
            SELECT extract(epoch FROM range_end - range_start) / 86400 AS days, sum(total_bytes) AS bytes
            FROM sizes
            WHERE range_end <= now() AND range_start IS NOT NULL
            GROUP BY range_start, range_end
        )
        SELECT
            count(*), count(*) FILTER (WHERE is_columnstore), coalesce(sum(table_bytes), 0), coalesce(sum(index_bytes), 0),
            coalesce(sum(toast_bytes), 0), coalesce(sum(total_bytes), 0), coalesce(sum(total_bytes) FILTER (WHERE is_columnstore), 0),
            (SELECT sum(bytes) / nullif(sum(days), 0) FROM ended)
        FROM sizes',
        timescaledb_schema()
    )
    INTO chunks, columnstore_chunks, table_bytes, index_bytes, toast_bytes, total_bytes, columnstore_bytes, per_day
    USING relation, hypertable_of(relation);
    bytes_per_day := round(per_day);
    bytes_when_full := round(per_day * extract(epoch FROM kept_for) / 86400);
END
$$;
COMMENT ON FUNCTION diesel_timescale.tier_size(REGCLASS) IS 'How long a hypertable or a continuous aggregate keeps rows (null: forever), what its chunks take, and what they will take when they cover all of that time.';

CREATE OR REPLACE VIEW diesel_timescale.tier_sizes WITH (security_invoker = true) AS
SELECT r.hypertable, r.level, r.relation, r.source, s.*
FROM diesel_timescale.tier_relations() AS r
-- After the rows are chosen: sizes are read of those alone.
CROSS JOIN LATERAL diesel_timescale.tier_size(r.relation::REGCLASS) AS s;
COMMENT ON VIEW diesel_timescale.tier_sizes IS 'What each tier takes: a row for each hypertable, and for each continuous aggregate of it.';
GRANT SELECT ON diesel_timescale.tier_sizes TO PUBLIC;
