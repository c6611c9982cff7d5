//! The value of a column that references a row by its id.

use std::marker::PhantomData;

use diesel::QueryResult;
use diesel::expression::{AppearsOnTable, AsExpression, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Nullable, Timestamptz};

/// The id of a row that is referenced, with its time where that is known: then the row is found at once, whatever the
/// number of chunks.
///
/// For fields of `#[derive(Insertable)]` structs, in the place of `i64` or `Option<i64>`, of columns that reference a target
/// [by id](super::CreateTarget::by_id). The time is not stored. A time that is wrong does no harm: the row is then looked for
/// by its id alone, as without one.
///
/// `ST` is the SQL type of the time column. Default: `Timestamptz`. Leave `Id` out: it is the SQL type of the referencing
/// column, which Diesel finds.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use chrono::DateTime;
/// use diesel_timescale::references::{self, ReferencedId};
///
/// diesel::table! {
///     events (id, at) { id -> Int8, at -> Timestamptz }
/// }
/// diesel::table! {
///     alerts (id) { id -> Int8, event_id -> Nullable<Int8> }
/// }
///
/// #[derive(Insertable)]
/// #[diesel(table_name = alerts)]
/// struct NewAlert {
///     #[diesel(column_name = event_id)]
///     event: ReferencedId<DateTime<Utc>>,
/// }
///
/// # fn main() { run(|conn| {
/// conn.batch_execute(
///     "CREATE TABLE events (id BIGINT GENERATED ALWAYS AS IDENTITY, at TIMESTAMPTZ NOT NULL, PRIMARY KEY (id, at));
///      CREATE TABLE alerts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id BIGINT)",
/// )?;
/// references::create_target(events::at).by_id(events::id).call(conn)?;
/// references::add(alerts::event_id, events::table).call(conn)?;
///
/// let at = DateTime::UNIX_EPOCH;
/// let id: i64 = diesel::insert_into(events::table).values(events::at.eq(at)).returning(events::id).get_result(conn)?;
/// let alert = NewAlert { event: ReferencedId::with_time(id, at) };
/// assert_eq!(diesel::insert_into(alerts::table).values(&alert).execute(conn)?, 1);
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct ReferencedId<T, ST = Timestamptz, Id = BigInt> {
    id: Option<i64>,
    time: Option<T>,
    sql_types: PhantomData<fn() -> (ST, Id)>,
}

// Whatever the SQL types, which a derive would ask for the same.
impl<T: Clone, ST, Id> Clone for ReferencedId<T, ST, Id> {
    fn clone(&self) -> Self {
        Self { id: self.id, time: self.time.clone(), sql_types: PhantomData }
    }
}

impl<T: Copy, ST, Id> Copy for ReferencedId<T, ST, Id> {}

impl<T: PartialEq, ST, Id> PartialEq for ReferencedId<T, ST, Id> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.time == other.time
    }
}

impl<T, ST> ReferencedId<T, ST> {
    /// An id, or none.
    pub fn new(id: impl Into<Option<i64>>) -> Self {
        Self { id: id.into(), time: None, sql_types: PhantomData }
    }

    /// An id, and the time of the row that has it.
    pub fn with_time(id: i64, time: T) -> Self {
        Self { id: Some(id), time: Some(time), sql_types: PhantomData }
    }
}

impl<T, ST, Id> ReferencedId<T, ST, Id> {
    /// The id.
    pub fn id(&self) -> Option<i64> {
        self.id
    }

    /// The time, if it was given.
    pub fn time(&self) -> Option<&T> {
        self.time.as_ref()
    }
}

impl<T, ST> Default for ReferencedId<T, ST> {
    fn default() -> Self {
        Self::new(None)
    }
}

// In a statement it is the id, or `diesel_timescale.referenced_id(id, time)`, which leaves the time for the trigger of the
// column.
impl<T, ST, Id> Expression for ReferencedId<T, ST, Id>
where
    Id: diesel::expression::TypedExpressionType,
{
    type SqlType = Id;
}

impl<T, ST, Id> ValidGrouping<()> for ReferencedId<T, ST, Id> {
    type IsAggregate = is_aggregate::Never;
}

impl<T, ST, Id, From> AppearsOnTable<From> for ReferencedId<T, ST, Id> where Self: Expression {}
impl<T, ST, Id, From> SelectableExpression<From> for ReferencedId<T, ST, Id> where Self: Expression {}

// The SQL depends on whether there is a time.
impl<T, ST, Id> QueryId for ReferencedId<T, ST, Id> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T, ST, Id> QueryFragment<Pg> for ReferencedId<T, ST, Id>
where
    T: ToSql<ST, Pg>,
    Pg: HasSqlType<ST>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { id, time, .. } = self;
        let Some(time) = time else { return out.push_bind_param::<Nullable<BigInt>, _>(id) };
        out.push_sql("diesel_timescale.referenced_id(");
        out.push_bind_param::<Nullable<BigInt>, _>(id)?;
        out.push_sql(", ");
        out.push_bind_param::<ST, _>(time)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<T, ST> AsExpression<Nullable<BigInt>> for ReferencedId<T, ST> {
    type Expression = ReferencedId<T, ST, Nullable<BigInt>>;

    fn as_expression(self) -> Self::Expression {
        ReferencedId { id: self.id, time: self.time, sql_types: PhantomData }
    }
}

impl<T: Copy, ST> AsExpression<Nullable<BigInt>> for &ReferencedId<T, ST> {
    type Expression = ReferencedId<T, ST, Nullable<BigInt>>;

    fn as_expression(self) -> Self::Expression {
        AsExpression::<Nullable<BigInt>>::as_expression(*self)
    }
}
