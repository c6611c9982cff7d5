//! What is to be done, as a list of steps.

use std::fmt;

use serde::Serialize;

use crate::server::Server;

/// How much a [step](Step) takes, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepClass {
    /// Changes settings: nobody waits, no row changes. A job that it starts works in the background.
    Safe,
    /// Locks a table for a moment, or against writes while an index is built.
    Locks,
    /// Rewrites rows, and locks the table meanwhile.
    Rewrites,
    /// Rows, or what was computed from rows that are gone, may be lost.
    DestroysData,
}

impl fmt::Display for StepClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Safe => "safe",
            Self::Locks => "locks",
            Self::Rewrites => "rewrites",
            Self::DestroysData => "destroys data",
        })
    }
}

/// One difference between what is declared and what is there, and what removes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// What differs: the name of a table, a view, or a job's procedure.
    pub object: String,
    /// How it differs.
    pub difference: String,
    /// How much the step takes.
    pub class: StepClass,
    /// The statement. `None` where nothing that this crate does would help: see [`obstacle`](Step::obstacle).
    pub sql: Option<String>,
    /// Whether it can run in a transaction.
    pub in_transaction: bool,
    /// Why the step cannot be done, and what to do.
    pub obstacle: Option<String>,
    /// The position in the plan, from zero, of the step that must be done before.
    pub after: Option<usize>,
    /// The table that nobody else may set up meanwhile; quoted.
    #[serde(skip)]
    pub(super) lock: Option<String>,
    /// Why a call that sets tiers alone does not take it.
    #[serde(skip)]
    pub(super) refused: Option<Refused>,
}

impl Step {
    /// Whether `apply` can do it.
    pub fn is_possible(&self) -> bool {
        self.obstacle.is_none() && self.sql.is_some()
    }

    /// Whether both remove the same difference.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.object == other.object && self.difference == other.difference
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.difference)?;
        match &self.obstacle {
            Some(obstacle) => write!(f, " [cannot be done: {obstacle}]"),
            None => write!(f, " [{}]", self.class),
        }
    }
}

/// What keeps tiers from being kept, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// A refresh reads what would be dropped.
    Window(String),
    /// A refresh that should run does not.
    Refresh(String),
}

/// The steps that make the database what is [declared](super::Setup).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The server that it is for.
    pub server: Server,
    /// The steps that [`apply`](super::Setup::apply) has done.
    pub done: Vec<Step>,
    /// The steps that are left, in the order in which they are done.
    pub steps: Vec<Step>,
    /// What is declared and does not apply to this server, because the set-up allows it to lack that.
    pub left_out: Vec<String>,
}

impl Plan {
    /// Whether the database is what is declared, but for what was left out.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.done {
            writeln!(f, "done: {step}")?;
        }
        match self.steps.len() {
            0 => write!(f, "the database is as declared ({})", self.server)?,
            1 => write!(f, "1 step ({})", self.server)?,
            count => write!(f, "{count} steps ({})", self.server)?,
        }
        for step in &self.steps {
            write!(f, "\n{step}")?;
            if let Some(sql) = step.sql.as_ref().filter(|_| step.is_possible()) {
                write!(f, "\n    {sql}")?;
            }
        }
        for left_out in &self.left_out {
            write!(f, "\nleft out: {left_out}")?;
        }
        Ok(())
    }
}
