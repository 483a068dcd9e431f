//! From one engine to another: the schema, every relationship, and proof that nothing was lost on the way.

use std::collections::HashSet;

use policy_core::{
    Check, CheckError, EVERYONE, Filter, Object, Permissionship, ReflectedDefinition, Schema, SchemaError, Subject,
    Timestamp, Tuple,
};
use rand::RngExt;
use rand::seq::IndexedRandom;
use sha2::{Digest, Sha256};

use crate::service::{Consistency, Cursor, Reason, RelationshipService, ServiceError, Token, Window};
use crate::spicedb::canonical;

/// How many relationships are read at a time, and put at a time.
const PAGE: u32 = 1_000;
/// How many relationships that differ are named.
const EXAMPLES: usize = 10;
/// Checks of one comparison.
const CHECKS: usize = 500;

/// How to migrate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrateOptions {
    /// Whether the target may hold relationships already. They stay; the same relationship takes the source's caveat
    /// and expiry.
    pub merge: bool,
    /// From how many relationships questions are made that both engines must answer alike.
    pub sample: usize,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        MigrateOptions { merge: false, sample: 200 }
    }
}

/// What has been done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrateProgress<'a> {
    SchemaWritten,
    /// Relationships of one definition, counted from its beginning.
    Copied {
        definition: &'a str,
        relationships: u64,
    },
    /// Every relationship of the definition was read back.
    Verified {
        definition: &'a str,
        relationships: u64,
    },
    /// Questions that both engines answered alike.
    Compared {
        checks: u64,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    pub definitions: u64,
    pub relationships: u64,
    /// Relationships that lapsed before they were copied.
    pub lapsed: u64,
    /// Relationships of the target that the source has not.
    pub others: u64,
    pub checks: u64,
    /// The point of the source that the target is a copy of.
    pub at: Token,
}

