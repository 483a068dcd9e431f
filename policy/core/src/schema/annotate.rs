//! Whether the type annotation of a permission names every type that can have it.

use std::collections::HashSet;

use super::SchemaError;
use super::check::{Checker, Place};
use super::tree::{Body, Expression, Form, Member, Permission};

impl<'a> Checker<'a> {
    /// A type counts even where it is only taken away again, and the definition itself does not by `self`.
    pub(super) fn annotation(
        &mut self,
        id: usize,
        annotated: &'a Member,
        permission: &'a Permission,
    ) -> Result<(), SchemaError> {
        let at = annotated.span.start;
        let said: HashSet<&str> = permission.types.iter().map(String::as_str).collect();
        let mut seen = HashSet::new();
        let mut open: Vec<Place<'a>> = vec![(id, &annotated.name)];
        while let Some((of, name)) = open.pop() {
            if !seen.insert((of, name)) {
                continue;
            }
            // Where the right side of an arrow leads nowhere, it leads to no type.
            let Some(member) = self.definitions[of].members.get(name).copied() else { continue };
            match &member.body {
                Body::Permission(permission) => permission
                    .expression
                    .leaves(&mut |leaf| self.follow(of, leaf, at).map(|places| open.extend(places)))?,
                Body::Relation(types) => {
                    self.spend(types.len(), at)?;
                    for subject in types {
                        let definition = subject.definition.as_str();
                        match &subject.form {
                            Form::Members(members) => open.push((self.definition(definition, at)?, members)),
                            Form::Object | Form::Everyone if said.contains(definition) => {}
                            Form::Object | Form::Everyone => {
                                let said: Vec<String> =
                                    permission.types.iter().map(|name| format!("`{name}`")).collect();
                                let message = format!(
                                    "incomplete type annotation on relation `{}` in definition `{}`: `{definition}` found as reachable type, but not contained in provided set [{}]",
                                    annotated.name,
                                    self.name(id),
                                    said.join(" ")
                                );
                                return Err(self.text.types(at, &annotated.name, message));
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What a leaf of an expression leads to.
    fn follow(&mut self, of: usize, leaf: &Expression, at: u32) -> Result<Vec<Place<'a>>, SchemaError> {
        let mut places = Vec::new();
        match leaf {
            Expression::Member { name, .. } => {
                self.spend(1, at)?;
                places.extend(self.own(of, name));
            }
            Expression::Arrow { over, to, .. } => {
                let types = self.types((of, over), at)?;
                self.spend(types.len() + 1, at)?;
                for subject in types {
                    let definition = self.definition(&subject.definition, at)?;
                    places.extend(self.own(definition, to));
                }
            }
            _ => {}
        }
        Ok(places)
    }

    /// A member by the name that its declaration bears.
    fn own(&self, id: usize, name: &str) -> Option<Place<'a>> {
        self.definitions[id].members.get(name).map(|member| (id, member.name.as_str()))
    }

    fn spend(&mut self, steps: usize, at: u32) -> Result<(), SchemaError> {
        match self.steps.checked_sub(steps) {
            Some(left) => self.steps = left,
            None => return Err(self.text.types(at, "", "the type annotations take too many steps to check")),
        }
        Ok(())
    }
}
