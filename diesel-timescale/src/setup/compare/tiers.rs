//! Whether tiers lose what is still to be read.

use serde_json::Value;

use super::super::Setup;
use super::super::declaration::{Aggregate, Tiers};
use super::super::facts::{Facts, LengthFact, Reader, Relation};
use super::super::length::Length;
use super::super::plan::{Refused, StepClass};
use super::super::sql::literal;
use super::super::wanted::Wanted;
use super::Comparison;
use super::aggregate::reads;
use super::schedule::set_sql;
use crate::feature::Feature;

/// A tier, with what is declared of it and what is there.
struct Rung<'a> {
    name: &'a str,
    drop_after: Option<Length>,
    relation: Option<&'a Relation>,
    /// None of the hypertable.
    declared: Option<&'a Aggregate>,
}

impl Rung<'_> {
    fn reads(&self, other: &Rung<'_>) -> bool {
        match self.relation.and_then(|relation| relation.aggregate.as_ref()) {
            Some(aggregate) => other.relation.is_some_and(|relation| relation.qualified == aggregate.source),
            None => self.declared.is_some_and(|declared| reads(declared, other.name)),
        }
    }

    /// Whether it is this view, by its qualified name.
    fn is(&self, view: &str) -> bool {
        self.relation.is_some_and(|relation| relation.qualified == view)
    }

    fn has_policies(&self) -> bool {
        self.declared.is_some_and(|declared| declared.refresh_policies().next().is_some())
    }

    /// Those of the policies that are declared.
    fn windows(&self) -> impl Iterator<Item = Window> {
        let bucket = self.relation.and_then(|relation| length(relation.aggregate.as_ref()?.bucket));
        let policies = self.declared.into_iter().flat_map(Aggregate::refresh_policies);
        policies.map(move |policy| Window {
            start_offset: policy.start_offset,
            end_offset: Some(policy.end_offset),
            bucket,
            schedule: policy.schedule.settings.every,
        })
    }
}

/// A refresh, as it is or as it is declared.
struct Window {
    start_offset: Option<Length>,
    end_offset: Option<Length>,
    bucket: Option<Length>,
    schedule: Option<Length>,
}

impl Window {
    /// How long ago it reads while it runs, which it may do until the next one is due; none: from the beginning.
    fn reads_back(&self) -> Option<Length> {
        let more = [self.bucket, self.schedule];
        more.into_iter().flatten().fold(self.start_offset, |start, more| start.map(|start| start.plus(more)))
    }

    fn reads_beyond(&self, drop_after: Length) -> bool {
        self.reads_back().is_none_or(|back| back != drop_after && drop_after.is_less_than(back))
    }

    /// The longest offset that reads nothing which is dropped; none, if too little is kept for two buckets.
    fn longest_start(&self, drop_after: Length) -> Option<Length> {
        let less = [self.bucket, self.schedule].into_iter().flatten();
        let start = less.fold(drop_after, |start, less| start.plus(less.negated()));
        let two_buckets = self.bucket.map(|bucket| bucket.plus(bucket));
        let least = [self.end_offset, two_buckets].into_iter().flatten().reduce(Length::plus);
        least.is_none_or(|least| !start.is_less_than(least)).then_some(start)
    }

    fn difference(&self, source: &str, drop_after: Length) -> String {
        let back = self.reads_back().map_or_else(|| "the beginning".to_owned(), |back| format!("{back} ago"));
        let parts = [("start_offset", self.start_offset), ("bucket", self.bucket), ("schedule", self.schedule)];
        let parts: Vec<_> = parts.iter().filter_map(|(key, value)| Some(format!("{key} {}", (*value)?))).collect();
        format!("a refresh reads {source} back to {back} ({}), where rows go after {drop_after}", parts.join(", "))
    }
}

fn length(fact: Option<LengthFact>) -> Option<Length> {
    fact.map(Length::from)
}

impl<'a> Comparison<'a> {
    /// Before anything is dropped.
    pub(super) fn compare_tiers(&mut self) {
        let facts: &'a Facts = self.facts;
        if self.extension.is_none() && !facts.server.has(Feature::ContinuousAggregates) {
            // Steps, or what was left out, say so.
            return;
        }
        for ((name, table), relation) in self.setup.tables.iter().zip(&facts.relations) {
            if let (Some(tiers), Some(relation)) = (&table.tiers, relation) {
                let rungs = self.rungs(name, tiers, relation);
                self.compare_sources(&rungs);
                for source in &rungs {
                    if let Some(drop_after) = source.drop_after {
                        self.compare_windows(source, drop_after);
                        self.compare_readers(source, &rungs);
                    }
                }
            }
        }
    }

    /// The aggregates that are declared, by their tier or otherwise.
    fn declared_rungs(&self) -> impl Iterator<Item = Rung<'a>> + use<'a> {
        let (setup, facts): (&'a Setup, &'a Facts) = (self.setup, self.facts);
        let views = setup.aggregates.iter().zip(facts.relations.iter().skip(setup.tables.len()));
        views.filter_map(|((name, wanted), relation)| match wanted {
            Wanted::Present(aggregate) => {
                Some(Rung { name, drop_after: None, relation: relation.as_ref(), declared: Some(aggregate) })
            }
            Wanted::Absent => None,
        })
    }

