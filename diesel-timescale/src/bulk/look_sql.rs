//! SQL that looks at what is stored before anything is written.

use super::batch::Batch;
use super::plan::{Plan, Set};
use super::sql::{Piece, Sql};

/// How the rows that are stored already without a difference are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// By their keys, one by one.
    ByKey,
    /// All stored rows in the range of the batch are read, and joined: hardly any other row is there.
    ByRange,
}

/// How many rows of a combination of the other key columns make it worth a probe.
const ROWS_A_PROBE: usize = 8;

impl Plan {
    /// Three results: whether no row is stored in the range of the batch; how many of its first rows are stored without
    /// a difference; whether the range of the first combination of the other key columns has few rows besides the
    /// batch's.
    pub(super) fn probe(&self, batch: &Batch) -> Sql {
        // The sample only chooses the way, so columns of arrays need not be in it.
        let is_array = |index: usize| batch.columns[index].info.is_array();
        let sample: Vec<_> = self.columns.iter().map(|column| column.index).filter(|index| !is_array(*index)).collect();
        let mut sql = Sql::default();
        sql.push("SELECT ");
        self.is_fresh(batch, &mut sql);
        sql.push(", (SELECT count(*) FROM (SELECT ").list(&sample, |sql, index| {
            sql.push("unnest(").bind(Piece::Head(*index)).push(format!(") AS c{index}"));
        });
        sql.push(format!(") AS i WHERE EXISTS (SELECT FROM {} AS e WHERE ", self.table));
        self.is_stored(&mut sql, |index| sample.contains(&index));
        sql.push(")), ");
        match self.range {
            Some(range) => {
                sql.push(format!("(SELECT count(*) FROM (SELECT FROM {} AS e WHERE ", self.table));
                for index in self.others() {
                    sql.push(format!("e.{} = ", self.names[index])).bind(Piece::First(index)).push(" AND ");
                }
                self.in_range(&mut sql, range);
                sql.push(" LIMIT ").bind(Piece::Dense).push(" + 1) AS stored) <= ").bind(Piece::Dense);
            }
            None => _ = sql.push("false"),
        }
        sql
    }

    /// Whether nothing is stored in the ranges of the batch: of each combination of the other key columns in its own, since
    /// batches of many sensors begin and end between readings of the same time.
    fn is_fresh(&self, batch: &Batch, sql: &mut Sql) {
        let others = self.others();
        // With about as many combinations as rows, a probe of each costs more than it saves.
        let is_worth_it = others.is_empty() || self.groups(batch).len() <= batch.len() / ROWS_A_PROBE;
        let Some(range) = self.range.filter(|_| is_worth_it) else {
            sql.push("false");
            return;
        };
        // The first row says most of the time that something is.
        sql.push(format!("NOT EXISTS (SELECT FROM {} AS e WHERE ", self.table));
        sql.joined(&self.key, " AND ", |sql, index| {
            sql.push(format!("e.{} = ", self.names[*index])).bind(Piece::First(*index));
        });
        sql.push(") AND NOT EXISTS (SELECT FROM (SELECT ");
        for (at, index) in others.iter().enumerate() {
            sql.push("unnest(").bind(Piece::Group(at)).push(format!(") AS c{index}, "));
        }
        sql.push("unnest(").bind(Piece::GroupLow).push(") AS low, unnest(");
        sql.bind(Piece::GroupHigh).push(") AS high) AS g CROSS JOIN LATERAL (SELECT FROM ");
        sql.push(format!("{} AS e WHERE ", self.table));
        for index in &others {
            sql.push(format!("e.{} = {} AND ", self.names[*index], self.value("g", *index)));
        }
        // By the range of all, TimescaleDB excludes chunks.
        self.in_range(sql, range);
        let end = |name: &str| self.cast(format!("g.{name}"), range);
        let (name, low, high) = (&self.names[range], end("low"), end("high"));
        sql.push(format!(" AND e.{name} BETWEEN {low} AND {high} LIMIT 1) AS stored)"));
    }

    fn in_range(&self, sql: &mut Sql, range: usize) {
        sql.push(format!("e.{} BETWEEN ", self.names[range])).bind(Piece::Low).push(" AND ").bind(Piece::High);
    }

