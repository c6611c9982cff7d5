//! Columns and indexes, from Diesel's declarations of tables.

use diesel::pg::{Pg, PgMetadataLookup, PgTypeMetadata};
use diesel::query_builder::QueryFragment;
use diesel::query_source::{Column, Table};
use diesel::sql_types::{HasSqlType, SqlType, is_nullable};

use super::Setup;
use super::declaration::{ColumnType, Extension, Index};
use crate::bulk::Columns;
use crate::call::relation_name;
use crate::server::TimescaleVersion;

impl Setup {
    /// Declares the oldest release of TimescaleDB that is accepted; also, that the extension is there.
    pub fn at_least(mut self, release: TimescaleVersion) -> Self {
        self.extension.get_or_insert_with(Extension::default).version = Some(release.to_string());
        self
    }

    /// Declares that a table has the columns that its `diesel::table!` says, of their types, and `NOT NULL` where it
    /// says so. Columns are not created: that is for the migrations of the application.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::setup::Setup;
    ///
    /// # fn main() { run(|conn| {
    /// Setup::new().with_columns_of(readings::table).with_index((readings::room, readings::time)).plan().call(conn)?;
    /// # Ok(()) }) }
    /// ```
    pub fn with_columns_of<T>(mut self, table: T) -> Self
    where
        T: Table<AllColumns: ColumnTypes> + QueryFragment<Pg>,
    {
        let columns = &mut self.table(&relation_name(&table)).columns;
        columns.extend(<T::AllColumns as ColumnTypes>::types().into_iter().map(|(name, of)| (name.to_owned(), of)));
        self
    }

    /// Declares an index on a column or a tuple of columns, in ascending order. A missing one is built.
    pub fn with_index<Kind, C>(self, columns: C) -> Self
    where
        C: Columns<Kind, Table: Default + QueryFragment<Pg>>,
    {
        let _ = columns;
        self.index::<Kind, C>(false)
    }

    /// Declares a unique index, as [`with_index`](Setup::with_index). That of a key is one.
    pub fn with_unique_index<Kind, C>(self, columns: C) -> Self
    where
        C: Columns<Kind, Table: Default + QueryFragment<Pg>>,
    {
        let _ = columns;
        self.index::<Kind, C>(true)
    }

    fn index<Kind, C>(mut self, unique: bool) -> Self
    where
        C: Columns<Kind, Table: Default + QueryFragment<Pg>>,
    {
        let columns = C::names().into_iter().map(str::to_owned).collect();
        self.table(&relation_name(&C::Table::default())).indexes.push(Index { name: None, columns, unique });
        self
    }
}

/// The columns of a table, with their types.
pub(super) trait ColumnTypes {
    /// The name and the type of each.
    fn types() -> Vec<(&'static str, ColumnType)>;
}

/// Whether a type can be null, as Diesel has it.
pub(super) trait IsNull {
    const IS_NULLABLE: bool;
}

impl IsNull for is_nullable::IsNullable {
    const IS_NULLABLE: bool = true;
}

impl IsNull for is_nullable::NotNull {
    const IS_NULLABLE: bool = false;
}

/// Remembers the name of a type that a connection would have to look up.
#[derive(Default)]
struct TypeNames(Option<String>);

impl PgMetadataLookup for TypeNames {
    fn lookup_type(&mut self, name: &str, _: Option<&str>) -> PgTypeMetadata {
        self.0 = Some(name.to_owned());
        PgTypeMetadata::new(0, 0)
    }
}

fn column_type<C>() -> ColumnType
where
    C: Column<SqlType: SqlType<IsNull: IsNull>>,
    Pg: HasSqlType<C::SqlType>,
{
    let mut lookup = TypeNames::default();
    let metadata = <Pg as HasSqlType<C::SqlType>>::metadata(&mut lookup);
    let name = lookup.0.or_else(|| metadata.oid().ok().map(type_name)).unwrap_or_default();
    ColumnType::Full { name, nullable: Some(<C::SqlType as SqlType>::IsNull::IS_NULLABLE) }
}

/// The name of a type of PostgreSQL's own.
fn type_name(oid: u32) -> String {
    let name = match oid {
        16 => "boolean",
        17 => "bytea",
        20 => "bigint",
        21 => "smallint",
        23 => "integer",
        // Diesel has one type for all texts.
        25 => "any text",
        26 => "oid",
        114 => "json",
        700 => "real",
        701 => "double precision",
        869 => "inet",
        1009 => "any text[]",
        1082 => "date",
        1083 => "time",
        1114 => "timestamp",
        1184 => "timestamptz",
        1186 => "interval",
        1266 => "timetz",
        1700 => "numeric",
        2950 => "uuid",
        3802 => "jsonb",
        other => return format!("oid {other}"),
    };
    name.to_owned()
}

macro_rules! tuple_of_columns {
    ($($C:ident),+) => {
        impl<$($C),+> ColumnTypes for ($($C,)+)
        where
            $($C: Column<SqlType: SqlType<IsNull: IsNull>>, Pg: HasSqlType<$C::SqlType>,)+
        {
                    fn types() -> Vec<(&'static str, ColumnType)> {
                vec![$(($C::NAME, column_type::<$C>())),+]
            }
        }
    };
}

macro_rules! tuples_of_columns {
    (($($done:ident),*);) => {};
    (($($done:ident),*); $C:ident $(, $rest:ident)*) => {
        tuple_of_columns!($($done,)* $C);
        tuples_of_columns!(($($done,)* $C); $($rest),*);
    };
}

tuples_of_columns!((); A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17, A18, A19,
    A20, A21, A22, A23, A24, A25, A26, A27, A28, A29, A30, A31);

#[cfg(feature = "64-column-tables")]
tuples_of_columns!((A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17, A18, A19, A20,
    A21, A22, A23, A24, A25, A26, A27, A28, A29, A30, A31); A32, A33, A34, A35, A36, A37, A38, A39, A40, A41, A42,
    A43, A44, A45, A46, A47, A48, A49, A50, A51, A52, A53, A54, A55, A56, A57, A58, A59, A60, A61, A62, A63);
