//! What writes the batches of one lane: one at a time, again until it is stored or cannot be.

use std::sync::Arc;
use std::time::Duration;

use diesel::sql_types::Text;

use super::backoff;
use super::buffer::Turn;
use super::error::Remedy;
use super::lane::{Part, Taken};
use super::shared::Shared;
use super::site::Site;
use super::suspects;
use super::trace::{self, Then};
use crate::bulk::driver::Driver;
use crate::bulk::error::BulkError;
use crate::bulk::report::Report;
use crate::bulk::statement::Statement;
use crate::trace::Run;

/// Batches that are too large or too slow are halved after so many tries.
const TRIES: u32 = 3;
/// For how long a row is tried that a server refuses in another language than English.
const UNCLEAR: Duration = Duration::from_secs(60);

pub(super) struct Worker<S, R> {
    pub(super) site: Arc<S>,
    pub(super) shared: Arc<Shared<R>>,
    pub(super) lane: usize,
}

/// Why a part was not stored.
enum Failure {
    /// Whatever was tried, nothing was sent, or nothing of it was done.
    Passing(String),
    /// An answer of the server, or none.
    Error(BulkError),
    /// An answer in another language than English.
    Unclear(BulkError),
    Stopped,
}

impl Failure {
    /// What it is, without values.
    fn condition(&self) -> String {
        match self {
            Self::Passing(reason) => reason.clone(),
            Self::Error(error) | Self::Unclear(error) => trace::condition(error),
            Self::Stopped => String::new(),
        }
    }
}

impl From<BulkError> for Failure {
    fn from(error: BulkError) -> Self {
        Self::Error(error)
    }
}

/// Closes the writer when what writes ends before its end: by a panic, or with the runtime.
struct Alarm<R>(Option<Arc<Shared<R>>>);

impl<R> Alarm<R> {
    fn off(mut self) {
        self.0 = None;
    }
}

impl<R> Drop for Alarm<R> {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.close();
        }
    }
}

