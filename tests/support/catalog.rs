// What a schema consists of, by PostgreSQL's own catalogs, to compare.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::database::{value, values};

/// One line for each thing in a schema: tables, views, sequences, columns, constraints, indexes, triggers, functions
/// and hypertables, with what they are defined as, who owns them, who may use them, and their comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog(BTreeSet<String>);

impl Catalog {
    /// The catalog of the current schema.
    pub fn new(conn: &mut PgConnection) -> Self {
        let schema = value(conn, "SELECT current_schema()");
        Self::of(conn, &schema)
    }

    /// The catalog of a schema.
    pub fn of(conn: &mut PgConnection, schema: &str) -> Self {
        let schema = schema.replace('\'', "''");
        let namespace = value(conn, &format!("SELECT oid FROM pg_namespace WHERE nspname = '{schema}'"));
        let mut lines: BTreeSet<String> =
            values(conn, &OBJECTS.replace("$namespace", &namespace)).into_iter().collect();
        if !value(conn, "SELECT to_regclass('timescaledb_information.hypertables')").is_empty() {
            lines.extend(values(conn, &HYPERTABLES.replace("$schema", &schema)));
        }
        Self(lines)
    }

    /// The lines that a text is in.
    pub fn with(&self, text: &str) -> Self {
        Self(self.0.iter().filter(|line| line.contains(text)).cloned().collect())
    }

    /// The lines that a text is not in.
    pub fn without(&self, text: &str) -> Self {
        Self(self.0.iter().filter(|line| !line.contains(text)).cloned().collect())
    }

    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Fails with the lines that only one of the two has.
    #[track_caller]
    pub fn assert_is(&self, expected: &Self, when: &str) {
        let only = |a: &Self, b: &Self| a.0.difference(&b.0).cloned().collect::<Vec<_>>().join("\n  ");
        assert!(
            self == expected,
            "the catalog is not what it should be {when}\nmissing:\n  {}\nthere, but should not be:\n  {}",
            only(expected, self),
            only(self, expected),
        );
    }
}

/// Without what belongs to an extension: TimescaleDB has its functions in `public`.
const OBJECTS: &str = r"
WITH relations AS (
    SELECT c.*, format('%s %s', CASE relkind WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' ELSE 'table' END, relname) AS name
    FROM pg_class AS c
    WHERE relnamespace = $namespace AND relkind <> 'c'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
)
SELECT concat_ws(' ', name, relkind, relpersistence, relreplident, relispartition, relrowsecurity, relowner::regrole, relacl, reloptions, obj_description(oid, 'pg_class'))
FROM relations
UNION ALL
SELECT concat_ws(' ', name, 'is', pg_get_viewdef(oid))
FROM relations
WHERE relkind IN ('v', 'm')
UNION ALL
SELECT concat_ws(' ', name, 'counts', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
FROM relations
JOIN pg_sequence AS s ON s.seqrelid = relations.oid
UNION ALL
SELECT concat_ws(' ', name, 'column', a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attcollation, a.attnotnull, a.attidentity, a.attgenerated, a.attacl, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum))
FROM relations
JOIN pg_attribute AS a ON a.attrelid = relations.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE relkind NOT IN ('i', 'S')
UNION ALL
SELECT concat_ws(' ', name, 'constraint', o.conname, pg_get_constraintdef(o.oid), o.convalidated, obj_description(o.oid, 'pg_constraint'))
FROM relations
JOIN pg_constraint AS o ON o.conrelid = relations.oid
UNION ALL
SELECT concat_ws(' ', name, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident)
FROM relations
JOIN pg_index AS i ON i.indexrelid = relations.oid
UNION ALL
SELECT concat_ws(' ', name, pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger'))
FROM relations
JOIN pg_trigger AS t ON t.tgrelid = relations.oid AND NOT t.tgisinternal
UNION ALL
SELECT concat_ws(' ', name, pg_get_ruledef(r.oid))
FROM relations
JOIN pg_rewrite AS r ON r.ev_class = relations.oid AND r.rulename <> '_RETURN'
UNION ALL
SELECT concat_ws(' ', name, 'child of', inhparent::regclass)
FROM relations
JOIN pg_inherits ON inhrelid = relations.oid
UNION ALL
SELECT concat_ws(' ', 'function', p.oid::regprocedure, p.proowner::regrole, p.proacl, pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'))
FROM pg_proc AS p
WHERE p.pronamespace = $namespace AND p.prokind <> 'a'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
UNION ALL
SELECT concat_ws(' ', 'type', t.typname, t.typtype, obj_description(t.oid, 'pg_type'))
FROM pg_type AS t
WHERE t.typnamespace = $namespace AND t.typtype IN ('d', 'e', 'r')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = t.oid AND deptype = 'e')
";

const HYPERTABLES: &str = r"
SELECT concat_ws(' ', 'hypertable', h.hypertable_name, h.num_chunks, d.dimension_number, d.column_name, d.time_interval)
FROM timescaledb_information.hypertables AS h
JOIN timescaledb_information.dimensions AS d USING (hypertable_schema, hypertable_name)
WHERE h.hypertable_schema = '$schema'
";
