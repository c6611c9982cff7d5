//! What an index compares by.

use diesel::QueryResult;
use diesel::sql_types::{Nullable, Text};

use super::driver::Driver;
use super::statement::{Bind, Statement};

/// The operators of an operator class that is not PostgreSQL's own, as SQL: what it calls less, and equal.
#[derive(Debug, Clone)]
pub(super) struct Operators {
    pub(super) less: String,
    pub(super) equal: String,
}

/// The operators of these classes; none where there is no class.
pub(super) async fn read<D: Driver>(driver: &mut D, classes: &[u32]) -> QueryResult<Vec<Option<Operators>>> {
    if classes.iter().all(|class| *class == 0) {
        return Ok(vec![None; classes.len()]);
    }
    let list: Vec<_> = classes.iter().map(u32::to_string).collect();
    let binds = vec![Bind::Text(format!("{{{}}}", list.join(",")))];
    let statement = Statement::<(Nullable<Text>, Nullable<Text>)>::new(SQL.map(str::to_owned).to_vec(), binds);
    let rows: Vec<(Option<String>, Option<String>)> = driver.load(statement).await?;
    let operators =
        rows.into_iter().map(|(less, equal)| less.zip(equal).map(|(less, equal)| Operators { less, equal }));
    Ok(operators.collect())
}

/// In a b-tree, 1 is less and 3 is equal.
const SQL: [&str; 2] = [
    "SELECT pg_catalog.min(CASE WHEN a.amopstrategy = 1 THEN pg_catalog.format('OPERATOR(%I.%s)', s.nspname, o.oprname) END), \
     pg_catalog.min(CASE WHEN a.amopstrategy = 3 THEN pg_catalog.format('OPERATOR(%I.%s)', s.nspname, o.oprname) END) \
     FROM pg_catalog.unnest(CAST(",
    " AS oid[])) WITH ORDINALITY AS k (class, n) \
     LEFT JOIN pg_catalog.pg_opclass AS c ON c.oid = k.class \
     LEFT JOIN pg_catalog.pg_amop AS a ON a.amopfamily = c.opcfamily AND a.amoplefttype = c.opcintype AND a.amoprighttype = c.opcintype \
     LEFT JOIN pg_catalog.pg_operator AS o ON o.oid = a.amopopr \
     LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid = o.oprnamespace \
     GROUP BY k.n ORDER BY k.n",
];
