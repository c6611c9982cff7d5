//! `locf` and `interpolate`: values for buckets without rows.

use diesel::dsl::sql;
use diesel::expression::{
    AppearsOnTable, Expression, SelectableExpression, SqlLiteral, TypedExpressionType, ValidGrouping,
};
use diesel::pg::Pg;
use diesel::pg::sql_types::Record;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Double, Float, Integer, IntoNullable, Nullable, SmallInt, SqlType};

use crate::time_column::TimeType;

/// Fills a gap with the value of the bucket before (last observation carried forward). Only with
/// [gap filling](crate::Bucketed::gapfill). Community edition.
///
/// A bucket that has rows keeps its value, even if that is null: see
/// [`treat_null_as_missing`](Locf::treat_null_as_missing). Buckets before the first value are null: see
/// [`prev`](Locf::prev).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use chrono::DateTime;
/// use diesel_timescale::{Feature, Server, bucketed, last, locf};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Gapfill) { return Ok(()); }
/// # let time = a_reading(conn);
/// // One column for each sensor, and the value that held before the first bucket.
/// let (from, to) = (time, time + TimeDelta::hours(3));
/// let earlier = diesel::alias!(readings as earlier);
/// let state_before = earlier
///     .filter(earlier.field(readings::sensor).eq("office.motion"))
///     .filter(earlier.field(readings::time).lt(from))
///     .order(earlier.field(readings::time).desc())
///     .select(earlier.field(readings::state))
///     .single_value();
/// let motion = last(readings::state, readings::time)
///     .aggregate_filter(readings::sensor.eq("office.motion"));
/// let hourly = bucketed(TimeDelta::hours(1), readings::time).gapfill();
/// let hours: Vec<(DateTime<Utc>, Option<String>)> = readings::table
///     .filter(readings::time.ge(from))
///     .filter(readings::time.lt(to))
///     .group_by(hourly.clone())
///     .select(hourly.row(locf(motion).prev(state_before).treat_null_as_missing()))
///     .load(conn)?;
/// assert!(hours.iter().all(|hour| hour.1.as_deref() == Some("on")));
/// # Ok(()) }) }
/// ```
pub fn locf<V: Expression>(value: V) -> Locf<V, NoLookup> {
    Locf { value, prev: no_lookup(), treat_null_as_missing: false }
}

/// What [`locf`] makes.
#[derive(Debug, Clone, Copy, ValidGrouping)]
#[must_use = "an expression does nothing until a query selects it"]
pub struct Locf<V, P> {
    value: V,
    prev: P,
    treat_null_as_missing: bool,
}

impl<V: Expression, P> Locf<V, P> {
    /// The value before the first bucket, mostly a subquery with `single_value()`.
    pub fn prev<Q>(self, prev: Q) -> Locf<V, Q>
    where
        V::SqlType: IntoNullable,
        Q: Expression<SqlType = <V::SqlType as IntoNullable>::Nullable>,
    {
        Locf { value: self.value, prev, treat_null_as_missing: self.treat_null_as_missing }
    }

    /// Also fills buckets whose rows give null, as in a pivot, where a bucket has rows of other sensors only.
    pub fn treat_null_as_missing(mut self) -> Self {
        self.treat_null_as_missing = true;
        self
    }
}

impl<V, P> QueryFragment<Pg> for Locf<V, P>
where
    V: QueryFragment<Pg>,
    P: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("locf(");
        self.value.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.prev.walk_ast(out.reborrow())?;
        if self.treat_null_as_missing {
            // The server takes a literal only: a bind parameter fails as soon as the plan is generic.
            out.push_sql(", true");
        }
        out.push_sql(")");
        Ok(())
    }
}

impl<V, P> Expression for Locf<V, P>
where
    V: Expression,
    V::SqlType: IntoNullable,
    <V::SqlType as IntoNullable>::Nullable: TypedExpressionType,
{
    type SqlType = <V::SqlType as IntoNullable>::Nullable;
}

