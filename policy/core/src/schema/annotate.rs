//! Whether the type annotation of a permission names every type that can have it.

use std::collections::HashMap;
use std::rc::Rc;

use super::SchemaError;
use super::check::{Checker, NamedSpan};
use super::tree::{Body, Expression, Form, Member, Permission};

/// What the checks of all annotations share. Each walks everything that its permission leads to, so places
/// and types have numbers, and what a place leads to is looked up once.
pub(super) struct Annotations<'a> {
    places: Numbers<NamedSpan<'a>>,
    types: Numbers<&'a str>,
    /// By the number of the place.
    leads: Vec<Option<Rc<Leads>>>,
    /// The walk in which a place was last seen, and an annotation in which a type was last named.
    seen: Vec<u32>,
    named: Vec<u32>,
    walk: u32,
    /// How many steps all walks may still take.
    steps: usize,
}

struct Leads {
    places: Vec<u32>,
    types: Vec<u32>,
}

struct Numbers<T> {
    of: HashMap<T, u32>,
    all: Vec<T>,
}

impl<T: Copy + Eq + std::hash::Hash> Numbers<T> {
    fn get(&mut self, it: T) -> u32 {
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let number = *self.of.entry(it).or_insert(next);
        if number == next {
            self.all.push(it);
        }
        number
    }
}

impl<'a> Annotations<'a> {
    /// `steps` is what all checks may take together.
    pub(super) fn new(steps: usize) -> Self {
        let places = Numbers { of: HashMap::new(), all: Vec::new() };
        let types = Numbers { of: HashMap::new(), all: Vec::new() };
        Annotations { places, types, leads: Vec::new(), seen: Vec::new(), named: Vec::new(), walk: 0, steps }
    }

    /// Checks one annotation. A type counts even where it is only taken away again, and the definition
    /// itself does not count by `self`.
    pub(super) fn check(
        &mut self,
        checker: &Checker<'a>,
        (id, annotated): (usize, &'a Member),
        permission: &'a Permission,
    ) -> Result<(), SchemaError> {
        let at = annotated.span.start;
        self.walk += 1;
        for name in &permission.types {
            let number = self.types.get(name);
            mark(&mut self.named, number, self.walk);
        }
        let mut open = vec![self.places.get((id, &annotated.name))];
        while let Some(place) = open.pop() {
            if !mark(&mut self.seen, place, self.walk) {
                continue;
            }
            let leads = self.leads(checker, place, at)?;
            self.steps = (self.steps.checked_sub(1 + leads.places.len() + leads.types.len()))
                .ok_or_else(|| checker.text.types(at, "", "the type annotations take too many steps to check"))?;
            open.extend(&leads.places);
            if let Some(missing) = leads.types.iter().find(|&&of| mark(&mut self.named, of, self.walk)) {
                let said: Vec<String> = permission.types.iter().map(|name| format!("`{name}`")).collect();
                let message = format!(
                    "incomplete type annotation on relation `{}` in definition `{}`: `{}` found as reachable type, but not contained in provided set [{}]",
                    annotated.name,
                    checker.name(id),
                    self.types.all.get(*missing as usize).copied().unwrap_or_default(),
                    said.join(" ")
                );
                return Err(checker.text.types(at, &annotated.name, message));
            }
        }
        Ok(())
    }

    fn leads(&mut self, checker: &Checker<'a>, number: u32, at: u32) -> Result<Rc<Leads>, SchemaError> {
        let slot = number as usize;
        if let Some(leads) = self.leads.get(slot).and_then(Option::as_ref) {
            return Ok(Rc::clone(leads));
        }
        let (mut places, mut types) = (Vec::new(), Vec::new());
        if let Some(&(id, name)) = self.places.all.get(slot)
            && let Some(&member) = checker.definitions[id].members.get(name)
        {
            match &member.body {
                Body::Permission(permission) => permission
                    .expression
                    .leaves(&mut |leaf| self.follow(checker, id, leaf, at).map(|followed| places.extend(followed)))?,
                Body::Relation(subjects) => {
                    for subject in subjects {
                        let definition = subject.definition.as_str();
                        match &subject.form {
                            Form::Object | Form::Everyone => types.push(self.types.get(definition)),
                            Form::Members(name) => {
                                places.extend(self.place(checker, checker.definition(definition, at)?, name));
                            }
                        }
                    }
                }
            }
        }
        for numbers in [&mut places, &mut types] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        let leads = Rc::new(Leads { places, types });
        if self.leads.len() <= slot {
            self.leads.resize(slot + 1, None);
        }
        self.leads[slot] = Some(Rc::clone(&leads));
        Ok(leads)
    }

    /// What a leaf of an expression leads to.
    fn follow(
        &mut self,
        checker: &Checker<'a>,
        id: usize,
        leaf: &Expression,
        at: u32,
    ) -> Result<Vec<u32>, SchemaError> {
        let mut places = Vec::new();
        match leaf {
            Expression::Member { name, .. } => places.extend(self.place(checker, id, name)),
            Expression::Arrow { over, to, .. } => {
                for subject in checker.types((id, over), at)? {
                    let of = checker.definition(&subject.definition, at)?;
                    places.extend(self.place(checker, of, to));
                }
            }
            _ => {}
        }
        Ok(places)
    }

    /// The number of a member. Where the right side of an arrow leads nowhere, it leads to no type.
    fn place(&mut self, checker: &Checker<'a>, id: usize, name: &str) -> Option<u32> {
        let member = checker.definitions[id].members.get(name)?;
        Some(self.places.get((id, member.name.as_str())))
    }
}

/// Whether it was not marked in this walk yet.
fn mark(marks: &mut Vec<u32>, number: u32, walk: u32) -> bool {
    let slot = number as usize;
    if marks.len() <= slot {
        marks.resize(slot + 1, 0);
    }
    std::mem::replace(&mut marks[slot], walk) != walk
}