    /// That a stored row `e` is what a row `i` of the batch would make of it, bit for bit.
    fn is_stored(&self, sql: &mut Sql, is_compared: impl Fn(usize) -> bool) {
        self.has_same_key(sql);
        if let Some(range) = self.range {
            // By this TimescaleDB excludes chunks.
            sql.push(" AND ");
            self.in_range(sql, range);
        }
        let set: Vec<_> = self.set.iter().filter(|set| is_compared(set.index)).collect();
        if !set.is_empty() {
            sql.push(" AND ");
            self.is_same(sql, &set);
        }
    }

    fn has_same_key(&self, sql: &mut Sql) {
        sql.joined(&self.key, " AND ", |sql, index| {
            sql.push(format!("e.{} = {}", self.names[*index], self.value("i", *index)));
        });
    }

    fn is_same(&self, sql: &mut Sql, set: &[&Set]) {
        sql.push("pg_catalog.record_image_eq(ROW(")
            .list(set, |sql, set| _ = sql.push(format!("e.{}", self.names[set.index])));
        sql.push("), ROW(").list(set, |sql, set| {
            let value = self.value("i", set.index);
            let name = &self.names[set.index];
            sql.push(if set.keep_if_null { format!("coalesce({value}, e.{name})") } else { value });
        });
        sql.push("))");
    }

    /// The rows of the batch that are not stored as they are, one by one.
    ///
    /// What is stored is found by `EXISTS`, as TimescaleDB leaves no chunk out for `NOT EXISTS` or `LEFT JOIN`.
    fn rest_by_key(&self, sql: &mut Sql) {
        sql.push("WITH given AS MATERIALIZED (");
        self.rows(sql, true);
        sql.push(format!(
            "), same AS MATERIALIZED (SELECT i.n FROM given AS i WHERE EXISTS (SELECT FROM {} AS e WHERE ",
            self.table
        ));
        self.is_stored(sql, |_| true);
        sql.push(")), rest AS (SELECT * FROM given AS i WHERE i.n NOT IN (SELECT n FROM same)");
    }

    /// The same, where the range of the batch has hardly any other row: it is read once, and joined.
    ///
    /// By itself (`OFFSET 0`), so that TimescaleDB excludes chunks, and by a join that no plan makes a loop of, however
    /// few rows the planner expects of a table without statistics: that is `FULL JOIN`, as long as the condition after
    /// it does not make it another one, for which it must not be strict.
    fn rest_by_range(&self, sql: &mut Sql, range: usize) {
        sql.push("WITH rest AS MATERIALIZED (SELECT i.* FROM (");
        self.rows(sql, true);
        sql.push(") AS i FULL JOIN (SELECT ");
        let compared = self.key.iter().copied().chain(self.set.iter().map(|set| set.index));
        sql.list(compared, |sql, index| _ = sql.push(format!("e.{}", self.names[index])));
        sql.push(format!(" FROM {} AS e WHERE ", self.table));
        self.in_range(sql, range);
        for (at, index) in self.others().iter().enumerate() {
            sql.push(format!(" AND e.{} = ANY (", self.names[*index])).bind(Piece::Group(at)).push(")");
        }
        sql.push(" OFFSET 0) AS e ON ");
        self.has_same_key(sql);
        sql.push(" WHERE coalesce(i.n, 0) > 0 AND (").push(format!("e.{} IS NULL", self.names[range]));
        let set: Vec<_> = self.set.iter().collect();
        if !set.is_empty() {
            sql.push(" OR NOT ");
            self.is_same(sql, &set);
        }
        sql.push(")");
    }

    /// Leaves out the rows that are stored already without a difference; the others go through `ON CONFLICT`.
    pub(super) fn upsert_rest(&self, look: Look) -> Sql {
        let mut sql = Sql::default();
        match self.range.filter(|_| look == Look::ByRange) {
            Some(range) => self.rest_by_range(&mut sql, range),
            None => self.rest_by_key(&mut sql),
        }
        // Whatever the joins were, rows are locked in their order.
        sql.push(" ORDER BY i.n), written AS (");
        self.insert_into(&mut sql);
        sql.push("SELECT ").list(&self.columns, |sql, column| _ = sql.push(format!("c{}", column.index)));
        sql.push(" FROM rest");
        self.on_conflict(&mut sql);
        self.counts(&mut sql);
        sql
    }
}
