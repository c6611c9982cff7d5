//! Calls as declarations.

use super::Setup;
use super::declaration::{Columnstore, Extension, Hypertable};
use super::wanted::Wanted;
use crate::call::Relation;

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

    pub(crate) fn declare_columnstore(
        &mut self,
        relation: &Relation,
        segment_by: &[&str],
        order_by: &[&str],
        descending: &[bool],
    ) {
        let order = order_by.iter().zip(descending);
        self.table(relation).columnstore = Some(Wanted::Present(Columnstore {
            segment_by: segment_by.iter().map(|&column| column.to_owned()).collect(),
            order_by: order.map(|(column, desc)| format!("{column}{}", if *desc { " DESC" } else { "" })).collect(),
        }));
    }
}
