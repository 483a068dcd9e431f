//! Names resolved, types checked.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::parse::{self, Tree};
use super::{Allowed, Body, Definition, DefinitionId, Form, Member, MemberId, Rule, Schema, SchemaError};

/// A name of letters, digits and `_`: 3 to `most` of them, a letter first, no `_` last.
fn is_name(name: &str, most: usize) -> bool {
    let bytes = name.as_bytes();
    (3..=most).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes[bytes.len() - 1] != b'_'
        && bytes.iter().all(|&b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_definition_name(name: &str) -> bool {
    let mut parts = name.rsplit('/');
    name.len() <= 128 && parts.next().is_some_and(|last| is_name(last, 64)) && parts.all(|part| is_name(part, 63))
}

pub(super) fn check(tree: &Tree) -> Result<Schema, SchemaError> {
    let mut schema = declare(tree)?;
    // Relations first: where an arrow leads depends on the types that its relation allows.
    for (id, member) in members(tree) {
        if let parse::Body::Relation(types) = &member.body {
            schema.members[id.0 as usize].body = Body::Relation(allowed(&schema, types)?);
        }
    }
    for (id, member) in members(tree) {
        if let parse::Body::Permission { rule, .. } = &member.body {
            let own = schema.member(id).definition;
            schema.members[id.0 as usize].body = Body::Permission(resolve(&schema, own, rule)?);
        }
    }
    wildcards(tree, &schema)?;
    cycles(tree, &schema)?;
    if tree.typechecking {
        annotations(tree, &schema)?;
    }
    Ok(schema)
}

fn ids(tree: &Tree) -> impl Iterator<Item = (DefinitionId, &parse::Definition)> {
    (0u32..).map(DefinitionId).zip(&tree.definitions)
}

/// Every member of the tree with its id, in the order in which `declare` numbers them.
fn members(tree: &Tree) -> impl Iterator<Item = (MemberId, &parse::Member)> {
    (0u32..).map(MemberId).zip(tree.definitions.iter().flat_map(|definition| &definition.members))
}

/// Every name, with bodies still empty.
fn declare(tree: &Tree) -> Result<Schema, SchemaError> {
    let mut schema =
        Schema { definitions: Vec::new(), members: Vec::new(), by_name: HashMap::new(), caveats: Vec::new() };
    for (id, definition) in ids(tree) {
        let name = &definition.name;
        if !is_definition_name(name) {
            return Err(definition.at.types(format!(
                "`{name}` cannot name a definition: 3 to 64 lower-case letters, digits and `_`, a letter first"
            )));
        }
        if schema.by_name.insert(name.clone(), id).is_some() {
            return Err(definition.at.types(format!("there are two definitions `{name}`")));
        }
        let mut names = HashMap::new();
        for member in &definition.members {
            if !is_name(&member.name, 64) {
                return Err(member.at.types(format!(
                    "`{}` cannot name a relation or permission: 3 to 64 lower-case letters, digits and `_`, a letter first",
                    member.name
                )));
            }
            let member_id = MemberId(u32::try_from(schema.members.len()).unwrap_or(u32::MAX));
            if names.insert(member.name.clone(), member_id).is_some() {
                return Err(member.at.types(format!("`{name}` has two relations or permissions `{}`", member.name)));
            }
            let body = Body::Permission(Rule::Nil);
            schema.members.push(Member { definition: id, name: member.name.clone(), body });
        }
        schema.definitions.push(Definition { name: name.clone(), members: names });
    }
    // Kinds are needed before bodies are: an arrow walks a relation, not a permission.
    for (id, member) in members(tree) {
        if matches!(member.body, parse::Body::Relation(_)) {
            schema.members[id.0 as usize].body = Body::Relation(Vec::new());
        }
    }
    Ok(schema)
}

fn allowed(schema: &Schema, types: &[parse::Type]) -> Result<Vec<Allowed>, SchemaError> {
    let mut forms: Vec<Allowed> = Vec::new();
    for subject in types {
        let Some(definition) = schema.definition(&subject.name) else {
            return Err(subject.at.types(format!("there is no definition `{}`", subject.name)));
        };
        let form = match &subject.form {
            parse::Form::Object => Form::Object,
            parse::Form::Everyone => Form::Everyone,
            parse::Form::Members(name) => Form::Members(schema.member_of(definition, name).ok_or_else(|| {
                subject.at.types(format!("there is no relation or permission `{name}` in `{}`", subject.name))
            })?),
        };
        let form = Allowed { definition, form, caveat: None, expires: subject.expires };
        if forms.contains(&form) {
            return Err(subject.at.types(format!("the subject type `{}` is allowed twice", subject.name)));
        }
        forms.push(form);
    }
    Ok(forms)
}

fn resolve(schema: &Schema, own: DefinitionId, rule: &parse::Rule) -> Result<Rule, SchemaError> {
    let find = |name: &str, at: super::At| {
        schema.member_of(own, name).ok_or_else(|| {
            at.types(format!("there is no relation or permission `{name}` in `{}`", schema.definition_name(own)))
        })
    };
    let each = |rules: &[parse::Rule]| rules.iter().map(|rule| resolve(schema, own, rule)).collect::<Result<_, _>>();
    Ok(match rule {
        parse::Rule::Nil => Rule::Nil,
        parse::Rule::Itself => Rule::Itself,
        parse::Rule::Member(name, at) => Rule::Member(find(name, *at)?),
        parse::Rule::Arrow { over, to, all, at } => {
            let member = find(over, *at)?;
            if matches!(schema.member(member).body, Body::Permission(_)) {
                return Err(at.types(format!("`{over}` is a permission; an arrow starts from a relation")));
            }
            let mut targets: Vec<(DefinitionId, MemberId)> = Vec::new();
            for form in forms(schema, member) {
                if let Some(target) = schema.member_of(form.definition, to)
                    && !targets.contains(&(form.definition, target))
                {
                    targets.push((form.definition, target));
                }
            }
            Rule::Arrow { over: member, to: targets, all: *all }
        }
        parse::Rule::Union(rules) => Rule::Union(each(rules)?),
        parse::Rule::Intersection(rules) => Rule::Intersection(each(rules)?),
        parse::Rule::Exclusion(first, without) => {
            Rule::Exclusion(Box::new(resolve(schema, own, first)?), each(without)?)
        }
    })
}

fn forms(schema: &Schema, id: MemberId) -> &[Allowed] {
    match &schema.member(id).body {
        Body::Relation(forms) => forms,
        Body::Permission(_) => &[],
    }
}

/// A relation that allows everyone is neither walked by an arrow nor included in another relation.
fn wildcards(tree: &Tree, schema: &Schema) -> Result<(), SchemaError> {
    let everyone = |id: MemberId| forms(schema, id).iter().any(|form| form.form == Form::Everyone);
    for (id, member) in members(tree) {
        match &member.body {
            parse::Body::Permission { rule, .. } => {
                let own = schema.member(id).definition;
                let mut arrows = Vec::new();
                arrows_of(rule, &mut arrows);
                for (over, at) in arrows {
                    if schema.member_of(own, over).is_some_and(everyone) {
                        return Err(at.types(format!("`{over}` allows everyone; an arrow cannot walk it")));
                    }
                }
            }
            parse::Body::Relation(types) => {
                for (subject, form) in types.iter().zip(forms(schema, id)) {
                    let mut seen = HashSet::new();
                    let mut open: Vec<MemberId> = included(form).into_iter().collect();
                    while let Some(next) = open.pop() {
                        if !seen.insert(next) {
                            continue;
                        }
                        if everyone(next) {
                            return Err(subject.at.types(format!(
                                "`{}` includes `{}`, which allows everyone",
                                member.name,
                                schema.member(next).name
                            )));
                        }
                        open.extend(forms(schema, next).iter().filter_map(included));
                    }
                }
            }
        }
    }
    Ok(())
}

fn included(form: &Allowed) -> Option<MemberId> {
    match form.form {
        Form::Members(member) => Some(member),
        Form::Object | Form::Everyone => None,
    }
}

fn arrows_of<'a>(rule: &'a parse::Rule, out: &mut Vec<(&'a str, super::At)>) {
    match rule {
        parse::Rule::Arrow { over, at, .. } => out.push((over, *at)),
        parse::Rule::Union(rules) | parse::Rule::Intersection(rules) => {
            rules.iter().for_each(|rule| arrows_of(rule, out));
        }
        parse::Rule::Exclusion(first, without) => {
            arrows_of(first, out);
            without.iter().for_each(|rule| arrows_of(rule, out));
        }
        parse::Rule::Nil | parse::Rule::Itself | parse::Rule::Member(..) => {}
    }
}

/// Permissions of one definition must not name each other in a circle. Removes, again and again, what
/// waits for nothing; what is left waits for itself.
fn cycles(tree: &Tree, schema: &Schema) -> Result<(), SchemaError> {
    let mut waits: Vec<usize> = vec![0; schema.members.len()];
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); schema.members.len()];
    for (i, member) in schema.members.iter().enumerate() {
        let mut names = Vec::new();
        if let Body::Permission(rule) = &member.body {
            rule.named(&mut names);
        }
        waits[i] = names.len();
        names.iter().for_each(|name| waiting[name.0 as usize].push(i));
    }
    let mut free: Vec<usize> = (0..waits.len()).filter(|&i| waits[i] == 0).collect();
    while let Some(done) = free.pop() {
        for &i in &waiting[done] {
            waits[i] -= 1;
            if waits[i] == 0 {
                free.push(i);
            }
        }
    }
    match members(tree).find(|(id, _)| waits[id.0 as usize] > 0) {
        Some((_, member)) => Err(member.at.types(format!("the permission `{}` rests on itself", member.name))),
        None => Ok(()),
    }
}

