//! Calls as declarations.

use super::Setup;
use super::declaration::{
    Action, Aggregate, Columnstore, Dimension, Extension, GranularRefresh, Hypertable, IntegerNow, Notifications,
    Reference, Table, Target, Unit,
};
use super::length::Length;
use super::names::plain_name;
use super::sql::identifier;
use super::wanted::Wanted;
use crate::call::Relation;
use crate::sql_text::ViewName;

/// What a [`Setup`] takes: the values of calls.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a set-up can declare",
    note = "a set-up takes the values of calls that set something up, before they are called"
)]
pub trait Declare {
    /// Adds the declaration.
    #[doc(hidden)]
    fn declare(self, setup: &mut Setup);
}

impl Setup {
    pub(crate) fn declare_extension(&mut self, schema: Option<String>, allow_plain_postgres: bool) {
        let extension = self.extension.get_or_insert_with(Extension::default);
        extension.schema = schema;
        extension.allow_plain_postgres = allow_plain_postgres;
    }

    pub(crate) fn declare_hypertable(&mut self, relation: &Relation, hypertable: Hypertable) {
        self.table(relation).hypertable = Some(hypertable);
    }

    pub(crate) fn declare_columnstore(&mut self, relation: &Relation, columnstore: Columnstore) {
        self.table(relation).columnstore = Some(Wanted::Present(columnstore));
    }

    pub(crate) fn declare_target(&mut self, relation: &Relation, target: Target) {
        self.table(relation).target = Some(Wanted::Present(target));
    }

    pub(crate) fn declare_no_target(&mut self, relation: &Relation) {
        self.table(relation).target = Some(Wanted::Absent);
    }

    /// `None`: that there are none.
    pub(crate) fn declare_notifications(&mut self, relation: &Relation, declared: Option<Notifications>) {
        self.table(relation).notify_inserts = Some(declared.map_or(Wanted::Absent, Wanted::Present));
    }

    /// `None`: that there is none.
    pub(crate) fn declare_reference(
        &mut self,
        relation: &Relation,
        columns: &[&str],
        target: &Relation,
        on_delete: Option<&str>,
    ) {
        let reference = Reference {
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            to: self.name(target),
            on_delete: on_delete.and_then(Action::from_sql).unwrap_or_default(),
            absent: on_delete.is_none(),
        };
        let references = &mut self.table(relation).references;
        references.retain(|other| (&other.columns, &other.to) != (&reference.columns, &reference.to));
        references.push(reference);
    }

    /// Without a source: it reads what its definition names.
    pub(crate) fn declare_aggregate(&mut self, name: ViewName, source: Option<&Relation>, declared: AggregateQueries) {
        let name = self.view(name);
        let from = source.map(|source| self.name(source));
        let definition = self.sql(declared.definition);
        let plain_definition = declared.plain_definition.map(|plain| self.sql(plain));
        let columns = declared.columns.unwrap_or_else(|message| {
            self.error.get_or_insert(message);
            Vec::new()
        });
        self.aggregate(name, |aggregate| {
            aggregate.from = from;
            aggregate.definition = Some(definition);
            aggregate.plain_definition = plain_definition;
            aggregate.columns = columns;
            // Not to be so is the default.
            aggregate.materialized_only = declared.materialized_only.then_some(true).or(aggregate.materialized_only);
        });
    }

    pub(crate) fn declare_materialized_only(&mut self, relation: &Relation, materialized_only: bool) {
        let name = self.name(relation);
        self.aggregate(name, |aggregate| aggregate.materialized_only = Some(materialized_only));
    }

    pub(crate) fn declare_aggregate_column(&mut self, view: ViewName, column: &str, aggregate: Result<String, String>) {
        let (view, added) = (self.view(view), self.sql(aggregate));
        self.aggregate(view, |aggregate| {
            aggregate.added_columns.insert(column.to_owned(), added);
        });
    }

