//! The types that the checker works with, and what may stand where: CEL's unification.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use super::Type;

/// A type of an expression. Cheap to clone: parts are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Static {
    /// Checked when evaluated.
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    IpAddress,
    List(Rc<Static>),
    Map(Rc<(Static, Static)>),
    Optional(Rc<Static>),
    /// The type of a type.
    Type(Rc<Static>),
    /// A message type of protocol buffers, known by name only.
    Message(&'static str),
    Variable(u32),
}

impl From<&Type> for Static {
    fn from(declared: &Type) -> Self {
        match declared {
            Type::Any => Static::Dyn,
            Type::Bool => Static::Bool,
            Type::String => Static::Text,
            // As in SpiceDB: the checker takes a uint for an int.
            Type::Int | Type::Uint => Static::Int,
            Type::Double => Static::Double,
            Type::Bytes => Static::Bytes,
            Type::Duration => Static::Duration,
            Type::Timestamp => Static::Timestamp,
            Type::List(element) => Static::List(Rc::new((&**element).into())),
            Type::Map(value) => Static::Map(Rc::new((Static::Text, (&**value).into()))),
            Type::IpAddress => Static::IpAddress,
        }
    }
}

impl Static {
    pub(super) fn list(element: Static) -> Static {
        Static::List(Rc::new(element))
    }

    pub(super) fn map(key: Static, value: Static) -> Static {
        Static::Map(Rc::new((key, value)))
    }

    pub(super) fn optional(inner: Static) -> Static {
        Static::Optional(Rc::new(inner))
    }

    /// Whether null may stand for it.
    fn nullable(&self) -> bool {
        matches!(
            self,
            Static::Null
                | Static::Dyn
                | Static::Optional(_)
                | Static::IpAddress
                | Static::Message(_)
                | Static::Duration
                | Static::Timestamp
        )
    }

    /// The type with its variables numbered anew from `first`, for one use of a signature.
    pub(super) fn renumbered(&self, first: u32) -> Static {
        match self {
            Static::Variable(number) => Static::Variable(first + number),
            Static::List(element) => Static::list(element.renumbered(first)),
            Static::Map(parts) => Static::map(parts.0.renumbered(first), parts.1.renumbered(first)),
            Static::Optional(inner) => Static::optional(inner.renumbered(first)),
            Static::Type(inner) => Static::Type(Rc::new(inner.renumbered(first))),
            plain => plain.clone(),
        }
    }
}

/// Too many steps were taken to relate the types of an expression: it is refused.
#[derive(Debug)]
pub(super) struct TooComplex;

/// What the variables stand for.
#[derive(Default)]
pub(super) struct Bindings {
    bound: HashMap<u32, Static>,
    /// What the variables that changed stood for before, newest last.
    undo: Vec<(u32, Option<Static>)>,
    fresh: u32,
    steps: u32,
}

/// Enough for any expression of the admitted length that is not made to be hard.
const MAX_STEPS: u32 = 3_000_000;

impl Bindings {
    /// `count` variables that stand for nothing yet; the number of the first.
    pub(super) fn fresh(&mut self, count: u32) -> u32 {
        self.fresh += count;
        self.fresh - count
    }

