//! What the catalogs say about the table of a batch.

use diesel::sql_types::{Array, Bool, Nullable, Oid, Text};

use super::batch::Batch;
use super::driver::Driver;
use super::error::BulkError;
use super::oid;
use super::operators::{self, Operators};
use super::settings::Settings;
use super::statement::{Bind, Statement};
#[cfg(feature = "sync")]
use super::values::ColumnInfo;

/// A table, its columns that are written, and its unique indexes.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) table: Relation,
    /// The type of each column that is written.
    pub(super) types: Vec<String>,
    /// The OID and the name of each, or of the type that it is a domain of.
    #[cfg_attr(not(feature = "sync"), expect(dead_code, reason = "for COPY"))]
    base_types: Vec<(u32, String)>,
    /// What computes the value of a column that rows leave to the database, if anything does.
    pub(super) defaults: Vec<Option<String>>,
    pub(super) key: Key,
}

impl Facts {
    /// Whether COPY of rows that leave nothing to the database does the same as INSERT.
    #[cfg(feature = "sync")]
    pub(super) fn allows_copy(&self, batch: &Batch) -> bool {
        // COPY takes the bytes of a value as those of the column's type. Arrays of a custom type have its OID in them, which
        // is not known here.
        let is_as_stored = |info: &ColumnInfo, (base, name): &(u32, String)| match &info.custom {
            Some(custom) => custom.name == *name && !info.is_array(),
            None => oid::has_same_bytes(info.oid, *base),
        };
        !self.table.refuses_copy
            && !self.table.has_rules
            && batch.columns.iter().zip(&self.base_types).all(|(column, base)| is_as_stored(&column.info, base))
    }
}

/// What kind of table it is.
#[derive(Debug, Default)]
pub(super) struct Relation {
    /// Whether PostgreSQL refuses COPY: since a policy applies to the role, or in WebAssembly.
    #[cfg_attr(not(feature = "sync"), expect(dead_code, reason = "only COPY is refused"))]
    pub(super) refuses_copy: bool,
    pub(super) has_rules: bool,
    /// Whether a trigger may change or skip a row before it is inserted.
    pub(super) has_triggers: bool,
    /// Whether it has partitions, of whose rows PostgreSQL gives no `xmax`.
    pub(super) is_partitioned: bool,
    /// Whether other tables inherit from it, so that a look at it finds rows that its indexes do not have.
    pub(super) is_inherited: bool,
}

/// The columns of the conflict target.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// Their types, with length or precision.
    pub(super) types: Vec<String>,
    /// The collations of the index, if the types have any.
    pub(super) collations: Vec<Option<String>>,
    /// What the index compares by, where that is not PostgreSQL's own.
    pub(super) operators: Vec<Option<Operators>>,
    /// For each column, whether two values are the same only if their bytes are.
    pub(super) exact: Vec<bool>,
    /// Whether that is so for all of them.
    pub(super) is_exact: bool,
    /// Whether a null is unlike every other null.
    pub(super) nulls_distinct: bool,
}

/// Reads the facts, and refuses what cannot be written.
pub(super) async fn read<D: Driver>(
    driver: &mut D,
    table: &str,
    batch: &Batch,
    key: &[usize],
    settings: &Settings,
) -> Result<Facts, BulkError> {
    let names: Vec<_> = batch.columns.iter().map(|column| column.info.name).collect();
    let key_names: Vec<_> = key.iter().map(|index| names[*index]).collect();
    let with_defaults = batch.columns.iter().filter(|column| column.has_defaults());
    let with_defaults: Vec<_> = with_defaults.map(|column| column.info.name).collect();
    let rows: Vec<Row> = driver.load(statement(table, &[&names, &key_names, &with_defaults])).await?;
    let Some((relation, columns, key_columns, indexes)) = rows.into_iter().next() else {
        return Err(BulkError::NoTable { table: table.to_owned() });
    };
    let (kind, refuses_copy, has_rules, has_triggers, has_children, has_timescale) = relation;
    if let Some(kind) = not_a_table(&kind) {
        return Err(BulkError::NotATable { table: table.to_owned(), kind });
    }
    let (types, base_oids, base_names, defaults, is_generated, is_identity) = columns;
    let is_identity = is_identity.into_iter().map(|is_identity| is_identity && !settings.overriding_system_value);
    let is_computed: Vec<_> = is_generated.into_iter().zip(is_identity).map(|(a, b)| a || b).collect();
    refuse(table, &names, &types, &is_computed)?;
    let (key_types, collations, base_types, exact, classes) = key_columns;
    let (unique_indexes, has_target, nulls_distinct) = indexes;
    if !key.is_empty() && !has_target {
        let target = key_names.iter().map(|&name| name.to_owned()).collect();
        return Err(BulkError::NoUniqueIndex { table: table.to_owned(), target, unique_indexes });
    }
    let is_exact = |((index, base), exact): ((&usize, u32), bool)| {
        let bound = batch.columns[*index].info.oid;
        // Zero stands for an enum, whose values are bound as themselves.
        exact && (base == 0 || oid::is_exact(base) && oid::is_same(bound, base))
    };
    let exact: Vec<_> = key.iter().zip(base_types).zip(exact).map(is_exact).collect();
    // Only an upsert looks at what is stored.
    let is_inherited = !key.is_empty() && has_children && !(has_timescale && is_hypertable(driver, table).await?);
    Ok(Facts {
        table: Relation { refuses_copy, has_rules, has_triggers, is_partitioned: kind == "p", is_inherited },
        types: types.into_iter().flatten().collect(),
        base_types: base_oids.into_iter().zip(base_names).collect(),
        defaults,
        key: Key {
            types: key_types.into_iter().flatten().collect(),
            collations,
            operators: operators::read(driver, &classes).await?,
            is_exact: !exact.contains(&false),
            exact,
            nulls_distinct,
        },
    })
}

