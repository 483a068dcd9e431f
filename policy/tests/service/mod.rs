//! What every relationship service does, as SpiceDB does it: cases that run on any of them.
//!
//! A case gets a store of its own. An engine whose schema holds more than the cases' own gives its text as `base`;
//! cases that need a store without a schema are skipped there.

mod checks;
mod lists;
mod lookups;
mod points;
mod schemas;
mod watches;
mod writes;

use futures::future::BoxFuture;
use policy::{Consistency, Delete, Deleted, Page, Reason, RelationshipService, ServiceError, Token, Window, Write};
use policy_core::{
    Check, Context, Decision, Filter, Object, Permissionship, Precondition, Subject, SubjectFilter, SubjectRelation,
    Tuple, Update,
};

/// The definitions that the cases are about.
pub const SCHEMA: &str = "\
caveat small(size int, most int) {
	size <= most
}

caveat open(hour int) {
	hour > 8
}

definition person {}

definition crew {
	relation member: person | crew#member
}

definition page {
	relation shelf: shelf
	relation parent: page
	relation owner: person
	relation viewer: person | crew#member | person with small | person with expiration | person:* with open
	relation guest: person:* | person with small and expiration
	relation banned: person | person with small
	relation reviewer: crew | crew#member
	permission view = owner + viewer + parent->view - banned
	permission both = owner & viewer
	permission any_reviewer = reviewer.any(member)
	permission all_reviewers = reviewer.all(member)
	permission public = guest - banned
	permission nobody = nil
	permission shelved = shelf->view
}

definition shelf {
	relation keeper: person
	permission view = keeper + self
}";

/// One store, and what its schema holds beside that of the cases.
pub struct Store<'a> {
    pub service: &'a dyn RelationshipService,
    pub base: &'a str,
    /// Whether everything is there. SpiceDB's library, unlike its server, has no bulk import, and its errors of single
    /// calls tell no details.
    pub complete: bool,
}

impl Store<'_> {
    /// What an error tells under a key, if errors of this store tell anything; else the wish is granted.
    pub fn tells(&self, error: &ServiceError, key: &str, value: &str) -> bool {
        !self.complete || error.metadata.get(key).is_some_and(|told| told == value)
    }
}

/// A case, which fails by a panic.
pub type Case = for<'a> fn(&'a Store<'a>) -> BoxFuture<'a, ()>;

/// Names a case by its function.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub const CASES: &[(&str, crate::service::Case)] =
            &[$((concat!(module_path!(), "::", stringify!($name)), |store| Box::pin($name(store)))),*];
    };
}
use cases;

/// Every case, by name.
pub fn every() -> impl Iterator<Item = &'static (&'static str, Case)> {
    [writes::CASES, lists::CASES, checks::CASES, lookups::CASES, points::CASES, watches::CASES, schemas::CASES]
        .into_iter()
        .flatten()
}

pub fn tuple(text: &str) -> Tuple {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

pub fn touch(text: &str) -> Update {
    Update::Touch(tuple(text))
}

pub fn create(text: &str) -> Update {
    Update::Create(tuple(text))
}

pub fn delete(text: &str) -> Update {
    Update::Delete(tuple(text))
}

pub fn object(text: &str) -> Object {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

pub fn subject(text: &str) -> Subject {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// `page:1#view@person:ann`.
pub fn check(text: &str) -> Check {
    let tuple = tuple(text);
    Check::new(tuple.resource, &tuple.relation, tuple.subject)
}

pub fn context(json: &str) -> Context {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}"))
}

pub fn of_kind(kind: &str) -> Filter {
    Filter { resource_kind: Some(kind.to_owned()), ..Filter::default() }
}

pub fn of_page(id: &str) -> Filter {
    Filter { resource_id: Some(id.to_owned()), ..of_kind("page") }
}

pub fn of_subject(kind: &str, id: Option<&str>, relation: SubjectRelation) -> Filter {
    let subject = SubjectFilter { kind: kind.to_owned(), id: id.map(str::to_owned), relation };
    Filter { subject: Some(subject), ..Filter::default() }
}

/// The reason of what must have failed.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, ServiceError>) -> Reason {
    answer.expect_err("this is refused").reason
}

impl Store<'_> {
    /// The schema of the cases, with what the store needs beside it.
    pub fn whole(&self, own: &str) -> String {
        format!("use expiration\nuse self\n{}\n{own}\n", self.base)
    }

    /// The store holds nothing but what is written.
    pub async fn with_schema(&self) -> Token {
        self.service.write_schema(&self.whole(SCHEMA)).await.unwrap()
    }

    pub async fn with(&self, tuples: &[&str]) -> Token {
        self.with_schema().await;
        self.update(tuples.iter().map(|text| touch(text)).collect()).await.unwrap()
    }

    pub async fn update(&self, updates: Vec<Update>) -> Result<Token, ServiceError> {
        self.service.write(Write { updates, ..Write::default() }).await
    }

    pub async fn update_if(
        &self,
        updates: Vec<Update>,
        preconditions: Vec<Precondition>,
    ) -> Result<Token, ServiceError> {
        self.service.write(Write { updates, preconditions, ..Write::default() }).await
    }

    pub async fn delete(&self, filter: Filter) -> Result<Deleted, ServiceError> {
        self.service.delete(Delete { filter, ..Delete::default() }).await
    }

    /// What the filter selects, as sorted text.
    pub async fn read(&self, filter: &Filter) -> Vec<String> {
        self.read_at(filter, &Consistency::Full).await.unwrap()
    }

    pub async fn read_at(&self, filter: &Filter, at: &Consistency) -> Result<Vec<String>, ServiceError> {
        let page: Page<Tuple> = self.service.read(filter, &Window::default(), at).await?;
        let mut texts: Vec<String> = page.items.iter().map(|(tuple, _)| tuple.to_text()).collect();
        texts.sort();
        Ok(texts)
    }

    /// Every page that there is.
    pub async fn pages(&self) -> Vec<String> {
        self.read(&of_kind("page")).await
    }

    pub async fn decide(&self, check: Check) -> Result<Decision, policy_core::CheckError> {
        let answers = self.service.check(&[check], &Consistency::Full).await.unwrap();
        answers.decisions.into_iter().next().expect("an answer for the question")
    }

    /// The answer to `page:1#view@person:ann`.
    pub async fn ask(&self, text: &str) -> Permissionship {
        self.decide(check(text)).await.unwrap_or_else(|error| panic!("{text}: {error}")).permissionship
    }

    /// The same with a context.
    pub async fn ask_with(&self, text: &str, json: &str) -> Result<Decision, policy_core::CheckError> {
        self.decide(Check { context: context(json), ..check(text) }).await
    }
}