/// Fills a gap by a line between the values of the buckets around it. Only with
/// [gap filling](crate::Bucketed::gapfill). Community edition.
///
/// Buckets before the first value and after the last one are null: see [`prev`](Interpolate::prev) and
/// [`next`](Interpolate::next).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use chrono::DateTime;
/// use diesel::dsl::avg;
/// use diesel::pg::sql_types::Record;
/// use diesel::sql_types::{Double, Nullable, Timestamptz};
/// use diesel_timescale::{Feature, Server, bucketed, interpolate};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Gapfill) { return Ok(()); }
/// # a_reading(conn);
/// let (from, to) = (Utc::now() - TimeDelta::hours(3), Utc::now() + TimeDelta::hours(3));
/// // The time and the value of the last reading before the first bucket.
/// let earlier = diesel::alias!(readings as earlier);
/// let reading_before = earlier
///     .filter(earlier.field(readings::time).lt(from))
///     .order(earlier.field(readings::time).desc())
///     .select(
///         (earlier.field(readings::time), earlier.field(readings::value))
///             .into_sql::<Record<(Timestamptz, Nullable<Double>)>>(),
///     )
///     .single_value();
/// let hourly = bucketed(TimeDelta::hours(1), readings::time).gapfill();
/// let hours: Vec<(DateTime<Utc>, Option<f64>)> = readings::table
///     .filter(readings::time.ge(from))
///     .filter(readings::time.lt(to))
///     .group_by(hourly.clone())
///     .select(hourly.row(interpolate(avg(readings::value)).prev(reading_before)))
///     .load(conn)?;
/// # assert!(hours.len() >= 6);
/// # Ok(()) }) }
/// ```
pub fn interpolate<V>(value: V) -> Interpolate<V, NoLookup, NoLookup>
where
    V: Expression,
    V::SqlType: IntoNullable<Nullable: InterpolatedType>,
{
    Interpolate { value, prev: no_lookup(), next: no_lookup() }
}

/// A type that [`interpolate`] takes: the nullable one of `SmallInt`, `Integer`, `BigInt`, `Float` or `Double`.
#[diagnostic::on_unimplemented(
    message = "`interpolate` does not take values of type `{Self}`",
    note = "cast them to `Double`"
)]
pub(crate) trait InterpolatedType: SqlType + 'static {}

impl InterpolatedType for Nullable<SmallInt> {}
impl InterpolatedType for Nullable<Integer> {}
impl InterpolatedType for Nullable<BigInt> {}
impl InterpolatedType for Nullable<Float> {}
impl InterpolatedType for Nullable<Double> {}

/// The type of a reading outside of the buckets: its time and its value.
type Reading<T, V> = Nullable<Record<(T, <<V as Expression>::SqlType as IntoNullable>::Nullable)>>;

/// What [`interpolate`] makes.
#[derive(Debug, Clone, Copy, ValidGrouping)]
#[must_use = "an expression does nothing until a query selects it"]
pub struct Interpolate<V, P, N> {
    value: V,
    prev: P,
    next: N,
}

impl<V, P, N> Interpolate<V, P, N>
where
    V: Expression,
    V::SqlType: IntoNullable<Nullable: InterpolatedType>,
{
    /// The time and the value of the last reading before the first bucket, as a `Record`, mostly a subquery with
    /// `single_value()`.
    pub fn prev<T: TimeType, Q: Expression<SqlType = Reading<T, V>>>(self, prev: Q) -> Interpolate<V, Q, N> {
        Interpolate { value: self.value, prev, next: self.next }
    }

    /// The time and the value of the first reading after the last bucket, as a `Record`.
    pub fn next<T: TimeType, Q: Expression<SqlType = Reading<T, V>>>(self, next: Q) -> Interpolate<V, P, Q> {
        Interpolate { value: self.value, prev: self.prev, next }
    }
}

impl<V, P, N> QueryFragment<Pg> for Interpolate<V, P, N>
where
    V: QueryFragment<Pg>,
    P: QueryFragment<Pg>,
    N: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("interpolate(");
        self.value.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.prev.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.next.walk_ast(out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }
}

impl<V, P, N> Expression for Interpolate<V, P, N>
where
    V: Expression,
    V::SqlType: IntoNullable,
    <V::SqlType as IntoNullable>::Nullable: TypedExpressionType,
{
    type SqlType = <V::SqlType as IntoNullable>::Nullable;
}

/// Nothing to look up outside of the buckets: a null without a type. Diesel wants one, and nothing reads it.
type NoLookup = SqlLiteral<Nullable<Bool>>;

fn no_lookup() -> NoLookup {
    sql("NULL")
}

/// Implements what Diesel asks of an expression whose parts decide where it may appear.
macro_rules! made_of {
    ($name:ident<$($part:ident),+>) => {
        impl<QS, $($part: AppearsOnTable<QS>),+> AppearsOnTable<QS> for $name<$($part),+> where Self: Expression {}

        impl<QS, $($part: SelectableExpression<QS>),+> SelectableExpression<QS> for $name<$($part),+> where
            Self: AppearsOnTable<QS>
        {
        }

        // What is missing is written into the SQL, not bound.
        impl<$($part),+> QueryId for $name<$($part),+> {
            type QueryId = ();

            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}

made_of!(Locf<V, P>);
made_of!(Interpolate<V, P, N>);
