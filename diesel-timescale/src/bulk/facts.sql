WITH relation AS (
    SELECT c.oid, c.relkind, c.relhasrules, c.relhassubclass
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = pg_catalog.to_regclass($1)
), unique_index AS (
    SELECT i.relname AS name, x.indimmediate, x.indisvalid, x.indnullsnotdistinct, x.indclass, x.indcollation,
        x.indpred IS NOT NULL AS is_partial, x.indexprs IS NOT NULL AS has_expressions, k.columns
    FROM relation AS r
    JOIN pg_catalog.pg_index AS x ON x.indrelid = r.oid AND x.indisunique
    JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
    CROSS JOIN LATERAL (
        SELECT pg_catalog.array_agg(coalesce(a.attname::text, pg_catalog.pg_get_indexdef(x.indexrelid, n::int, false)) ORDER BY n) AS columns
        FROM pg_catalog.unnest(x.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = k.attnum AND k.attnum > 0
        WHERE n <= x.indnkeyatts
    ) AS k
), target AS (
    SELECT u.*
    FROM unique_index AS u, (SELECT $3::text[] AS names) AS wanted
    WHERE u.indimmediate AND u.indisvalid AND NOT u.is_partial AND NOT u.has_expressions
        AND u.columns @> wanted.names AND u.columns <@ wanted.names
), column_of AS (
    SELECT w.n, a.atttypid, a.atttypmod, a.attcollation, a.attgenerated, a.attidentity, a.attname, t.typtype,
        CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END AS base,
        CASE WHEN t.typtype = 'd' THEN (SELECT b.typname FROM pg_catalog.pg_type AS b WHERE b.oid = t.typbasetype) ELSE t.typname END AS base_name,
        -- Written out only where it is asked for, as that takes as long as all the rest.
        CASE WHEN w.name = ANY ($4::text[]) THEN coalesce(
            (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef AS d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum),
            CASE WHEN a.attidentity <> '' THEN pg_catalog.format('pg_catalog.nextval(%L::regclass)', pg_catalog.pg_get_serial_sequence($1, a.attname)) END,
            pg_catalog.pg_get_expr(t.typdefaultbin, 0)
        ) END AS default_of
    FROM pg_catalog.unnest($2::text[]) WITH ORDINALITY AS w (name, n)
    LEFT JOIN (relation AS r JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped)
        ON a.attname = w.name
    LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
), key_column AS (
    SELECT k.n, c.atttypid, c.atttypmod, index_of.collation_name, index_of.class,
        CASE WHEN c.typtype = 'e' THEN 0::oid ELSE coalesce(c.base, 0::oid) END AS base,
        (c.atttypmod = -1 OR c.base = 1043)
            AND coalesce(table_collation.collisdeterministic, true) AND coalesce(index_of.is_plain, true) AS is_exact
    FROM pg_catalog.unnest($3::text[]) WITH ORDINALITY AS k (name, n)
    LEFT JOIN column_of AS c ON c.attname = k.name
    LEFT JOIN pg_catalog.pg_collation AS table_collation ON table_collation.oid = c.attcollation
    LEFT JOIN LATERAL (
        SELECT pg_catalog.min(CASE WHEN l.oid IS NOT NULL THEN pg_catalog.format('%I.%I', s.nspname, l.collname) END) AS collation_name,
            -- PostgreSQL's own operator classes have numbers below 16384, and the same equality as the type.
            -- (Not read from pg_opclass, which not every role may read on the WebAssembly server.)
            pg_catalog.bool_and(coalesce(l.collisdeterministic, true) AND u.indclass[place.i] < 16384::oid) AS is_plain,
            pg_catalog.max(CASE WHEN u.indclass[place.i] >= 16384::oid THEN u.indclass[place.i] END) AS class
        FROM target AS u
        CROSS JOIN LATERAL (SELECT pg_catalog.array_position(u.columns, k.name) - 1 AS i) AS place
        LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = u.indcollation[place.i]
        LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid = l.collnamespace
    ) AS index_of ON true
)
SELECT r.relkind::text,
    pg_catalog.row_security_active(r.oid) OR pg_catalog.version() ~* 'emscripten|wasm',
    r.relhasrules AND r.relkind <> 'v',
    EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        -- For each row, before it is inserted. (TimescaleDB's own refuses rows in the hypertable itself.)
        WHERE t.tgrelid = r.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 7 = 7
            AND p.proname <> 'insert_blocker'
    ),
    r.relkind = 'r' AND r.relhassubclass AND EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = r.oid),
    EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'timescaledb'),
    (SELECT pg_catalog.array_agg(pg_catalog.format_type(c.atttypid, -1) ORDER BY c.n) FROM column_of AS c),
    (SELECT pg_catalog.array_agg(coalesce(c.base, 0::oid) ORDER BY c.n) FROM column_of AS c),
    (SELECT pg_catalog.array_agg(coalesce(c.base_name::text, '') ORDER BY c.n) FROM column_of AS c),
    (SELECT pg_catalog.array_agg(c.default_of ORDER BY c.n) FROM column_of AS c),
    (SELECT pg_catalog.array_agg(coalesce(c.attgenerated <> '', false) ORDER BY c.n) FROM column_of AS c),
    (SELECT pg_catalog.array_agg(coalesce(c.attidentity = 'a', false) ORDER BY c.n) FROM column_of AS c),
    coalesce((SELECT pg_catalog.array_agg(pg_catalog.format_type(k.atttypid, k.atttypmod) ORDER BY k.n) FROM key_column AS k), '{}'),
    coalesce((SELECT pg_catalog.array_agg(k.collation_name ORDER BY k.n) FROM key_column AS k), '{}'),
    coalesce((SELECT pg_catalog.array_agg(k.base ORDER BY k.n) FROM key_column AS k), '{}'),
    coalesce((SELECT pg_catalog.array_agg(k.is_exact ORDER BY k.n) FROM key_column AS k), '{}'),
    coalesce((SELECT pg_catalog.array_agg(coalesce(k.class, 0::oid) ORDER BY k.n) FROM key_column AS k), '{}'),
    coalesce((
        SELECT pg_catalog.array_agg(
            pg_catalog.format('%I (%s)', u.name, pg_catalog.array_to_string(u.columns, ', '))
                || CASE WHEN NOT u.indisvalid THEN ', invalid' WHEN u.is_partial THEN ', partial' WHEN NOT u.indimmediate THEN ', deferrable' ELSE '' END
            ORDER BY u.name
        )
        FROM unique_index AS u
    ), '{}'),
    EXISTS (SELECT FROM target),
    NOT EXISTS (SELECT FROM target AS u WHERE u.indnullsnotdistinct)
FROM relation AS r
