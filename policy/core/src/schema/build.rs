//! A checked tree with every name resolved.

use std::collections::HashSet;
use std::sync::Arc;

use hashbrown::HashMap;

use super::compile::Compiled;
use super::error::Text;
use super::tree::{self, Expression, Walk};
use super::{Allowed, Body, CaveatId, Definition, DefinitionId, Form, Member, MemberId, Rule, Schema, SchemaError};

/// How many relations and permissions all arrows may lead to together, those of each counted for every
/// type that it walks.
const MAX_TARGETS: usize = 1 << 20;

pub(super) fn build(text: Text<'_>, compiled: Compiled) -> Result<Schema, SchemaError> {
    let mut schema = Schema {
        text: text.0.to_owned(),
        definitions: Vec::with_capacity(compiled.definitions.len()),
        members: Vec::new(),
        by_name: HashMap::with_capacity(compiled.definitions.len()),
        caveat_names: HashMap::with_capacity(compiled.caveats.len()),
        caveats: compiled.caveats,
    };
    for (id, declared) in (0..).map(CaveatId).zip(&schema.caveats) {
        schema.caveat_names.insert(declared.caveat.name().to_owned(), id);
    }
    for (id, declared) in (0..).map(DefinitionId).zip(compiled.definitions) {
        schema.by_name.insert(declared.name.clone(), id);
        let first = place(schema.members.len());
        let mut members = HashMap::with_capacity(declared.members.len());
        for source in declared.members {
            let member = MemberId(place(schema.members.len()));
            members.insert(source.name.clone(), member);
            // Kinds first: what an arrow walks is a relation.
            let body = match &source.body {
                tree::Body::Relation(_) => Body::Relation(Vec::new()),
                tree::Body::Permission(_) => Body::Permission(Rule::Nil),
            };
            schema.members.push(Member { definition: id, name: source.name.clone(), body, source });
        }
        let own = first..place(schema.members.len());
        schema.definitions.push(Definition { name: declared.name, comments: declared.comments, members, own });
    }
    let sources: Vec<Arc<tree::Member>> = schema.members.iter().map(|member| Arc::clone(&member.source)).collect();
    for (i, source) in sources.iter().enumerate() {
        if let tree::Body::Relation(types) = &source.body {
            schema.members[i].body = Body::Relation(types.iter().filter_map(|each| allowed(&schema, each)).collect());
        }
    }
    let mut targets = 0;
    for (i, source) in sources.iter().enumerate() {
        if let tree::Body::Permission(permission) = &source.body {
            let own = schema.members[i].definition;
            let mut resolver = Resolver { schema: &schema, own, targets };
            let rule = resolver.rule(&permission.expression);
            targets = resolver.targets;
            if targets > MAX_TARGETS {
                let message = format!("the arrows lead to more than {MAX_TARGETS} relations and permissions");
                return Err(text.types(source.span.start, &source.name, message));
            }
            schema.members[i].body = Body::Permission(rule);
        }
    }
    Ok(schema)
}

fn place(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Everything is there: the schema was checked.
fn allowed(schema: &Schema, subject: &tree::SubjectType) -> Option<Allowed> {
    let definition = schema.definition(&subject.definition)?;
    let form = match &subject.form {
        tree::Form::Object => Form::Object,
        tree::Form::Everyone => Form::Everyone,
        tree::Form::Members(name) => Form::Members(schema.member_of(definition, name)?),
    };
    let caveat = match &subject.caveat {
        None => None,
        Some(name) => Some(schema.caveat_named(name)?),
    };
    Some(Allowed { definition, form, caveat, expires: subject.expires })
}

struct Resolver<'a> {
    schema: &'a Schema,
    own: DefinitionId,
    targets: usize,
}

impl Resolver<'_> {
    fn rule(&mut self, expression: &Expression) -> Rule {
        match expression {
            Expression::Nil => Rule::Nil,
            Expression::Itself => Rule::Itself,
            Expression::Member { name, .. } => self.schema.member_of(self.own, name).map_or(Rule::Nil, Rule::Member),
            Expression::Arrow { over, to, walk, .. } => self.arrow(over, to, *walk),
            Expression::Union(all) => Rule::Union(self.rules(all)),
            Expression::Intersection(all) => Rule::Intersection(self.rules(all)),
            Expression::Exclusion(first, without) => Rule::Exclusion(Box::new(self.rule(first)), self.rules(without)),
        }
    }

    fn rules(&mut self, all: &[Expression]) -> Vec<Rule> {
        all.iter().map(|each| self.rule(each)).collect()
    }

    fn arrow(&mut self, over: &str, to: &str, walk: Walk) -> Rule {
        let Some(over) = self.schema.member_of(self.own, over) else { return Rule::Nil };
        let types: &[Allowed] = match &self.schema.member(over).body {
            Body::Relation(types) if self.targets <= MAX_TARGETS => types,
            _ => &[],
        };
        self.targets += types.len();
        let mut seen = HashSet::new();
        let to = types
            .iter()
            .filter(|form| seen.insert(form.definition))
            .filter_map(|form| Some((form.definition, self.schema.member_of(form.definition, to)?)))
            .collect();
        Rule::Arrow { over, to, all: walk == Walk::All }
    }
}
