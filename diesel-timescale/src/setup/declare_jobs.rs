//! Calls of policies and jobs as declarations.

use serde_json::Value;

use super::Setup;
use super::declaration::{ColumnstorePolicy, Job, Procedure, RefreshPolicy, ReorderPolicy, RetentionPolicy};
use super::length::Length;
use super::names::plain_name;
use super::sql::identifier;
use super::wanted::Wanted;
use crate::call::Relation;
use crate::job_procedure::Document;
use crate::schedule::Schedule;

impl Setup {
    /// `None`: that there is none.
    pub(crate) fn declare_refresh_policy(&mut self, relation: &Relation, policy: Option<RefreshPolicy>) {
        let name = self.name(relation);
        let policy = policy.map_or(Wanted::Absent, Wanted::Present);
        self.aggregate(name, |aggregate| aggregate.refresh_policy = Some(policy));
    }

    pub(crate) fn declare_another_refresh_policy(&mut self, relation: &Relation, policy: RefreshPolicy) {
        let name = self.name(relation);
        self.aggregate(name, |aggregate| {
            let policies = &mut aggregate.further_refresh_policies;
            let window = |policy: &RefreshPolicy| (policy.start_offset, policy.end_offset);
            policies.retain(|other| window(other) != window(&policy));
            policies.push(policy);
        });
    }

    /// `None`: that there is none. Whether of a hypertable or of an aggregate shows when all is declared.
    pub(crate) fn declare_retention_policy(
        &mut self,
        relation: &Relation,
        drop_after: Option<Length>,
        schedule: Option<Schedule>,
    ) {
        let policy = drop_after.map(|_| RetentionPolicy { drop_after, drop_created_before: None, schedule });
        self.table(relation).retention_policy = Some(policy.map_or(Wanted::Absent, Wanted::Present));
    }

    pub(crate) fn declare_creation_retention_policy(
        &mut self,
        relation: &Relation,
        drop_created_before: Length,
        schedule: Option<Schedule>,
    ) {
        let policy = RetentionPolicy { drop_after: None, drop_created_before: Some(drop_created_before), schedule };
        self.table(relation).retention_policy = Some(Wanted::Present(policy));
    }

    /// `None`: that there is none.
    pub(crate) fn declare_columnstore_policy(
        &mut self,
        relation: &Relation,
        after: Option<Length>,
        schedule: Option<Schedule>,
    ) {
        let policy = after.map(|_| ColumnstorePolicy { after, created_before: None, schedule });
        self.table(relation).columnstore_policy = Some(policy.map_or(Wanted::Absent, Wanted::Present));
    }

    pub(crate) fn declare_creation_columnstore_policy(
        &mut self,
        relation: &Relation,
        created_before: Length,
        schedule: Option<Schedule>,
    ) {
        let policy = ColumnstorePolicy { after: None, created_before: Some(created_before), schedule };
        self.table(relation).columnstore_policy = Some(Wanted::Present(policy));
    }

    /// `None`: that there is none.
    pub(crate) fn declare_reorder_policy(&mut self, relation: &Relation, policy: Option<(String, Option<Schedule>)>) {
        let policy = policy.map(|(index, schedule)| ReorderPolicy { index, schedule });
        self.table(relation).reorder_policy = Some(policy.map_or(Wanted::Absent, Wanted::Present));
    }

    /// `None`: that there is none.
    pub(crate) fn declare_procedure(&mut self, name: &str, procedure: Option<Procedure>) {
        let procedure = procedure.map_or(Wanted::Absent, Wanted::Present);
        self.procedures.insert(plain_name(&identifier(name)), procedure);
    }

    pub(crate) fn declare_job(&mut self, procedure: &str, schedule: Schedule, config: Value) {
        let job = Job { procedure: plain_name(&identifier(procedure)), schedule, config: Some(config) };
        self.jobs.retain(|other| (&other.procedure, &other.config) != (&job.procedure, &job.config));
        self.jobs.push(job);
    }

    /// The config; what is none is told by the calls.
    pub(crate) fn document(&mut self, document: Document) -> Value {
        document.unwrap_or_else(|message| {
            self.error.get_or_insert(message);
            Value::Null
        })
    }
}