    /// The offsets are those of a time column.
    pub(crate) fn declare_granular_refresh(
        &mut self,
        relation: &Relation,
        column: &str,
        offsets: Option<(Length, Length)>,
    ) {
        let column = column.to_owned();
        self.table(relation).granular_refresh =
            offsets.map(|(start_offset, end_offset)| GranularRefresh { column, start_offset, end_offset });
    }

    pub(crate) fn declare_aggregate_granular_refresh(&mut self, relation: &Relation) {
        let name = self.name(relation);
        self.aggregate(name, |aggregate| aggregate.granular_refresh = true);
    }

    pub(crate) fn declare_direct_compress(&mut self, relation: &Relation, enabled: bool) {
        self.table(relation).direct_compress = Some(enabled);
    }

    pub(crate) fn declare_no_columnstore(&mut self, relation: &Relation) {
        self.table(relation).columnstore = Some(Wanted::Absent);
    }

    pub(crate) fn declare_chunk_interval(&mut self, relation: &Relation, interval: Option<Length>) {
        self.table(relation).chunk_interval = interval;
    }

    pub(crate) fn declare_dimension(&mut self, relation: &Relation, column: &str, partitions: i32) {
        let dimensions = &mut self.table(relation).dimensions;
        dimensions.retain(|other| other.column != column);
        dimensions.push(Dimension { column: column.to_owned(), partitions });
    }

    pub(crate) fn declare_chunk_skipping(&mut self, relation: &Relation, column: &str, enabled: bool) {
        self.table(relation).chunk_skipping.insert(column.to_owned(), enabled);
    }

    pub(crate) fn declare_tablespace(&mut self, relation: &Relation, tablespace: String) {
        let tablespaces = self.table(relation).tablespaces.get_or_insert_with(Vec::new);
        if !tablespaces.contains(&tablespace) {
            tablespaces.push(tablespace);
        }
    }

    pub(crate) fn declare_no_tablespaces(&mut self, relation: &Relation) {
        self.table(relation).tablespaces = Some(Vec::new());
    }

    pub(crate) fn declare_integer_now(&mut self, relation: &Relation, unit: Option<Unit>, function: Option<String>) {
        self.table(relation).integer_now = Some(IntegerNow { unit, function });
    }

    /// Changes what is declared of an aggregate.
    pub(super) fn aggregate(&mut self, name: String, change: impl FnOnce(&mut Aggregate)) {
        let mut aggregate = match self.aggregates.remove(&name) {
            Some(Wanted::Present(aggregate)) => aggregate,
            Some(Wanted::Absent) | None => Aggregate::default(),
        };
        change(&mut aggregate);
        self.aggregates.insert(name, Wanted::Present(aggregate));
    }

    pub(crate) fn declare_no_aggregate(&mut self, name: &str) {
        self.aggregates.insert(plain_name(&identifier(name)), Wanted::Absent);
    }

    fn view(&mut self, name: ViewName) -> String {
        let sql = |(schema, name): (Option<String>, String)| {
            let schema = schema.map(|schema| identifier(&schema) + ".").unwrap_or_default();
            schema + &identifier(&name)
        };
        self.name(&name.map(sql))
    }

    pub(super) fn name(&mut self, relation: &Relation) -> String {
        plain_name(&self.sql(relation.clone()))
    }

    /// The text; the calls report what is none.
    pub(super) fn sql(&mut self, text: Result<String, String>) -> String {
        text.unwrap_or_else(|message| {
            self.error.get_or_insert(message);
            String::new()
        })
    }

    /// The table that a declaration is about.
    pub(super) fn table(&mut self, relation: &Relation) -> &mut Table {
        let name = self.name(relation);
        self.tables.entry(name).or_default()
    }
}

/// What a continuous aggregate shows, each as SQL or why it is none.
pub(crate) struct AggregateQueries {
    /// Their names; none: those of the definition.
    pub columns: Result<Vec<String>, String>,
    pub definition: Result<String, String>,
    pub plain_definition: Option<Result<String, String>>,
    pub materialized_only: bool,
}
