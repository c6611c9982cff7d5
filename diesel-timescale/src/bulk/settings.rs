//! What the caller has chosen.

use super::duplicates::OnDuplicate;

/// Which columns a conflict updates.
#[derive(Debug, Clone, Default)]
pub(super) struct Update {
    pub(super) columns: Updated,
    pub(super) keep_if_null: Vec<&'static str>,
}

/// Which columns a conflict updates.
#[derive(Debug, Clone, Default)]
pub(super) enum Updated {
    /// All that the rows write, but for the key.
    #[default]
    All,
    These(Vec<&'static str>),
    Nothing,
}

impl Update {
    pub(super) fn is_updated(&self, name: &str, is_key: bool) -> bool {
        match &self.columns {
            Updated::All => !is_key,
            Updated::These(names) => names.contains(&name),
            Updated::Nothing => false,
        }
    }
}

/// An SQL function that is called before each batch is written, with columns of it.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) function: &'static str,
    pub(super) columns: Vec<&'static str>,
}

/// What the caller has chosen for an upsert.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) key: Vec<&'static str>,
    pub(super) update: Update,
    pub(super) on_duplicate: OnDuplicate,
    /// The columns by which rows are written in order; empty for the default.
    pub(super) order: Vec<&'static str>,
    pub(super) check: Option<Check>,
    /// Whether the rows bring ids for a column that is `GENERATED ALWAYS AS IDENTITY`.
    pub(super) overriding_system_value: bool,
}
