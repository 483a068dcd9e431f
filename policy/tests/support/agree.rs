//! Whether an engine agrees with itself: a check, both lookups and the expansion are four ways to one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy::validation::ValidationFile;
use policy::{Consistency, RelationshipService, Window};
use policy_core::{
    Check, Context, EVERYONE, Expanded, ExpandedTree, LookupResources, LookupSubjects, Object, Permissionship, Schema,
    Subject, Timestamp, Tuple, Tuples,
};

const NOW: &Consistency = &Consistency::Full;

/// How many questions were compared, and where the answers contradict each other.
#[derive(Debug, Default)]
pub struct Agreement {
    pub compared: usize,
    /// Checks that failed, with which nothing can be compared.
    pub failed: usize,
    pub contradictions: Vec<String>,
}

/// How much to ask: an engine that is far away is asked less.
#[derive(Debug, Clone, Copy)]
pub struct Breadth {
    /// How many contexts of the assertions are tried, none among them.
    pub contexts: usize,
    /// Larger worlds than this are left out.
    pub subjects: usize,
}

/// What there is to ask about.
struct World {
    /// By definition: its relations and permissions.
    members: BTreeMap<String, Vec<String>>,
    /// By definition: the ids that relationships name, and one that none names.
    ids: BTreeMap<String, BTreeSet<String>>,
    /// Objects, and what else relationships name as subjects.
    subjects: BTreeSet<Subject>,
    /// Definitions of which a relationship names everyone.
    open: BTreeSet<String>,
    relationships: Vec<Tuple>,
    contexts: Vec<Context>,
}

impl World {
    fn of(file: &ValidationFile, schema: &Schema, breadth: Breadth) -> World {
        let mut members = BTreeMap::new();
        let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for definition in schema.reflect(&[]).unwrap().definitions {
            let relations = definition.relations.into_iter().map(|one| one.name);
            let permissions = definition.permissions.into_iter().map(|one| one.name);
            members.insert(definition.name.clone(), relations.chain(permissions).collect());
            ids.insert(definition.name, BTreeSet::from(["nobody".to_owned()]));
        }
        let relationships: Vec<Tuple> = file.relationships.iter().map(|one| one.tuple.clone()).collect();
        let mut open = BTreeSet::new();
        for tuple in &relationships {
            for object in [&tuple.resource, &tuple.subject.object] {
                if object.id == EVERYONE {
                    open.insert(object.kind.clone());
                } else {
                    ids.entry(object.kind.clone()).or_default().insert(object.id.clone());
                }
            }
        }
        let objects = ids.iter().flat_map(|(kind, ids)| ids.iter().map(|id| Subject::object(kind, id)));
        let named = relationships.iter().map(|tuple| tuple.subject.clone());
        let subjects = objects.chain(named).filter(|subject| subject.object.id != EVERYONE).collect();
        let mut contexts = vec![Context::new()];
        for assertion in &file.assertions {
            if contexts.len() < breadth.contexts && !contexts.contains(&assertion.check.context) {
                contexts.push(assertion.check.context.clone());
            }
        }
        World { members, ids, subjects, open, relationships, contexts }
    }

    fn each_member(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members
            .iter()
            .flat_map(|(kind, members)| members.iter().map(move |member| (kind.as_str(), member.as_str())))
    }
}

/// How deep a tree is followed: fifty steps of three nodes, and again for sets within sets.
const MAX_TREE: u16 = 400;
/// How many checks are asked at once.
const BATCH: usize = 1_000;

type Known = BTreeMap<(Object, String, Subject), Option<Permissionship>>;

/// Asks an engine that holds a validation file everything there is to ask, by every way.
pub async fn agreement(
    file: &ValidationFile,
    schema: &str,
    service: &dyn RelationshipService,
    breadth: Breadth,
) -> Agreement {
    let schema = Arc::new(Schema::parse(schema).unwrap());
    let world = World::of(file, &schema, breadth);
    let mut agreement = Agreement::default();
    if world.subjects.len() > breadth.subjects {
        return agreement;
    }
    for context in &world.contexts {
        let known = checks(&world, context, service).await;
        agreement.compared += known.len();
        agreement.failed += known.values().filter(|one| one.is_none()).count();
        lookup_resources(&world, context, &known, service, &mut agreement).await;
        lookup_subjects(&world, context, &known, service, &mut agreement).await;
        if context.is_empty() {
            expansions(&world, &known, service, &mut agreement).await;
            memberships(&world, &schema, &known, service, &mut agreement).await;
        }
    }
    agreement
}