/// Why the target is no copy. What was written stays there.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the source: {0}")]
    Source(#[source] ServiceError),
    #[error("the target: {0}")]
    Target(#[source] ServiceError),
    #[error("the schema of the source is not one that both engines read alike: {0}")]
    Schema(#[source] SchemaError),
    #[error("the target has relationships of `{definition}` already")]
    NotEmpty { definition: String },
    /// Some are not there, or not as they were.
    #[error("{count} relationships did not arrive, among them {}", .examples.join(", "))]
    Missing { count: u64, examples: Vec<String> },
    #[error("the target answers otherwise: {}", .examples.join("; "))]
    Differs { examples: Vec<String> },
}

/// Copies schema and relationships, as they are at one point of the source, and verifies the copy: every relationship is
/// read back, and both engines are asked the same questions. What has lapsed by `clock` is left behind. Nobody else should write to either of them meanwhile.
///
/// # Errors
/// If the target is not empty and may not be merged into, if either engine fails, or if the copy is not exact.
pub async fn migrate(
    from: &dyn RelationshipService,
    to: &dyn RelationshipService,
    how: &MigrateOptions,
    clock: &(dyn Fn() -> Timestamp + Sync),
    progress: &mut (dyn FnMut(MigrateProgress<'_>) + Send),
) -> Result<Migrated, MigrateError> {
    let (text, _) = from.read_schema().await.map_err(MigrateError::Source)?;
    let definitions = definitions(&text)?;
    if !how.merge {
        refuse_unless_empty(to).await?;
    }
    to.write_schema(&text).await.map_err(MigrateError::Target)?;
    progress(MigrateProgress::SchemaWritten);

    let at = from.check(&[], &Consistency::Full).await.map_err(MigrateError::Source)?.at;
    let mut run = Run {
        from,
        to,
        how,
        clock,
        at: Consistency::Exactly(at.clone()),
        sample: Vec::new(),
        seen: 0,
        relationships: 0,
        lapsed: 0,
        others: 0,
    };
    for definition in &definitions {
        let copied = run.copy(&definition.name, progress).await?;
        let relationships = copied.len() as u64;
        run.verify(&definition.name, copied).await?;
        progress(MigrateProgress::Verified { definition: &definition.name, relationships });
    }
    let checks = questions(&run.sample, &definitions);
    compare(from, to, &checks, &at, progress).await?;
    Ok(Migrated {
        definitions: definitions.len() as u64,
        relationships: run.relationships,
        lapsed: run.lapsed,
        others: run.others,
        checks: checks.len() as u64,
        at,
    })
}

fn definitions(text: &str) -> Result<Vec<ReflectedDefinition>, MigrateError> {
    let schema = Schema::parse(text).map_err(MigrateError::Schema)?;
    // Without a filter there is nothing that could be wrong with one.
    Ok(schema.reflect(&[]).map(|reflection| reflection.definitions).unwrap_or_default())
}

async fn refuse_unless_empty(to: &dyn RelationshipService) -> Result<(), MigrateError> {
    let text = match to.read_schema().await {
        Ok((text, _)) => text,
        Err(error) if error.reason == Reason::NoSchema => return Ok(()),
        Err(error) => return Err(MigrateError::Target(error)),
    };
    for definition in definitions(&text)? {
        let window = Window { limit: Some(1), after: None };
        let page = to.read(&of(&definition.name), &window, &Consistency::Full).await.map_err(MigrateError::Target)?;
        if !page.items.is_empty() {
            return Err(MigrateError::NotEmpty { definition: definition.name });
        }
    }
    Ok(())
}

fn of(definition: &str) -> Filter {
    Filter { resource_kind: Some(definition.to_owned()), ..Filter::default() }
}

/// Sixteen bytes of a hash of the whole relationship, caveat and expiry included.
type Print = [u8; 16];

fn print(tuple: &Tuple) -> Print {
    let hash = Sha256::digest(canonical(tuple).to_text());
    let mut print = Print::default();
    print.copy_from_slice(&hash[..16]);
    print
}

fn lapsed(tuple: &Tuple, now: Timestamp) -> bool {
    tuple.until.is_some_and(|until| until <= now)
}

struct Run<'a> {
    from: &'a dyn RelationshipService,
    to: &'a dyn RelationshipService,
    how: &'a MigrateOptions,
    clock: &'a (dyn Fn() -> Timestamp + Sync),
    /// The point of the source.
    at: Consistency,
    /// Relationships drawn at random, each as likely as any other.
    sample: Vec<Tuple>,
    seen: usize,
    relationships: u64,
    lapsed: u64,
    others: u64,
}

impl Run<'_> {
    /// Copies the relationships of one definition; what they look like.
    async fn copy(
        &mut self,
        definition: &str,
        progress: &mut (dyn FnMut(MigrateProgress<'_>) + Send),
    ) -> Result<HashSet<Print>, MigrateError> {
        let mut copied = HashSet::new();
        let mut after = None;
        loop {
            let page = self.source(definition, after).await?;
            after = page.last().and_then(|(_, cursor)| cursor.clone());
            let (now, count) = ((self.clock)(), page.len());
            let mut tuples: Vec<Tuple> = page.into_iter().map(|(tuple, _)| tuple).collect();
            tuples.retain(|tuple| !lapsed(tuple, now));
            self.lapsed += (count - tuples.len()) as u64;
            for tuple in &tuples {
                copied.insert(print(tuple));
                self.draw(tuple);
            }
            self.relationships += tuples.len() as u64;
            if !tuples.is_empty() {
                self.to.import(tuples).await.map_err(MigrateError::Target)?;
            }
            progress(MigrateProgress::Copied { definition, relationships: copied.len() as u64 });
            if count < PAGE as usize || after.is_none() {
                return Ok(copied);
            }
        }
    }

    /// One page of the source, always of the same point of it.
    async fn source(
        &self,
        definition: &str,
        after: Option<Cursor>,
    ) -> Result<Vec<(Tuple, Option<Cursor>)>, MigrateError> {
        let window = Window { limit: Some(PAGE), after };
        let page = self.from.read(&of(definition), &window, &self.at).await.map_err(MigrateError::Source)?;
        Ok(page.items)
    }

    fn draw(&mut self, tuple: &Tuple) {
        self.seen += 1;
        if self.sample.len() < self.how.sample {
            self.sample.push(tuple.clone());
        } else if let Some(place) = self.sample.get_mut(rand::rng().random_range(0..self.seen)) {
            *place = tuple.clone();
        }
    }

    /// Reads everything back.
    async fn verify(&mut self, definition: &str, mut copied: HashSet<Print>) -> Result<(), MigrateError> {
        let mut after = None;
        loop {
            let window = Window { limit: Some(PAGE), after };
            let page = self.to.read(&of(definition), &window, &Consistency::Full).await;
            let page = page.map_err(MigrateError::Target)?;
            for (tuple, _) in &page.items {
                self.others += u64::from(!copied.remove(&print(tuple)));
            }
            after = page.items.last().and_then(|(_, cursor)| cursor.clone());
            if page.items.len() < PAGE as usize || after.is_none() {
                break;
            }
        }
        if copied.is_empty() { Ok(()) } else { self.missing(definition, &copied).await }
    }

    /// Names what is not there, unless it has lapsed meanwhile.
    async fn missing(&self, definition: &str, prints: &HashSet<Print>) -> Result<(), MigrateError> {
        let (mut after, mut count, mut examples) = (None, 0, Vec::new());
        loop {
            let page = self.source(definition, after).await?;
            let now = (self.clock)();
            for (tuple, _) in &page {
                if prints.contains(&print(tuple)) && !lapsed(tuple, now) {
                    count += 1;
                    if examples.len() < EXAMPLES {
                        examples.push(tuple.to_text());
                    }
                }
            }
            after = page.last().and_then(|(_, cursor)| cursor.clone());
            if page.len() < PAGE as usize || after.is_none() {
                break;
            }
        }
        if count == 0 { Ok(()) } else { Err(MigrateError::Missing { count, examples }) }
    }
}

/// Questions about drawn relationships: what its subject, and that of another, may do on its resource.
fn questions(sample: &[Tuple], definitions: &[ReflectedDefinition]) -> Vec<Check> {
    let mut checks = Vec::new();
    for tuple in sample {
        let members: Vec<&str> = definitions
            .iter()
            .filter(|definition| definition.name == tuple.resource.kind)
            .flat_map(|definition| {
                let relations = definition.relations.iter().map(|relation| relation.name.as_str());
                relations.chain(definition.permissions.iter().map(|permission| permission.name.as_str()))
            })
            .collect();
        let others = sample.choose(&mut rand::rng()).map(|other| &other.subject);
        for subject in [Some(&tuple.subject), others].into_iter().flatten() {
            let subject = match subject.object.id.as_str() {
                EVERYONE => Subject { object: Object::new(&subject.object.kind, "somebody"), relation: None },
                _ => subject.clone(),
            };
            for member in members.sample(&mut rand::rng(), 4) {
                checks.push(Check::new(tuple.resource.clone(), member, subject.clone()));
            }
        }
    }
    checks
}

async fn compare(
    from: &dyn RelationshipService,
    to: &dyn RelationshipService,
    checks: &[Check],
    at: &Token,
    progress: &mut (dyn FnMut(MigrateProgress<'_>) + Send),
) -> Result<(), MigrateError> {
    let mut compared = 0;
    for checks in checks.chunks(CHECKS) {
        let mut examples = differences(from, to, checks, at).await?;
        if !examples.is_empty() {
            // A relationship may have lapsed between the two answers, but not twice.
            let again = differences(from, to, checks, at).await?;
            examples.retain(|example| again.contains(example));
        }
        examples.truncate(EXAMPLES);
        if !examples.is_empty() {
            return Err(MigrateError::Differs { examples });
        }
        compared += checks.len() as u64;
        progress(MigrateProgress::Compared { checks: compared });
    }
    Ok(())
}

/// The questions that are answered otherwise, and how.
async fn differences(
    from: &dyn RelationshipService,
    to: &dyn RelationshipService,
    checks: &[Check],
    at: &Token,
) -> Result<Vec<String>, MigrateError> {
    let source = from.check(checks, &Consistency::Exactly(at.clone())).await.map_err(MigrateError::Source)?;
    let target = to.check(checks, &Consistency::Full).await.map_err(MigrateError::Target)?;
    let mut found = Vec::new();
    for ((check, one), two) in checks.iter().zip(&source.decisions).zip(&target.decisions) {
        let (one, two) = (Answer::from(one), Answer::from(two));
        if !one.agrees(&two) {
            found.push(format!("{check} was {one:?} and is {two:?}"));
        }
    }
    Ok(found)
}

#[derive(Debug, PartialEq, Eq)]
enum Answer<'a> {
    Decided(Permissionship, &'a [String]),
    Error(&'static str),
}

impl<'a> From<&'a Result<policy_core::Decision, CheckError>> for Answer<'a> {
    fn from(answer: &'a Result<policy_core::Decision, CheckError>) -> Self {
        match answer {
            Ok(decision) => Answer::Decided(decision.permissionship, &decision.missing),
            Err(error) => Answer::Error(error.code()),
        }
    }
}

impl Answer<'_> {
    /// Where a branch fails, SpiceDB may answer by another branch or by the failure, as it comes first.
    fn agrees(&self, other: &Self) -> bool {
        self == other
            || [self, other].into_iter().any(|answer| matches!(answer, Answer::Error("max_depth" | "caveat_failed")))
    }
}