    fn step(&mut self) -> Result<(), TooComplex> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(TooComplex) } else { Ok(()) }
    }

    fn bind(&mut self, variable: u32, to: Static) {
        let before = self.bound.insert(variable, to);
        self.undo.push((variable, before));
    }

    fn roll_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            if let Some((variable, before)) = self.undo.pop() {
                match before {
                    Some(before) => self.bound.insert(variable, before),
                    None => self.bound.remove(&variable),
                };
            }
        }
    }

    /// Whether each of `from` may stand where its partner in `to` is asked for; binds variables if so.
    pub(super) fn assignable(&mut self, from: &[Static], to: &[Static]) -> Result<bool, TooComplex> {
        if from.len() != to.len() {
            return Ok(false);
        }
        let mark = self.undo.len();
        for (from, to) in from.iter().zip(to) {
            if !self.unify(from, to)? {
                self.roll_back(mark);
                return Ok(false);
            }
        }
        self.undo.truncate(mark.min(self.undo.len()));
        Ok(true)
    }

    fn unify(&mut self, one: &Static, two: &Static) -> Result<bool, TooComplex> {
        self.step()?;
        if let Static::Variable(variable) = two {
            let (valid, bound) = self.substitute_for(one, *variable)?;
            if valid || bound {
                return Ok(valid);
            }
        }
        if let Static::Variable(variable) = one {
            return Ok(self.substitute_for(two, *variable)?.0);
        }
        match (one, two) {
            (Static::Dyn, _) | (_, Static::Dyn) => Ok(true),
            (Static::Null, other) | (other, Static::Null) => Ok(other.nullable()),
            (Static::Type(_), Static::Type(_)) => Ok(true),
            (Static::List(one), Static::List(two)) | (Static::Optional(one), Static::Optional(two)) => {
                self.unify(one, two)
            }
            (Static::Map(one), Static::Map(two)) => Ok(self.unify(&one.0, &two.0)? && self.unify(&one.1, &two.1)?),
            (one, two) => Ok(one == two),
        }
    }

    /// Whether `variable` may stand for `to`, and whether it stood for something already.
    fn substitute_for(&mut self, to: &Static, variable: u32) -> Result<(bool, bool), TooComplex> {
        self.step()?;
        if *to == Static::Variable(variable) {
            return Ok((true, true));
        }
        if let Some(bound) = self.bound.get(&variable).cloned() {
            if self.same(to, &bound)? {
                return Ok((true, true));
            }
            if !self.unify(to, &bound)? {
                return Ok((false, true));
            }
            let general = if self.less_specific(to, &bound)? { to.clone() } else { bound };
            if self.free_of(variable, &general)? {
                self.bind(variable, general);
            }
            return Ok((true, true));
        }
        if self.free_of(variable, to)? {
            self.bind(variable, to.clone());
            return Ok((true, false));
        }
        Ok((false, false))
    }

    /// Whether two types are written alike.
    fn same(&mut self, one: &Static, two: &Static) -> Result<bool, TooComplex> {
        self.step()?;
        match (one, two) {
            (Static::List(one), Static::List(two))
            | (Static::Optional(one), Static::Optional(two))
            | (Static::Type(one), Static::Type(two)) => Ok(Rc::ptr_eq(one, two) || self.same(one, two)?),
            (Static::Map(one), Static::Map(two)) => {
                Ok(Rc::ptr_eq(one, two) || (self.same(&one.0, &two.0)? && self.same(&one.1, &two.1)?))
            }
            (one, two) => Ok(one == two),
        }
    }

    /// Whether `one` is equal to `two` or says less.
    fn less_specific(&mut self, one: &Static, two: &Static) -> Result<bool, TooComplex> {
        self.step()?;
        match (one, two) {
            (Static::Dyn | Static::Variable(_), _) => Ok(true),
            (_, Static::Dyn | Static::Variable(_)) => Ok(false),
            (Static::Optional(one), Static::Optional(two)) | (Static::List(one), Static::List(two)) => {
                self.less_specific(one, two)
            }
            (Static::Map(one), Static::Map(two)) => {
                Ok(self.less_specific(&one.0, &two.0)? && self.less_specific(&one.1, &two.1)?)
            }
            (Static::Type(_), Static::Type(_)) => Ok(true),
            (one, two) => Ok(one == two),
        }
    }

    /// Whether `variable` does not occur within `within`: binding it then makes no endless type.
    fn free_of(&mut self, variable: u32, within: &Static) -> Result<bool, TooComplex> {
        self.step()?;
        match within {
            Static::Variable(other) if *other == variable => Ok(false),
            Static::Variable(other) => match self.bound.get(other).cloned() {
                Some(bound) => self.free_of(variable, &bound),
                None => Ok(true),
            },
            Static::List(inner) | Static::Optional(inner) | Static::Type(inner) => self.free_of(variable, inner),
            Static::Map(parts) => Ok(self.free_of(variable, &parts.0)? && self.free_of(variable, &parts.1)?),
            _ => Ok(true),
        }
    }

    /// The type with every bound variable replaced by what it stands for.
    pub(super) fn resolved(&mut self, of: &Static) -> Result<Static, TooComplex> {
        self.step()?;
        Ok(match of {
            Static::Variable(variable) => match self.bound.get(variable).cloned() {
                Some(bound) => self.resolved(&bound)?,
                None => Static::Variable(*variable),
            },
            Static::List(element) => Static::list(self.resolved(element)?),
            Static::Map(parts) => Static::map(self.resolved(&parts.0)?, self.resolved(&parts.1)?),
            Static::Optional(inner) => Static::optional(self.resolved(inner)?),
            Static::Type(inner) => Static::Type(Rc::new(self.resolved(inner)?)),
            plain => plain.clone(),
        })
    }

    /// The type of a collection whose elements so far are `before` and whose next is `next`.
    pub(super) fn join(&mut self, before: Option<Static>, next: Static) -> Result<Static, TooComplex> {
        let Some(before) = before else { return Ok(next) };
        if !self.assignable(std::slice::from_ref(&before), std::slice::from_ref(&next))? {
            return Ok(Static::Dyn);
        }
        Ok(if self.less_specific(&before, &next)? { before } else { next })
    }
}

/// As CEL writes types in its messages; what is deep inside is cut off.
impl fmt::Display for Static {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn write(of: &Static, f: &mut fmt::Formatter<'_>, levels: u8) -> fmt::Result {
            if levels == 0 {
                return f.write_str("…");
            }
            let name = match of {
                Static::Dyn | Static::Variable(_) => "dyn",
                Static::Null => "null",
                Static::Bool => "bool",
                Static::Int => "int",
                Static::Uint => "uint",
                Static::Double => "double",
                Static::Text => "string",
                Static::Bytes => "bytes",
                Static::Duration => "duration",
                Static::Timestamp => "timestamp",
                Static::IpAddress => "IPAddress",
                Static::Message(name) => name,
                Static::List(inner) | Static::Optional(inner) | Static::Type(inner) => {
                    f.write_str(match of {
                        Static::List(_) => "list(",
                        Static::Optional(_) => "optional_type(",
                        _ => "type(",
                    })?;
                    write(inner, f, levels - 1)?;
                    return f.write_str(")");
                }
                Static::Map(parts) => {
                    f.write_str("map(")?;
                    write(&parts.0, f, levels - 1)?;
                    f.write_str(", ")?;
                    write(&parts.1, f, levels - 1)?;
                    return f.write_str(")");
                }
            };
            f.write_str(name)
        }
        write(self, f, 6)
    }
}