/// `lists` are `$2`, `$3` and `$4`.
fn statement(table: &str, lists: &[&[&'static str]; 3]) -> Statement<SqlTypes> {
    let mut text = Vec::new();
    let mut binds = Vec::new();
    for (at, piece) in SQL.split('$').enumerate() {
        let number = if at > 0 { piece.get(..1) } else { None };
        match number {
            Some("2") => binds.push(Bind::Texts(lists[0].to_vec())),
            Some("3") => binds.push(Bind::Texts(lists[1].to_vec())),
            Some("4") => binds.push(Bind::Texts(lists[2].to_vec())),
            Some(_) => binds.push(Bind::Text(table.to_owned())),
            None => {}
        }
        text.push(piece[number.map_or(0, str::len)..].to_owned());
    }
    Statement::new(text, binds)
}

fn not_a_table(kind: &str) -> Option<&'static str> {
    match kind {
        "r" | "p" => None,
        "v" => Some("a view"),
        "m" => Some("a materialized view"),
        "f" => Some("a foreign table"),
        _ => Some("not a table"),
    }
}

fn refuse(table: &str, names: &[&str], types: &[Option<String>], is_computed: &[bool]) -> Result<(), BulkError> {
    let (table, names) = (table.to_owned(), || names.iter().map(|&name| name.to_owned()));
    let columns: Vec<_> = names().zip(types).filter(|(_, found)| found.is_none()).map(|(name, _)| name).collect();
    if !columns.is_empty() {
        return Err(BulkError::NoColumn { table, columns });
    }
    let columns: Vec<_> = names().zip(is_computed).filter(|(_, is)| **is).map(|(name, _)| name).collect();
    if !columns.is_empty() {
        return Err(BulkError::GeneratedColumn { table, columns });
    }
    Ok(())
}

/// A hypertable has its chunks as children, and no rows of its own.
async fn is_hypertable<D: Driver>(driver: &mut D, table: &str) -> Result<bool, BulkError> {
    let text = [
        "SELECT EXISTS (SELECT FROM _timescaledb_catalog.hypertable AS h JOIN pg_catalog.pg_namespace AS n \
         ON n.nspname = h.schema_name JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = h.table_name \
         WHERE c.oid = pg_catalog.to_regclass(",
        "))",
    ];
    let binds = vec![Bind::Text(table.to_owned())];
    let statement = Statement::<(Bool,)>::new(text.map(str::to_owned).to_vec(), binds);
    let rows: Vec<(bool,)> = driver.load(statement).await?;
    Ok(rows.into_iter().any(|(is,)| is))
}

type SqlTypes = (
    (Text, Bool, Bool, Bool, Bool, Bool),
    (Array<Nullable<Text>>, Array<Oid>, Array<Text>, Array<Nullable<Text>>, Array<Bool>, Array<Bool>),
    (Array<Nullable<Text>>, Array<Nullable<Text>>, Array<Oid>, Array<Bool>, Array<Oid>),
    (Array<Text>, Bool, Bool),
);

type Row = (
    (String, bool, bool, bool, bool, bool),
    (Vec<Option<String>>, Vec<u32>, Vec<String>, Vec<Option<String>>, Vec<bool>, Vec<bool>),
    (Vec<Option<String>>, Vec<Option<String>>, Vec<u32>, Vec<bool>, Vec<u32>),
    (Vec<String>, bool, bool),
);

const SQL: &str = include_str!("facts.sql");