async fn checks(world: &World, context: &Context, service: &dyn RelationshipService) -> Known {
    let mut all = Vec::new();
    for (kind, member) in world.each_member() {
        for id in &world.ids[kind] {
            for subject in &world.subjects {
                let resource = Object::new(kind, id);
                all.push(Check {
                    resource,
                    permission: member.to_owned(),
                    subject: subject.clone(),
                    context: context.clone(),
                });
            }
        }
    }
    let mut known = Known::new();
    for batch in all.chunks(BATCH) {
        let answers = service.check(batch, NOW).await.unwrap();
        for (check, answer) in batch.iter().zip(answers.decisions) {
            let key = (check.resource.clone(), check.permission.clone(), check.subject.clone());
            known.insert(key, answer.ok().map(|decision| decision.permissionship));
        }
    }
    known
}

async fn lookup_resources(
    world: &World,
    context: &Context,
    known: &Known,
    service: &dyn RelationshipService,
    agreement: &mut Agreement,
) {
    for (kind, member) in world.each_member() {
        for subject in &world.subjects {
            let lookup = LookupResources {
                kind: kind.to_owned(),
                permission: member.to_owned(),
                subject: subject.clone(),
                context: context.clone(),
            };
            let Ok(page) = service.lookup_resources(&lookup, &Window::default(), NOW).await else {
                agreement.failed += 1;
                continue;
            };
            let mut found: BTreeMap<String, Permissionship> =
                page.items.into_iter().map(|(found, _)| (found.id, found.permissionship)).collect();
            for id in &world.ids[kind] {
                let found = found.remove(id).unwrap_or(Permissionship::No);
                let key = (Object::new(kind, id), member.to_owned(), subject.clone());
                if let Some(checked) = known[&key].filter(|checked| *checked != found) {
                    agreement.contradictions.push(format!(
                        "{kind}:{id}#{member}@{subject} {context:?}: check {checked:?}, lookup of resources {found:?}"
                    ));
                }
            }
            for id in found.keys() {
                agreement.contradictions.push(format!("{kind}:{id}#{member}@{subject}: found, but nobody named it"));
            }
        }
    }
}

async fn lookup_subjects(
    world: &World,
    context: &Context,
    known: &Known,
    service: &dyn RelationshipService,
    agreement: &mut Agreement,
) {
    let types: BTreeSet<(&str, Option<&str>)> =
        world.subjects.iter().map(|one| (one.object.kind.as_str(), one.relation.as_deref())).collect();
    for (kind, member) in world.each_member() {
        for id in &world.ids[kind] {
            let resource = Object::new(kind, id);
            for &(of, relation) in &types {
                // A check of those who have a relation is also answered by everyone of the type; a lookup names them.
                if relation.is_some() && world.open.contains(of) {
                    continue;
                }
                let lookup = LookupSubjects {
                    resource: resource.clone(),
                    permission: member.to_owned(),
                    kind: of.to_owned(),
                    relation: relation.map(str::to_owned),
                    context: context.clone(),
                };
                let Ok(page) = service.lookup_subjects(&lookup, NOW).await else {
                    agreement.failed += 1;
                    continue;
                };
                let found: BTreeMap<String, _> =
                    page.items.into_iter().map(|(one, _)| (one.found.id.clone(), one)).collect();
                for subject in
                    world.subjects.iter().filter(|one| one.object.kind == of && one.relation.as_deref() == relation)
                {
                    let by_everyone = found.get(EVERYONE).map(|everyone| {
                        let out = everyone.excluded.iter().find(|out| out.id == subject.object.id);
                        match out.map(|out| out.permissionship) {
                            None => everyone.found.permissionship,
                            Some(Permissionship::Yes) => Permissionship::No,
                            Some(_) => Permissionship::Conditional,
                        }
                    });
                    let by_name = found.get(&subject.object.id).map(|one| one.found.permissionship);
                    let found = by_name.or(by_everyone).unwrap_or(Permissionship::No);
                    let key = (resource.clone(), member.to_owned(), subject.clone());
                    if let Some(checked) = known[&key].filter(|checked| *checked != found) {
                        agreement.contradictions.push(format!(
                            "{resource}#{member}@{subject} {context:?}: check {checked:?}, lookup of subjects {found:?}"
                        ));
                    }
                }
            }
        }
    }
}

