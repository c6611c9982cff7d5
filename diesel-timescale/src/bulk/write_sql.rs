//! SQL that writes the rows of a batch.

use super::facts::Facts;
use super::plan::{Encoding, Plan, PlannedColumn};
use super::sql::{Piece, Sql};

impl Plan {
    /// Selects the rows of the batch as `c0`, `c1`, …, with their place `n` in the order of writing if asked for.
    pub(super) fn rows(&self, sql: &mut Sql, with_place: bool) {
        let is_plain = |column: &PlannedColumn| column.encoding == Encoding::Plain && column.default.is_none();
        let has_elements = self.columns.iter().any(|column| column.encoding == Encoding::Elements);
        if self.columns.iter().all(is_plain) {
            self.unnested(sql, with_place);
            return;
        }
        sql.push("SELECT ").list(&self.columns, |sql, column| self.decoded(sql, column));
        if with_place {
            sql.push(", i.n");
        }
        sql.push(" FROM (");
        self.unnested(sql, with_place || has_elements);
        sql.push(") AS i");
        for column in self.columns.iter().filter(|column| column.encoding == Encoding::Elements) {
            let index = column.index;
            sql.push(" LEFT JOIN (SELECT r, array_agg(v ORDER BY o) AS v FROM unnest(")
                .bind(Piece::Elements(index))
                .push(", ")
                .bind(Piece::ElementRows(index))
                .push(format!(") WITH ORDINALITY AS u (v, r, o) GROUP BY r) AS a{index} ON a{index}.r = i.n"));
        }
        if has_elements {
            sql.push(" ORDER BY i.n");
        }
    }

    /// The value of a column, out of what was sent for it.
    fn decoded(&self, sql: &mut Sql, column: &PlannedColumn) {
        let PlannedColumn { index, default, .. } = column;
        if let Some(default) = default {
            sql.push(format!("CASE WHEN i.d{index} THEN ({default}) ELSE "));
        }
        match column.encoding {
            Encoding::Plain => sql.push(format!("i.c{index}")),
            Encoding::Dictionary => sql.push("(").bind(Piece::Dictionary(*index)).push(format!(")[i.c{index}]")),
            Encoding::Elements => sql.push(format!("CASE WHEN NOT i.c{index} THEN coalesce(a{index}.v, '{{}}') END")),
        };
        if default.is_some() {
            let cast = column.cast.as_deref().unwrap_or_default();
            sql.push(format!("::{cast} END"));
        }
        sql.push(format!(" AS c{index}"));
    }

    /// What was sent, row by row. Functions in the select list give their rows side by side, and in order.
    fn unnested(&self, sql: &mut Sql, with_place: bool) {
        sql.push("SELECT ").list(&self.columns, |sql, column| {
            let index = column.index;
            sql.push("unnest(").bind(Self::piece(column)).push(format!(") AS c{index}"));
            if column.default.is_some() {
                sql.push(", unnest(").bind(Piece::Defaults(index)).push(format!(") AS d{index}"));
            }
        });
        if with_place {
            sql.push(", generate_series(1, ").bind(Piece::Count).push(") AS n");
        }
    }

    /// `INSERT INTO "readings" AS t ("device_id", …) `
    pub(super) fn insert_into(&self, sql: &mut Sql) {
        self.insert_into_as(sql, " AS t");
    }

    fn insert_into_as(&self, sql: &mut Sql, alias: &str) {
        sql.push(format!("INSERT INTO {}{alias} (", self.table));
        sql.list(&self.columns, |sql, column| _ = sql.push(&column.name)).push(") ");
        if self.overriding_system_value {
            sql.push("OVERRIDING SYSTEM VALUE ");
        }
    }

    /// Rows that are known to be new.
    pub(super) fn insert(&self) -> Sql {
        let mut sql = Sql::default();
        // Without an alias, since `RETURNING` of Diesel's has the name of the table.
        self.insert_into_as(&mut sql, "");
        self.rows(&mut sql, false);
        sql
    }

    /// `ON CONFLICT (…) DO UPDATE SET … WHERE …`: a row that would stay as it is, bit for bit, is not written.
    pub(super) fn on_conflict(&self, sql: &mut Sql) {
        sql.push(" ON CONFLICT (").list(&self.key, |sql, index| _ = sql.push(&self.names[*index]));
        if self.set.is_empty() {
            sql.push(") DO NOTHING");
            return;
        }
        sql.push(") DO UPDATE SET ").list(&self.set, |sql, set| {
            let name = &self.names[set.index];
            sql.push(format!("{name} = {}", new_value(name, set.keep_if_null)));
        });
        sql.push(" WHERE pg_catalog.record_image_ne(ROW(")
            .list(&self.set, |sql, set| _ = sql.push(format!("t.{}", self.names[set.index])));
        sql.push("), ROW(").list(&self.set, |sql, set| {
            sql.push(new_value(&self.names[set.index], set.keep_if_null));
        });
        sql.push("))");
    }

    /// Everything through `ON CONFLICT`: gives how many rows were inserted and updated.
    pub(super) fn upsert(&self) -> Sql {
        let mut sql = Sql::default();
        sql.push("WITH written AS (");
        self.insert_into(&mut sql);
        self.rows(&mut sql, false);
        self.on_conflict(&mut sql);
        self.counts(&mut sql);
        sql
    }

    /// The same for few rows: gives for each row that was written whether it is new, which the client counts faster.
    pub(super) fn upsert_few(&self, rows: usize) -> Sql {
        let mut sql = Sql::default();
        self.insert_into(&mut sql);
        let is_plain = |column: &PlannedColumn| column.encoding == Encoding::Plain && column.default.is_none();
        if rows == 1 && self.columns.iter().all(is_plain) {
            // The plan of a row of values is kept; one of arrays is made anew, as PostgreSQL sees how short they are.
            sql.push("VALUES (").list(&self.columns, |sql, column| _ = sql.bind(Piece::First(column.index)));
            sql.push(")");
        } else {
            self.rows(&mut sql, false);
        }
        self.on_conflict(&mut sql);
        sql.push(format!(" RETURNING {}", self.is_new));
        sql
    }

    /// The end of a statement that begins with `WITH written AS (`, or has it last.
    pub(super) fn counts(&self, sql: &mut Sql) {
        let is_new = &self.is_new;
        sql.push(format!(" RETURNING {is_new} AS is_new) "));
        sql.push("SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM written");
    }
}

/// That a row `t` that was written is new: one that was stored before has been locked, which its `xmax` shows. With
/// partitions there is none, and the rows are asked that the statement found; one that another transaction has inserted
/// meanwhile then counts as new.
pub(super) fn is_new<'a>(table: &str, key: impl Iterator<Item = &'a str>, facts: Option<&Facts>) -> String {
    let Some(facts) = facts.filter(|facts| facts.table.is_partitioned) else { return "t.xmax = 0".to_owned() };
    let same = key.zip(&facts.key.operators).map(|(name, operators)| {
        let equal = operators.as_ref().map_or("=", |operators| &operators.equal);
        match facts.key.nulls_distinct {
            true => format!("e.{name} {equal} t.{name}"),
            false => format!("(e.{name} {equal} t.{name} OR e.{name} IS NULL AND t.{name} IS NULL)"),
        }
    });
    format!("NOT EXISTS (SELECT FROM {table} AS e WHERE {})", same.collect::<Vec<_>>().join(" AND "))
}

fn new_value(name: &str, keep_if_null: bool) -> String {
    if keep_if_null { format!("coalesce(EXCLUDED.{name}, t.{name})") } else { format!("EXCLUDED.{name}") }
}