    fn rungs(&self, name: &'a str, tiers: &'a Tiers, relation: &'a Relation) -> Vec<Rung<'a>> {
        let first = Rung { name, drop_after: tiers.drop_after, relation: Some(relation), declared: None };
        let aggregates = tiers.aggregates.iter().filter_map(|tier| {
            let rung = self.declared_rungs().find(|rung| rung.name == tier.name)?;
            Some(Rung { drop_after: tier.drop_after, ..rung })
        });
        std::iter::once(first).chain(aggregates).collect()
    }

    /// Each aggregate reads a tier before it: only those are looked after.
    fn compare_sources(&mut self, rungs: &[Rung<'_>]) {
        for (position, rung) in rungs.iter().enumerate().skip(1) {
            let Some(aggregate) = rung.relation.and_then(|relation| relation.aggregate.as_ref()) else { continue };
            if !rungs[..position].iter().any(|before| rung.reads(before)) {
                let difference = format!("reads {}, which is no tier before it", aggregate.source);
                self.hold(rung.name, difference, "Name what it reads as a tier before it, or leave it out", rungs);
            }
        }
    }

    /// A step that nothing but the caller can take; all tiers keep their rows meanwhile.
    fn hold(&mut self, object: &str, difference: String, obstacle: &str, held: &[Rung<'_>]) {
        self.step(object, StepClass::Safe, difference).obstacle = Some(obstacle.to_owned());
        let step = self.last();
        self.held.extend(held.iter().map(|rung| (rung.name.to_owned(), step)));
    }

    fn compare_windows(&mut self, source: &Rung<'_>, drop_after: Length) {
        let readers: &[Reader] =
            source.relation.and_then(|relation| relation.tier.as_ref()).map_or(&[], |tier| &tier.readers);
        let declared: Vec<_> = self.declared_rungs().filter(|rung| rung.has_policies() && rung.reads(source)).collect();
        for rung in &declared {
            for window in rung.windows().filter(|window| window.reads_beyond(drop_after)) {
                self.refuse_window(rung.name, source.name, &window, drop_after, None);
            }
        }
        for reader in readers.iter().filter(|reader| !declared.iter().any(|rung| rung.is(&reader.view))) {
            let window = Window {
                start_offset: length(reader.start_offset),
                end_offset: length(reader.end_offset),
                bucket: length(reader.bucket),
                schedule: Some(reader.schedule.into()),
            };
            if window.reads_beyond(drop_after) {
                let name = self.declared_rungs().find(|rung| rung.is(&reader.view)).map(|rung| rung.name);
                let name = name.unwrap_or(&reader.view).to_owned();
                self.refuse_window(&name, source.name, &window, drop_after, Some(reader.job));
            }
        }
    }

    /// Of the job of a policy that is not declared a step changes the window.
    fn refuse_window(&mut self, view: &str, source: &str, window: &Window, drop_after: Length, job: Option<i32>) {
        let longest = window.longest_start(drop_after);
        let remedy = match longest {
            Some(start) => format!("Let it start at most {start} ago, or keep rows of {source} for longer"),
            None => format!("Keep rows of {source} for longer"),
        };
        let job = self.facts.jobs.iter().find(|other| Some(other.id) == job);
        let sql = match (longest, job.map(|job| (job.id, job.config.clone()))) {
            (Some(start), Some((id, Some(Value::Object(mut config))))) => {
                config.insert("start_offset".to_owned(), start.json());
                let config = literal(&Value::Object(config).to_string());
                Some(set_sql(&id.to_string(), &[format!("config => {config}")]))
            }
            _ => None,
        };
        let step = self.step(view, StepClass::Safe, window.difference(source, drop_after));
        step.obstacle = sql.is_none().then(|| remedy.clone());
        step.sql = sql;
        step.refused = Some(Refused::Window(remedy));
        let step = self.last();
        self.held.insert(source.to_owned(), step);
    }

    /// Whatever reads a tier has read its rows before they go.
    fn compare_readers(&mut self, source: &Rung<'_>, rungs: &[Rung<'_>]) {
        let (readers, expired): (&[Reader], _) = match source.relation.and_then(|relation| relation.tier.as_ref()) {
            Some(tier) => (&tier.readers, tier.expired_chunks),
            None => (&[], 0),
        };
        for rung in rungs.iter().filter(|rung| rung.reads(source)) {
            let jobs: Vec<_> = readers.iter().filter(|reader| rung.is(&reader.view)).collect();
            match jobs.first() {
                _ if rung.has_policies() || jobs.iter().any(|job| job.scheduled) => {}
                Some(job) => {
                    let difference = format!("the refresh policy is disabled, and rows of {} go", source.name);
                    let step = self.step(rung.name, StepClass::Safe, difference);
                    step.sql = Some(set_sql(&job.job.to_string(), &["scheduled => true".to_owned()]));
                    step.refused = Some(Refused::Refresh("Enable it (alter_job)".to_owned()));
                    let step = self.last();
                    self.held.insert(source.name.to_owned(), step);
                }
                None => {
                    let difference = format!("has no refresh policy that reads {} before its rows go", source.name);
                    let remedy = "Add one (add_refresh_policy), or declare it";
                    self.hold(rung.name, difference, remedy, std::slice::from_ref(source));
                }
            }
            let has_chunks = rung.relation.and_then(|relation| Some(relation.aggregate.as_ref()?.has_chunks));
            if expired > 0 && has_chunks != Some(true) {
                let difference =
                    format!("has no rows yet, and {expired} chunks of {} are old enough to be dropped", source.name);
                let remedy = "Refresh it from the beginning first: refresh(…, ..)";
                self.hold(rung.name, difference, remedy, std::slice::from_ref(source));
            }
        }
    }
}
