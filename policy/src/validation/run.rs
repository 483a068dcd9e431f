//! Running a validation file on an engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy_core::{Filter, Membership, Schema, Subject, Timestamp, Tuples, Update};

use super::report::{Asserted, Compared, Difference};
use super::{Assertion, ExpectedMember, ExpectedMembers, ExpectedSubject, Report, SourcePosition, ValidationFile};
use crate::{Consistency, RelationshipService, ServiceError, Window, Write};

/// How many relationships are written in one transaction.
const BATCH: usize = 500;

/// Why a validation file could not be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The line is one of the validation file, or of the schema's own file.
    #[error("the schema is wrong{}: {message}", line.map(|line| format!(" in line {line}")).unwrap_or_default())]
    Schema { line: Option<u32>, message: String },
    #[error("line {}: the relationship `{text}` cannot be written: {message}", at.line)]
    Relationship { at: SourcePosition, text: String, message: String },
    #[error("the engine does not answer: {0}")]
    Service(#[from] ServiceError),
}

/// Writes the schema and the relationships to an empty store and asks it everything that the file says. The schema is
/// given apart, since it may be in another file.
///
/// # Errors
/// If the store does not take the schema or a relationship, or cannot be read. A check that fails is no error here, but
/// a wrong answer in the report.
pub async fn run(file: &ValidationFile, schema: &str, service: &dyn RelationshipService) -> Result<Report, LoadError> {
    write_schema(file, schema, service).await?;
    write_relationships(file, service).await?;
    let mut assertions = Vec::with_capacity(file.assertions.len());
    for assertion in &file.assertions {
        assertions.push(ask(assertion, service).await);
    }
    let mut expected = Vec::with_capacity(file.expected.len());
    if !file.expected.is_empty() {
        let stored = read_back(file, service).await?;
        expected.extend(file.expected.iter().map(|members| compare(members, &stored)));
    }
    Ok(Report { relationships: file.relationships.len(), assertions, expected })
}

async fn write_schema(file: &ValidationFile, schema: &str, service: &dyn RelationshipService) -> Result<(), LoadError> {
    let Err(refused) = service.write_schema(schema).await else { return Ok(()) };
    // Our own reader knows the place where others only tell the reason.
    let Err(own) = Schema::parse(schema) else {
        return Err(LoadError::Schema { line: None, message: refused.message });
    };
    let line = file.schema.line(own.line).unwrap_or(own.line);
    let same = refused.message.contains(&own.message);
    Err(LoadError::Schema { line: Some(line), message: if same { own.message } else { refused.message } })
}

async fn write_relationships(file: &ValidationFile, service: &dyn RelationshipService) -> Result<(), LoadError> {
    for batch in file.relationships.chunks(BATCH) {
        let updates = batch.iter().map(|relationship| Update::Touch(relationship.tuple.clone())).collect();
        if service.write(Write { updates, ..Write::default() }).await.is_ok() {
            continue;
        }
        // One of them is wrong: find out which.
        for relationship in batch {
            let updates = vec![Update::Touch(relationship.tuple.clone())];
            service.write(Write { updates, ..Write::default() }).await.map_err(|error| LoadError::Relationship {
                at: relationship.at,
                text: relationship.tuple.to_text(),
                message: error.message,
            })?;
        }
    }
    Ok(())
}

/// Asks for one assertion alone: in a batch, an engine may let a check that fails take others with it.
async fn ask(assertion: &Assertion, service: &dyn RelationshipService) -> Asserted {
    let mut one = Asserted {
        at: assertion.at,
        text: assertion.text.clone(),
        expected: assertion.expected,
        got: Err(String::new()),
        missing: Vec::new(),
        trace: None,
    };
    match service.check(std::slice::from_ref(&assertion.check), &Consistency::Full).await {
        Err(error) => one.got = Err(error.message),
        Ok(mut answers) => match answers.decisions.pop() {
            None => one.got = Err("the engine gave no answer".to_owned()),
            Some(Err(error)) => one.got = Err(error.to_string()),
            Some(Ok(decision)) => {
                one.got = Ok(decision.permissionship);
                one.missing = decision.missing;
            }
        },
    }
    if !one.passed() && one.got.is_ok() {
        one.trace = service.trace(&assertion.check, &Consistency::Full).await.ok().map(|(trace, _)| trace);
    }
    one
}