/// Under `use typechecking`, an annotation names every type that can have the permission.
fn annotations(tree: &Tree, schema: &Schema) -> Result<(), SchemaError> {
    for (id, member) in members(tree) {
        let parse::Body::Permission { types: Some(types), .. } = &member.body else { continue };
        let mut said = BTreeSet::new();
        for (name, at) in types {
            let definition =
                schema.definition(name).ok_or_else(|| at.types(format!("there is no definition `{name}`")))?;
            said.insert(definition);
        }
        if let Some(missing) = subjects(schema, id).into_iter().find(|definition| !said.contains(definition)) {
            return Err(member.at.types(format!(
                "the type annotation of `{}` is incomplete: `{}` can have it too",
                member.name,
                schema.definition_name(missing)
            )));
        }
    }
    Ok(())
}

/// The definitions whose objects can have a member.
fn subjects(schema: &Schema, from: MemberId) -> BTreeSet<DefinitionId> {
    let mut seen = HashSet::new();
    let mut open = vec![from];
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let member = schema.member(id);
        match &member.body {
            Body::Relation(forms) => {
                for form in forms {
                    match form.form {
                        Form::Object | Form::Everyone => {
                            found.insert(form.definition);
                        }
                        Form::Members(member) => open.push(member),
                    }
                }
            }
            Body::Permission(rule) => reached(member.definition, rule, &mut open, &mut found),
        }
    }
    found
}

fn reached(own: DefinitionId, rule: &Rule, open: &mut Vec<MemberId>, found: &mut BTreeSet<DefinitionId>) {
    match rule {
        Rule::Nil => {}
        Rule::Itself => {
            found.insert(own);
        }
        Rule::Member(member) => open.push(*member),
        Rule::Arrow { to, .. } => {
            open.extend(to.iter().map(|&(_, member)| member));
        }
        Rule::Union(rules) | Rule::Intersection(rules) => {
            rules.iter().for_each(|rule| reached(own, rule, open, found));
        }
        // What is taken away adds nobody.
        Rule::Exclusion(first, _) => reached(own, first, open, found),
    }
}
