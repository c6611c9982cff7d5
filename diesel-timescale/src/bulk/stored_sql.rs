//! SQL that finds stored rows by the keys that were given, and the rank of keys.

use super::facts::Facts;
use super::plan::Plan;
use super::sql::{Piece, Sql};

impl Plan {
    /// The end of a query that selects from the stored rows: one for each row that was given, in that order.
    pub(super) fn stored_rows(&self, facts: &Facts, nulls: bool) -> Sql {
        let mut sql = Sql::default();
        sql.push(" FROM ");
        self.join(&mut sql, facts, nulls);
        sql.push(" ORDER BY i.n");
        sql
    }

    /// The places of the rows that are stored, from 1.
    pub(super) fn stored_places(&self, facts: &Facts, nulls: bool) -> Sql {
        let mut sql = Sql::default();
        sql.push("SELECT i.n FROM ");
        self.join(&mut sql, facts, nulls);
        sql.push(" ORDER BY i.n");
        sql
    }

    fn join(&self, sql: &mut Sql, facts: &Facts, nulls: bool) {
        sql.push("(");
        self.given_keys(sql, facts);
        sql.push(format!(") AS i JOIN {} ON ", self.from(facts)));
        let columns: Vec<_> = self.key.iter().zip(&facts.key.operators).collect();
        sql.joined(&columns, " AND ", |sql, (index, operators)| {
            let (stored, given) = (format!("{}.{}", self.table, self.names[**index]), format!("i.c{index}"));
            let equal = operators.as_ref().map_or("=", |operators| &operators.equal);
            match nulls {
                true => sql.push(format!("({stored} {equal} {given} OR {stored} IS NULL AND {given} IS NULL)")),
                false => sql.push(format!("{stored} {equal} {given}")),
            };
        });
        if let (Some(range), true) = (self.range, facts.key.is_exact && !nulls) {
            // Lets TimescaleDB leave chunks out.
            sql.push(format!(" AND {}.{} BETWEEN ", self.table, self.names[range]));
            sql.bind(Piece::Low).push(" AND ").bind(Piece::High);
        }
    }

    /// Rows of tables that inherit are not what was written.
    fn from(&self, facts: &Facts) -> String {
        format!("{}{}", if facts.table.is_inherited { "ONLY " } else { "" }, self.table)
    }

    /// The keys of all rows that were given, as the types that the columns have in the table.
    fn given_keys(&self, sql: &mut Sql, facts: &Facts) {
        sql.push("SELECT ").list(self.key.iter().zip(&facts.key.types), |sql, (index, key_type)| {
            sql.push("unnest(").bind(Piece::Given(*index)).push(format!(")::{key_type} AS c{index}"));
        });
        sql.push(", generate_series(1, ").bind(Piece::GivenCount).push(") AS n");
    }

    /// The rank of the key of each row that was given, in that order: the same for keys that the index calls equal.
    pub(super) fn ranks(&self, facts: &Facts) -> Sql {
        let mut sql = Sql::default();
        sql.push("SELECT dense_rank() OVER (ORDER BY ");
        let columns = self.key.iter().zip(&facts.key.collations).zip(&facts.key.operators);
        sql.list(columns, |sql, ((index, collation), operators)| {
            let collation = collation.as_ref().map_or(String::new(), |collation| format!(" COLLATE {collation}"));
            let order = operators.as_ref().map_or(String::new(), |operators| format!(" USING {}", operators.less));
            sql.push(format!("i.c{index}{collation}{order}"));
        });
        sql.push(") FROM (");
        self.given_keys(&mut sql, facts);
        sql.push(") AS i ORDER BY i.n");
        sql
    }
}
