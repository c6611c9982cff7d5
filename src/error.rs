//! What can go wrong, typed.

use diesel::result::{DatabaseErrorInformation, Error as DieselError};
use diesel_timescale::transaction::Transient;

use crate::bulk::{BatchError, InvalidRow};

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in this crate's calls.
///
/// The functions that the migrations install mark what they refuse; [`From`] recognises that, so an error of
/// Diesel's that came from them, by whatever way, becomes the typed one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Hypertables, references to their rows, or migrations: what the crate below refuses for any table.
    #[error(transparent)]
    Timescale(diesel_timescale::Error),
    /// An id that came with a row was refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Old tables were not adopted.
    #[error(transparent)]
    Adoption(#[from] AdoptionError),
    /// A row that the database would refuse. Nothing was sent.
    #[error(transparent)]
    InvalidRow(#[from] InvalidRow),
    /// A batch of many failed. It has left nothing, and those before it stay.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The database, or the way to it.
    #[error(transparent)]
    Database(DieselError),
}

/// Why an id that came with a row was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The id exists with another timestamp.
    #[error("{message}. {remedy}")]
    Taken {
        /// Names the id and the timestamp that it has.
        message: String,
        /// The id.
        id: i64,
        /// What to do.
        remedy: String,
    },
    /// The sequence has not handed the id out.
    #[error("{message}. {remedy}")]
    NotHandedOut {
        /// Names the id.
        message: String,
        /// The id.
        id: i64,
        /// What to do.
        remedy: String,
    },
}

/// Why old tables were not [adopted](crate::adopt). Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptionError {
    /// The schema has no old tables, or their adoption was not started.
    #[error("{message}. Mend: {remedy}")]
    NothingToAdopt {
        /// Names the schema.
        message: String,
        /// The statement that comes first.
        remedy: String,
    },
    /// A choice that there is not, or that comes too late.
    #[error("{message}. {remedy}")]
    Choice {
        /// Names the choice.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// Findings of [`adopt::check`](crate::adopt::check) stand against it.
    #[error("{message}. {remedy}\n{findings}")]
    Blocked {
        /// Says how many.
        message: String,
        /// A line for each, with its remedy.
        findings: String,
        /// What to do.
        remedy: String,
    },
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(_, information) => match refusal(&**information) {
                Some(refusal) => refusal,
                None => diesel_timescale::Error::from(error).into(),
            },
            _ => Self::Database(error),
        }
    }
}

impl From<diesel_timescale::Error> for Error {
    fn from(error: diesel_timescale::Error) -> Self {
        match error {
            diesel_timescale::Error::Database(DieselError::DatabaseError(kind, information)) => {
                refusal(&*information).unwrap_or(Self::Database(DieselError::DatabaseError(kind, information)))
            }
            diesel_timescale::Error::Database(error) => Self::Database(error),
            error => Self::Timescale(error),
        }
    }
}

impl From<diesel_timescale::Unsupported> for Error {
    fn from(error: diesel_timescale::Unsupported) -> Self {
        Self::Timescale(error.into())
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        match self {
            Self::Timescale(error) => error.is_transient(),
            Self::Database(error) => error.is_transient(),
            Self::Batch(error) => error.source.is_transient(),
            _ => false,
        }
    }
}

/// The refusal that a function of this crate has marked.
fn refusal(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Option<Error> {
    let code = information.constraint_name()?.strip_prefix("occupancy_models:")?;
    let message = information.message().to_owned();
    let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
    let remedy = text(information.hint());
    let column = text(information.column_name());
    let details = text(information.details());
    Some(match code {
        "id_taken" => KeyError::Taken { message, id: column.parse().ok()?, remedy }.into(),
        "id_not_handed_out" => KeyError::NotHandedOut { message, id: column.parse().ok()?, remedy }.into(),
        "adoption_nothing" => AdoptionError::NothingToAdopt { message, remedy }.into(),
        "adoption_choice" => AdoptionError::Choice { message, remedy }.into(),
        "adoption_blocked" => AdoptionError::Blocked { message, findings: details, remedy }.into(),
        _ => return diesel_timescale::Error::from_refusal(code, information).map(Error::Timescale),
    })
}