/// What the store holds, as it tells it.
async fn read_back(file: &ValidationFile, service: &dyn RelationshipService) -> Result<Tuples, LoadError> {
    let (source, _) = service.read_schema().await?;
    let schema = Schema::parse(&source)
        .map_err(|error| LoadError::Schema { line: None, message: format!("as the engine gives it back: {error}") })?;
    let mut tuples = Tuples::new(Arc::new(schema));
    let kinds: BTreeSet<&str> = file.relationships.iter().map(|one| one.tuple.resource.kind.as_str()).collect();
    for kind in kinds {
        let filter = Filter { resource_kind: Some(kind.to_owned()), ..Filter::default() };
        let page = service.read(&filter, &Window::default(), &Consistency::Full).await?;
        for (tuple, _) in page.items {
            tuples.put(&tuple).map_err(|error| LoadError::Relationship {
                at: SourcePosition { line: 1, column: 1 },
                text: tuple.to_text(),
                message: format!("as the engine gives it back: {error}"),
            })?;
        }
    }
    Ok(tuples)
}

/// Compares what is expected of one relation or permission with what the relationships say.
fn compare(expected: &ExpectedMembers, stored: &Tuples) -> Compared {
    // What the store gave back is alive: it needs no clock.
    let found = stored.memberships(&expected.resource, &expected.member, Timestamp(i64::MIN));
    let differences = match found {
        Ok(found) => differences(expected, found),
        Err(error) => vec![Difference { at: expected.at, message: error.to_string() }],
    };
    Compared {
        at: expected.at,
        resource: expected.resource.clone(),
        member: expected.member.clone(),
        lines: expected.members.len(),
        differences,
    }
}

fn differences(expected: &ExpectedMembers, found: Vec<Membership>) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut differs = |at, message| all.push(Difference { at, message });
    let mut named = BTreeSet::new();
    let found: BTreeMap<Subject, ExpectedMember> = found.into_iter().map(|one| spelled(expected.at, one)).collect();
    for wanted in &expected.members {
        let (at, who) = (wanted.at, &wanted.subject.subject);
        named.insert(who);
        let Some(is) = found.get(who) else {
            differs(at, format!("`{who}` is expected, but is not a member"));
            continue;
        };
        match (is.subject.conditional, wanted.subject.conditional) {
            (true, false) => differs(at, format!("`{who}` is a member under a caveat; write `[{who}[...]]`")),
            (false, true) => differs(at, format!("`{who}` is a member under no caveat; leave out `[...]`")),
            _ => {}
        }
        if is.through != wanted.through {
            differs(at, format!("`{who}` is a member through {}, not {}", list(&is.through), list(&wanted.through)));
        }
        if is.excluded != wanted.excluded {
            differs(at, format!("of `{who}` are excluded {}, not {}", set(&is.excluded), set(&wanted.excluded)));
        }
    }
    for (_, is) in found.iter().filter(|(who, _)| !named.contains(who)) {
        differs(expected.at, format!("not expected, but a member: \"{}\"", is.text));
    }
    all
}

/// What was found, as a validation file would write it.
fn spelled(at: SourcePosition, found: Membership) -> (Subject, ExpectedMember) {
    let who = found.subject.clone();
    let subject = ExpectedSubject { subject: found.subject, conditional: found.conditional };
    let excluded: BTreeSet<_> =
        found.excluded.into_iter().map(|(subject, conditional)| ExpectedSubject { subject, conditional }).collect();
    let through = found.through.iter().map(|(object, member)| format!("{object}#{member}")).collect();
    let without = if excluded.is_empty() { String::new() } else { format!(" - {}", set(&excluded)) };
    let text = format!("[{subject}{without}] is {}", list(&through));
    (who, ExpectedMember { at, text, subject, excluded, through })
}

/// `<a>/<b>`.
fn list(all: &BTreeSet<String>) -> String {
    if all.is_empty() {
        return "nothing".to_owned();
    }
    all.iter().map(|one| format!("<{one}>")).collect::<Vec<_>>().join("/")
}

/// `{a, b}`.
fn set(all: &BTreeSet<ExpectedSubject>) -> String {
    format!("{{{}}}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}
