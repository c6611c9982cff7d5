//! Upserts.

use diesel::Insertable;

use super::batches::Batches;
use super::columns::{Among, Columns};
use super::duplicates::OnDuplicate;
use super::settings::{Check, Settings, Updated};
use super::source::Source;
use super::validation::Validate;
use super::values::{ListOf, Values, ValuesOf};
use super::work::Work;

/// Inserts rows, and updates those that are stored already.
///
/// `rows` are `&[T]`, `&Vec<T>`, `Vec<T>` or an iterator of `T` or `&T`, where `T` derives
/// [`Insertable`](diesel::Insertable).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// use diesel_timescale::bulk;
///
/// let rows = [reading("attic", 1), reading("cellar", 1)];
/// let report = bulk::upsert(&rows).on_conflict((readings::device_id, readings::measured_at)).call(conn)?;
/// assert_eq!(report.inserted, 2);
/// # Ok(()) }) }
/// ```
pub fn upsert<I: IntoIterator>(rows: I) -> Upsert<I::IntoIter, ()> {
    Upsert(Work::new(rows.into_iter(), Settings::default()))
}

/// As [`upsert`], for the rows of a stream, on an asynchronous connection.
///
/// The stream is asked for the rows of the next batch when the one before is stored.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
/// # #[tokio::main]
/// # async fn main() {
/// # let (_db, conn) = database::TestDb::with(TABLE);
/// # drop(conn);
/// # let mut conn = _db.connect_async().await;
/// use diesel_timescale::bulk;
///
/// // Any stream.
/// let rows = futures_util::stream::iter((0..30).map(|minute| reading("attic", minute)));
/// let call = bulk::upsert_stream(rows).on_conflict((readings::device_id, readings::measured_at));
/// let report = call.in_batches(20).call(&mut conn).await.unwrap();
/// assert_eq!(report.inserted, 30);
/// # }
/// ```
#[cfg(feature = "async")]
pub fn upsert_stream<S: futures_core::Stream>(rows: S) -> Upsert<super::source::Streamed<S>, ()> {
    Upsert(Work::new(super::source::Streamed(Box::pin(rows)), Settings::default()))
}

/// Inserts rows, and updates those that are stored already.
///
/// [`on_conflict`](Self::on_conflict) comes first: it says into which table `Tab` the rows go, and what makes two of
/// them the same.
#[derive(Debug)]
#[must_use = "does nothing until it is called"]
pub struct Upsert<Src: Source, Tab>(pub(super) Work<Src, Tab>);

impl<Src: Source> Upsert<Src, ()> {
    /// The columns that make two rows the same: those of a unique index of the table, which are fields of the rows too.
    ///
    /// `columns` is one column, or a tuple of up to 16 columns of the table.
    pub fn on_conflict<C, Tab, Kind, Index>(self, columns: C) -> Upsert<Src, Tab>
    where
        C: Columns<Kind, Table = Tab>,
        Src::Row: Insertable<Tab>,
        ValuesOf<Src::Row, Tab>: Values<Tab>,
        C: Among<ListOf<ValuesOf<Src::Row, Tab>, Tab>, Index>,
    {
        let _ = columns;
        Upsert(Work::new(self.0.source, Settings { key: C::names(), ..Settings::default() }))
    }
}