/// The expansion does not tell of caveats: it is compared where there are none.
async fn expansions(world: &World, known: &Known, service: &dyn RelationshipService, agreement: &mut Agreement) {
    if world.relationships.iter().any(|tuple| tuple.caveat.is_some()) {
        return;
    }
    let mut trees = BTreeMap::new();
    for (kind, member) in world.each_member() {
        for id in &world.ids[kind] {
            let resource = Object::new(kind, id);
            // Everything that the expansion leads to.
            let mut open = vec![(resource.clone(), member.to_owned())];
            while let Some((object, member)) = open.pop() {
                if trees.contains_key(&(object.clone(), member.clone())) {
                    continue;
                }
                // A tree may be too deep to be sent.
                let expanded = service.expand(&object, &member, NOW).await.ok().map(|(expanded, _)| expanded);
                match &expanded {
                    Some(expanded) => leaves(expanded, &mut open),
                    None => agreement.failed += 1,
                }
                trees.insert((object, member), expanded);
            }
        }
    }
    for ((resource, member, subject), checked) in known {
        if subject.relation.is_some() {
            continue;
        }
        let Some(checked) = checked else { continue };
        let expanded = &trees[&(resource.clone(), member.clone())];
        let Some(found) = expanded.as_ref().and_then(|expanded| within(expanded, subject, &trees, MAX_TREE)) else {
            continue;
        };
        let found = if found { Permissionship::Yes } else { Permissionship::No };
        if *checked != found {
            agreement
                .contradictions
                .push(format!("{resource}#{member}@{subject}: check {checked:?}, expansion {found:?}"));
        }
    }
}

type Trees = BTreeMap<(Object, String), Option<Expanded>>;

fn leaves(expanded: &Expanded, out: &mut Vec<(Object, String)>) {
    match &expanded.tree {
        ExpandedTree::Subjects(subjects) => {
            out.extend(subjects.iter().filter_map(|one| Some((one.object.clone(), one.relation.clone()?))));
        }
        ExpandedTree::Union(all) | ExpandedTree::Intersection(all) | ExpandedTree::Exclusion(all) => {
            all.iter().for_each(|one| leaves(one, out));
        }
    }
}

/// Whether the subject is in the tree and those that its leaves lead to; `None` if one of them is not known.
fn within(expanded: &Expanded, subject: &Subject, trees: &Trees, depth: u16) -> Option<bool> {
    let depth = depth.checked_sub(1)?;
    let is = |one: &Expanded| within(one, subject, trees, depth);
    let any = |all: &[Expanded]| all.iter().try_fold(false, |any, one| Some(is(one)? || any));
    match &expanded.tree {
        ExpandedTree::Subjects(subjects) => subjects.iter().try_fold(false, |any, one| {
            let found = match &one.relation {
                None => one == subject || (one.object.id == EVERYONE && one.object.kind == subject.object.kind),
                Some(relation) => is(trees[&(one.object.clone(), relation.clone())].as_ref()?)?,
            };
            Some(found || any)
        }),
        ExpandedTree::Union(all) => any(all),
        ExpandedTree::Intersection(all) => all.iter().try_fold(!all.is_empty(), |every, one| Some(is(one)? && every)),
        ExpandedTree::Exclusion(all) => {
            let (first, without) = all.split_first()?;
            Some(is(first)? && !any(without)?)
        }
    }
}

/// What validation files expect: certain members pass the check, strangers do not.
async fn memberships(
    world: &World,
    schema: &Arc<Schema>,
    known: &Known,
    service: &dyn RelationshipService,
    agreement: &mut Agreement,
) {
    let mut stored = Tuples::new(Arc::clone(schema));
    for kind in world.members.keys() {
        let filter = policy_core::Filter { resource_kind: Some(kind.clone()), ..Default::default() };
        for (tuple, _) in service.read(&filter, &Window::default(), NOW).await.unwrap().items {
            stored.put(&tuple).unwrap();
        }
    }
    for (kind, member) in world.each_member() {
        for id in &world.ids[kind] {
            let resource = Object::new(kind, id);
            let Ok(members) = stored.memberships(&resource, member, Timestamp(i64::MIN)) else {
                agreement.failed += 1;
                continue;
            };
            for subject in world.subjects.iter().filter(|subject| subject.relation.is_none()) {
                let everyone = Subject::object(&subject.object.kind, EVERYONE);
                let one = members.iter().find(|one| one.subject == *subject);
                let all = members.iter().find(|one| one.subject == everyone);
                let out = all.and_then(|all| all.excluded.iter().find(|(out, _)| out == subject));
                let certain =
                    one.is_some_and(|one| !one.conditional) || all.is_some_and(|all| !all.conditional) && out.is_none();
                let possible = one.is_some() || all.is_some() && out.is_none_or(|(_, conditional)| *conditional);
                let checked = known[&(resource.clone(), member.to_owned(), subject.clone())];
                let wrong = match checked {
                    Some(Permissionship::Yes) => !possible,
                    Some(Permissionship::Conditional) => !possible || certain,
                    Some(Permissionship::No) => certain,
                    None => false,
                };
                if wrong {
                    agreement.contradictions.push(format!(
                        "{resource}#{member}@{subject}: check {checked:?}, spelled out: certain {certain}, possible {possible}"
                    ));
                }
            }
        }
    }
}