impl<S: Site, R: Send + 'static> Worker<S, R> {
    /// Writes until the writer ends. A runtime may end before it comes to this, so the alarm is set before.
    pub(super) fn run(self) -> impl Future<Output = ()> + Send {
        let alarm = Alarm(Some(Arc::clone(&self.shared)));
        async move {
            while let Some(part) = self.next().await {
                // The last one is next.
                let mut parts = vec![part];
                while let Some(part) = parts.pop() {
                    self.write(part, &mut parts).await;
                }
            }
            alarm.off();
        }
    }

    async fn next(&self) -> Option<Part<R>> {
        let mut moment = None;
        loop {
            match self.site.until(moment, self.shared.turn(self.lane, moment)).await {
                Some(Turn::Write(part)) => return Some(*part),
                Some(Turn::End) => return None,
                Some(Turn::Until(next)) => moment = Some(next),
                Some(Turn::Sleep) | None => moment = None,
            }
        }
    }

    /// Writes a part, or takes it apart.
    async fn write(&self, mut part: Part<R>, rest: &mut Vec<Part<R>>) {
        loop {
            if self.shared.is_stopped() {
                return self.give_up(part, rest);
            }
            let run = Run::batch(&part.writing.target.table, self.lane, part.rows.len(), part.tries.saturating_add(1));
            let failure = match run.of(self.attempt(&mut part)).await {
                Ok(report) => {
                    self.stored(part, report, rest);
                    return trace::stored(&run, &report, || self.shared.status());
                }
                Err(failure) => failure,
            };
            let remedy = match &failure {
                Failure::Stopped => return self.give_up(part, rest),
                Failure::Passing(error) => {
                    self.failed(error.clone());
                    Remedy::Again
                }
                Failure::Error(error) => {
                    self.failed(error.to_string());
                    Remedy::of(error)
                }
                Failure::Unclear(error) => {
                    self.failed(format!("{error} (the role needs lc_messages of C or English)"));
                    Remedy::Unclear
                }
            };
            let is_alone = part.rows.len() == 1;
            let failing_for =
                part.failing_since.map_or(Duration::ZERO, |since| self.shared.clock.now().saturating_sub(since));
            let then = match remedy {
                Remedy::Reject => Then::Rejected,
                Remedy::Halve if is_alone => Then::Rejected,
                Remedy::Halve => Then::Halves,
                Remedy::Unclear if is_alone && failing_for >= UNCLEAR => Then::Rejected,
                Remedy::Smaller | Remedy::Unclear if part.tries >= TRIES && !is_alone => Then::Halves,
                _ => self.pause_of(&mut part),
            };
            trace::not_stored(&run, || failure.condition(), then, || self.shared.status());
            match (then, failure) {
                (Then::Halves | Then::Rejected, Failure::Error(BulkError::InvalidRows(invalid))) => {
                    let (refused, others) = part.without(invalid);
                    rest.extend(others);
                    let refused = refused.into_iter().map(|(taken, error)| (taken, Arc::new(error)));
                    return self.reject(refused.collect(), rest);
                }
                (Then::Rejected, Failure::Error(error) | Failure::Unclear(error)) => {
                    return self.reject_all(part, error, rest);
                }
                (Then::Halves | Then::Rejected, _) => return self.halve(part, rest),
                (Then::GivenUp, _) => return self.give_up(part, rest),
                (Then::Again { pause, .. }, _) => {
                    self.shared.with(|buffer| buffer.status.retried += 1);
                    let until = self.shared.clock.now() + pause;
                    self.site.until(Some(until), self.shared.stopped()).await;
                }
            }
        }
    }

    /// Whether a part is worth another try, and after which pause.
    fn pause_of(&self, part: &mut Part<R>) -> Then {
        let now = self.shared.clock.now();
        let since = *part.failing_since.get_or_insert(now);
        if self.shared.give_up_after.is_some_and(|limit| now.saturating_sub(since) >= limit) {
            return Then::GivenUp;
        }
        part.tries = part.tries.saturating_add(1);
        Then::Again { attempt: part.tries, pause: backoff::pause(part.tries) }
    }

    /// Tries once, on a connection of its own.
    async fn attempt(&self, part: &mut Part<R>) -> Result<Report, Failure> {
        part.check()?;
        let connection = self.site.unless(self.shared.stopped(), self.site.connection()).await;
        let mut conn = match connection {
            None => return Err(Failure::Stopped),
            Some(Err(error)) => return Err(Failure::Passing(error)),
            Some(Ok(conn)) => conn,
        };
        let result = self.site.unless(self.shared.stopped(), self.on_connection(&mut conn, part)).await;
        match result {
            Some(Ok(report)) => Ok(report),
            Some(Err(Failure::Error(error))) => {
                if Remedy::of(&error) == Remedy::Reconnect {
                    S::discard(conn);
                }
                Err(Failure::Error(error))
            }
            Some(Err(failure)) => Err(failure),
            None => {
                S::discard(conn);
                Err(Failure::Stopped)
            }
        }
    }

    async fn on_connection(&self, conn: &mut S::Conn, part: &mut Part<R>) -> Result<Report, Failure> {
        let mut driver = S::driver(conn);
        if part.is_lost {
            let table = &part.writing.target.table;
            if suspects::are_left(&mut driver, table, &mut part.suspects).await.map_err(BulkError::from)? {
                return Err(Failure::Passing("a statement of a lost connection is still running".to_owned()));
            }
            (part.is_lost, part.suspects) = (false, None);
        }
        if self.shared.with(|buffer| buffer.needs_route()) {
            let facts = part.writing.facts(&mut driver).await?;
            let columns = self.shared.kind.route(&facts.key.exact);
            self.shared.with(|buffer| buffer.set_route(columns));
        }
        let result = part.writing.write(&mut driver).await;
        part.is_lost = matches!(&result, Err(error) if Remedy::of(error) == Remedy::Reconnect);
        match result {
            Err(error) if Remedy::is_by_text(&error) && !is_english(&mut driver).await => Err(Failure::Unclear(error)),
            result => Ok(result?),
        }
    }

    fn failed(&self, error: String) {
        self.shared.with(|buffer| buffer.status.last_error = Some(error));
    }

    fn stored(&self, part: Part<R>, report: Report, rest: &[Part<R>]) {
        let (rows, bytes) = size(&part.rows);
        for confirm in part.rows.into_iter().filter_map(|taken| taken.confirm) {
            confirm.resolve(Ok(()));
        }
        self.shared.with(|buffer| {
            buffer.status.stored += report.inserted + report.updated;
            buffer.status.unchanged += report.unchanged;
            buffer.status.deduplicated += report.deduplicated;
            buffer.settled(self.lane, rows, bytes, oldest(rest));
        });
    }

    fn halve(&self, part: Part<R>, rest: &mut Vec<Part<R>>) {
        let [first, second] = part.halves();
        rest.push(second);
        rest.push(first);
    }

    /// Gives all rows back, as the time is over.
    fn give_up(&self, part: Part<R>, rest: &[Part<R>]) {
        let error = BulkError::NotInTime { last_error: self.shared.status().last_error };
        self.reject_all(part, error, rest);
    }

    fn reject_all(&self, part: Part<R>, error: BulkError, rest: &[Part<R>]) {
        let error = Arc::new(error);
        self.reject(part.rows.into_iter().map(|taken| (taken, Arc::clone(&error))).collect(), rest);
    }

    fn reject(&self, rows: Vec<(Taken<R>, Arc<BulkError>)>, rest: &[Part<R>]) {
        for (taken, error) in rows {
            let bytes = taken.bytes;
            self.shared.give_back(taken, Arc::clone(&error));
            let next = oldest(rest);
            self.shared.with(|buffer| {
                self.shared.count_rejected(buffer, 1, &error);
                buffer.settled(self.lane, 1, bytes, next);
            });
        }
    }
}

/// Whether the server's messages are in English; if it does not say, they are taken to be.
async fn is_english<D: Driver>(driver: &mut D) -> bool {
    let statement = vec!["SELECT pg_catalog.current_setting('lc_messages')".to_owned()];
    let language: Vec<(String,)> =
        driver.load(Statement::<(Text,)>::new(statement, Vec::new())).await.unwrap_or_default();
    language.iter().all(|(language,)| {
        ["C", "POSIX", ""].contains(&language.as_str()) || ["C.", "en"].iter().any(|start| language.starts_with(start))
    })
}

fn size<R>(rows: &[Taken<R>]) -> (usize, usize) {
    (rows.len(), rows.iter().map(|taken| taken.bytes).sum())
}

/// When the oldest row that is left of a batch was taken.
fn oldest<R>(rest: &[Part<R>]) -> Option<Duration> {
    rest.iter().filter_map(|part| part.rows.first()).map(|taken| taken.at).min()
}