impl<Src, Tab> Upsert<Src, Tab>
where
    Src: Source<Row: Insertable<Tab, Values: Values<Tab>>>,
{
    /// Updates only these columns of a row that is stored already. Default: all that the rows write, but for the key.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// use diesel_timescale::bulk;
    ///
    /// # bulk::upsert([reading("attic", 1)]).on_conflict((readings::device_id, readings::measured_at)).call(conn)?;
    /// let row = Reading { temperature: Some(99.0), ..reading("attic", 1) };
    /// let call = bulk::upsert([row]).on_conflict((readings::device_id, readings::measured_at));
    /// // The temperature stays.
    /// assert_eq!(call.update(readings::humidity).call(conn)?.unchanged, 1);
    /// # Ok(()) }) }
    /// ```
    pub fn update<C, Kind, Index>(mut self, _: C) -> Self
    where
        C: Columns<Kind, Table = Tab> + Among<ListOf<ValuesOf<Src::Row, Tab>, Tab>, Index>,
    {
        self.0.settings.update.columns = Updated::These(C::names());
        self
    }

    /// Leaves rows that are stored already as they are.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// use diesel_timescale::bulk;
    ///
    /// # bulk::upsert([reading("attic", 1)]).on_conflict((readings::device_id, readings::measured_at)).call(conn)?;
    /// let rows = [reading("attic", 1), reading("attic", 2)];
    /// let call = bulk::upsert(rows).on_conflict((readings::device_id, readings::measured_at));
    /// let report = call.update_nothing().call(conn)?;
    /// assert_eq!((report.inserted, report.unchanged), (1, 1));
    /// # Ok(()) }) }
    /// ```
    pub fn update_nothing(mut self) -> Self {
        self.0.settings.update.columns = Updated::Nothing;
        self
    }

    /// A null in a new row does not clear what is stored in these columns.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// use diesel_timescale::bulk;
    ///
    /// # bulk::upsert([reading("attic", 1)]).on_conflict((readings::device_id, readings::measured_at)).call(conn)?;
    /// let row = Reading { temperature: None, ..reading("attic", 1) };
    /// let call = bulk::upsert([row]).on_conflict((readings::device_id, readings::measured_at));
    /// assert_eq!(call.keep_if_null(readings::temperature).call(conn)?.unchanged, 1);
    /// # Ok(()) }) }
    /// ```
    pub fn keep_if_null<C, Kind, Index>(mut self, _: C) -> Self
    where
        C: Columns<Kind, Table = Tab> + Among<ListOf<ValuesOf<Src::Row, Tab>, Tab>, Index>,
    {
        self.0.settings.update.keep_if_null = C::names();
        self
    }

    /// What to do with rows of one batch that have the same key. Default: [`OnDuplicate::KeepLast`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// use diesel_timescale::bulk::{self, OnDuplicate};
    ///
    /// let rows = [reading("attic", 1), reading("attic", 1)];
    /// let call = bulk::upsert(rows).on_conflict((readings::device_id, readings::measured_at));
    /// let error = call.on_duplicate(OnDuplicate::Fail).call(conn).unwrap_err();
    /// assert_eq!(error.to_string(), "row 1, device_id, measured_at: repeats row 0");
    /// # Ok(()) }) }
    /// ```
    pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
        self.0.settings.on_duplicate = on_duplicate;
        self
    }

    /// The columns by which the rows of a batch are put in order before they are written. Default: those of the conflict
    /// target, the time first.
    ///
    /// For tables that are written by several conflict targets side by side: writers that agree on an order wait for each
    /// other, and do not deadlock. Texts are ordered by their bytes.
    pub fn order_by<C, Kind, Index>(mut self, _: C) -> Self
    where
        C: Columns<Kind, Table = Tab> + Among<ListOf<ValuesOf<Src::Row, Tab>, Tab>, Index>,
    {
        self.0.settings.order = C::names();
        self
    }

    /// Calls an SQL function before each batch is written, in the same transaction, with the values of these columns: an
    /// array for each, in the order of writing. It refuses the batch by raising an error, or takes the locks that the
    /// write needs.
    ///
    /// `function` is the name of a function in the `search_path`. Without a transaction of the caller's each batch gets
    /// one of its own.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// use diesel::connection::SimpleConnection;
    /// use diesel_timescale::bulk;
    ///
    /// conn.batch_execute(
    ///     "CREATE FUNCTION check_devices(devices TEXT[]) RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN
    ///          IF 'attic' = ANY (devices) THEN RAISE EXCEPTION 'the attic is closed'; END IF;
    ///      END $$",
    /// )?;
    /// let call = bulk::upsert([reading("attic", 1)]).on_conflict((readings::device_id, readings::measured_at));
    /// let error = call.check_with("check_devices", readings::device_id).call(conn).unwrap_err();
    /// assert_eq!(error.to_string(), "the attic is closed");
    /// # Ok(()) }) }
    /// ```
    pub fn check_with<C, Kind, Index>(mut self, function: &'static str, _: C) -> Self
    where
        C: Columns<Kind, Table = Tab> + Among<ListOf<ValuesOf<Src::Row, Tab>, Tab>, Index>,
    {
        self.0.settings.check = Some(Check { function, columns: C::names() });
        self
    }

    /// Stores the values that the rows have for a column that is `GENERATED ALWAYS AS IDENTITY`, as SQL's
    /// `OVERRIDING SYSTEM VALUE`: for ids that were taken from its sequence before. Default: such rows are refused with
    /// [`BulkError::GeneratedColumn`](super::BulkError::GeneratedColumn).
    pub fn overriding_system_value(mut self) -> Self {
        self.0.settings.overriding_system_value = true;
        self
    }

    /// Runs the checks of the row type before anything is sent: [`Validate`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// use diesel_timescale::bulk::{self, Violations, Validate};
    ///
    /// impl Validate for Reading {
    ///     fn validate(&self, violations: &mut Violations) {
    ///         if self.device_id.is_empty() {
    ///             violations.add("device_id", "is empty: name the device");
    ///         }
    ///     }
    /// }
    ///
    /// let rows = [reading("", 1), reading("attic", 1), reading("", 2)];
    /// let call = bulk::upsert(&rows).on_conflict((readings::device_id, readings::measured_at));
    /// let error = call.validate().call(conn).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "row 0, device_id: is empty: name the device; row 2, device_id: is empty: name the device"
    /// );
    /// # Ok(()) }) }
    /// ```
    pub fn validate(mut self) -> Self
    where
        Src::Row: Validate,
    {
        self.0.validate = Some(|row, violations| row.validate(violations));
        self
    }

    /// Writes the rows in batches of this many, at least one: no more than one batch is in memory. About 5,000 do well.
    ///
    /// Each batch is atomic by itself. If one fails, it leaves nothing, those before it stay, and the
    /// [error](super::BulkError::Batch) says how far it went. For all or nothing, put the call into a transaction. A repeat
    /// in a later batch is an update of what the earlier one stored.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bulk/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// use diesel_timescale::bulk;
    ///
    /// // Any iterator: a file that is too large for the memory, say.
    /// let rows = (0..12_000).map(|minute| reading("attic", minute));
    /// let report = bulk::upsert(rows)
    ///     .on_conflict((readings::device_id, readings::measured_at))
    ///     .in_batches(5_000)
    ///     .with_progress(|done| println!("{} rows", done.rows()))
    ///     .call(conn)?;
    /// assert_eq!(report.inserted, 12_000);
    /// # Ok(()) }) }
    /// ```
    pub fn in_batches<'p>(self, rows: usize) -> Batches<'p, Src, Tab> {
        Batches::new(self.0, rows)
    }
}
