//! The evaluator: values, what is unknown, and faults, as CEL combines them.

use std::borrow::Cow;
use std::sync::Arc;

use super::ast::FoldKind;
use super::functions;
use super::plan::{Fold, Path, PlanNode, Root, StepKind};
use super::signatures::{Function, name_of};
use super::stack::with_room;
use super::value::{Map, Value, Written, equal, is_key, list_index};

/// How many units one evaluation may take; a unit is about a node or an element visited. SpiceDB has
/// no such bound. This one admits two lists of a thousand elements, each compared with each.
const MAX_COST: u64 = 2_000_000;

/// Why there is no value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stop {
    /// What was needed and is not there.
    Unknown(Names),
    /// `&&`, `||` and folds may do without the operand that failed.
    Fault(Cow<'static, str>),
    /// Nothing can do without: the evaluation is over.
    Abort(Cow<'static, str>),
}

/// The numbers of parameters; in order.
pub(super) type Names = Box<[u16]>;

impl Stop {
    pub(super) const NO_OVERLOAD: Stop = Stop::Fault(Cow::Borrowed("no such overload"));

    pub(super) fn fault(message: impl Into<Cow<'static, str>>) -> Stop {
        Stop::Fault(message.into())
    }

    /// Names the call and the types of its arguments if no overload takes them.
    fn of_call(self, function: Function, kinds: &[&'static str]) -> Stop {
        if self != Stop::NO_OVERLOAD {
            return self;
        }
        Stop::fault(format!("no such overload: {}({})", name_of(function), kinds.join(", ")))
    }

    pub(super) fn abort(message: impl Into<Cow<'static, str>>) -> Stop {
        Stop::Abort(message.into())
    }
}

/// Counts what an evaluation takes.
pub(super) struct Meter {
    left: u64,
}

impl Meter {
    pub(super) fn charge(&mut self, units: u64) -> Result<(), Stop> {
        match self.left.checked_sub(units) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Stop::abort("operation cancelled: actual cost limit exceeded")),
        }
    }
}

struct Evaluator<'a> {
    parameters: &'a [Option<Value>],
    locals: Vec<Value>,
    meter: Meter,
}

/// Runs a plan. A parameter without a value is unknown.
pub(super) fn evaluate(node: &PlanNode, parameters: &[Option<Value>]) -> Result<Value, Stop> {
    Evaluator { parameters, locals: Vec::new(), meter: Meter { left: MAX_COST } }.eval(node)
}

type Attempt = Result<Value, Stop>;

/// Ends the evaluation if it is over; otherwise the attempt is the caller's to judge.
fn soft(attempt: Attempt) -> Result<Attempt, Stop> {
    match attempt {
        Err(abort @ Stop::Abort(_)) => Err(abort),
        other => Ok(other),
    }
}

/// What `&&` and `||` gather while no operand decides.
#[derive(Default)]
struct Undecided {
    unknown: Option<Names>,
    fault: Option<Stop>,
}

impl Undecided {
    fn add(&mut self, stop: Stop) {
        match stop {
            Stop::Unknown(names) => {
                self.unknown = Some(match self.unknown.take() {
                    Some(before) => union(&before, &names),
                    None => names,
                });
            }
            fault => {
                self.fault.get_or_insert(fault);
            }
        }
    }

    /// What is unknown goes before what failed.
    fn end(self, otherwise: bool) -> Attempt {
        match (self.unknown, self.fault) {
            (Some(names), _) => Err(Stop::Unknown(names)),
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(Value::Bool(otherwise)),
        }
    }
}

fn union(one: &[u16], two: &[u16]) -> Names {
    let mut names: Vec<u16> = one.iter().chain(two).copied().collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

impl Evaluator<'_> {
    fn eval(&mut self, node: &PlanNode) -> Attempt {
        self.meter.charge(1)?;
        match node {
            PlanNode::Constant(value) => Ok(value.clone()),
            node => with_room(|| self.compute(node)),
        }
    }

    fn compute(&mut self, node: &PlanNode) -> Attempt {
        match node {
            PlanNode::Constant(value) => Ok(value.clone()),
            PlanNode::Path(path) => self.resolve(path),
            PlanNode::Has(path) => match self.resolve(path)? {
                Value::Optional(inner) => Ok(Value::Bool(inner.is_some())),
                other => Ok(other),
            },
            PlanNode::And(operands) => self.logical(operands, false),
            PlanNode::Or(operands) => self.logical(operands, true),
            PlanNode::Call { function, only, arguments } => match (arguments.as_slice(), function) {
                ([one, two], Function::OptionalOr | Function::OptionalOrValue) => match (self.eval(one)?, function) {
                    (Value::Optional(None), _) => self.eval(two),
                    (Value::Optional(Some(inner)), Function::OptionalOrValue) => Ok((*inner).clone()),
                    (other, _) => Ok(other),
                },
                ([], _) => Ok(Value::Optional(None)),
                ([one], function) => {
                    let one = self.eval(one)?;
                    let kind = one.kind();
                    let result = functions::unary(*function, *only, one, &mut self.meter);
                    result.map_err(|stop| stop.of_call(*function, &[kind]))
                }
                ([one, two], function) => {
                    // Both are evaluated before either counts: the second may end the evaluation.
                    let one = soft(self.eval(one))?;
                    let two = soft(self.eval(two))?;
                    let (one, two) = (one?, two?);
                    let kinds = [one.kind(), two.kind()];
                    let result = functions::binary(*function, *only, one, two, &mut self.meter);
                    result.map_err(|stop| stop.of_call(*function, &kinds))
                }
                _ => Err(Stop::NO_OVERLOAD),
            },
            PlanNode::Matches(text, pattern) => match self.eval(text)? {
                Value::String(text) => {
                    self.meter.charge(pattern.match_cost(text.len()))?;
                    pattern.is_match(&text).map(Value::Bool).map_err(Stop::fault)
                }
                _ => Err(Stop::NO_OVERLOAD),
            },
            PlanNode::List(elements) => self.list(elements),
            PlanNode::Map(entries) => self.map(entries),
            PlanNode::Fold(fold) => self.fold(fold),
        }
    }

    /// `||` if `decisive`, else `&&`.
    fn logical(&mut self, operands: &[PlanNode], decisive: bool) -> Attempt {
        let mut undecided = Undecided::default();
        for operand in operands {
            match soft(self.eval(operand))? {
                Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => undecided.add(Stop::NO_OVERLOAD),
                Err(stop) => undecided.add(stop),
            }
        }
        undecided.end(!decisive)
    }

    fn resolve(&mut self, path: &Path) -> Attempt {
        with_room(|| self.resolve_root(path))
    }

    fn resolve_root(&mut self, path: &Path) -> Attempt {
        match &path.root {
            Root::Parameter(number) => match self.parameters.get(usize::from(*number)).and_then(Option::as_ref) {
                Some(value) => {
                    let value = value.clone();
                    self.follow(value, path)
                }
                None => self.unknown(*number, path),
            },
            Root::Local { depth, hides } => {
                if let Some(hidden) = hides
                    && self.parameters.get(usize::from(*hidden)).is_none_or(Option::is_none)
                {
                    return self.unknown(*hidden, path);
                }
                match self.locals.get(usize::from(*depth)).cloned() {
                    Some(value) => self.follow(value, path),
                    None => Err(Stop::NO_OVERLOAD),
                }
            }
            Root::Value(node) => {
                let value = self.eval(node)?;
                self.follow(value, path)
            }
            Root::Choice(choice) => match self.eval(&choice.condition)? {
                Value::Bool(true) => self.resolve(&choice.yes),
                Value::Bool(false) => self.resolve(&choice.no),
                _ => Err(Stop::NO_OVERLOAD),
            },
        }
    }

    /// A path of something that is not there. Keys that fail still count.
    fn unknown(&mut self, number: u16, path: &Path) -> Attempt {
        for step in &path.steps {
            if let StepKind::Path(key) = &step.kind {
                match soft(self.resolve(key))? {
                    Err(Stop::Unknown(_)) => {}
                    Err(fault) => return Err(fault),
                    Ok(key) => usable(&key)?,
                }
            }
        }
        Err(Stop::Unknown(Box::new([number])))
    }

    /// Takes the steps of a path from a value on.
    fn follow(&mut self, value: Value, path: &Path) -> Attempt {
        let (value, mut optional) = match value {
            Value::Optional(None) => return Ok(value),
            Value::Optional(Some(inner)) => (plain(&inner), true),
            other => (other, false),
        };
        let mut at = Ok(value);
        for step in &path.steps {
            self.meter.charge(1)?;
            optional |= step.optional;
            let found = match &step.kind {
                StepKind::Key(key) => into(at, key, optional)?,
                StepKind::Test(key) if optional => into(at, key, true)?,
                StepKind::Test(key) => Some(Ok(Value::Bool(into(at, key, true)?.is_some()))),
                StepKind::Path(key) => match soft(self.resolve(key))? {
                    Err(Stop::Unknown(names)) => Some(Err(names)),
                    Err(fault) => return Err(fault),
                    Ok(key) => {
                        usable(&key)?;
                        into(at, &key, optional)?
                    }
                },
            };
            at = match found {
                Some(found) => found,
                None => return Ok(Value::Optional(None)),
            };
        }
        match at {
            Err(names) => Err(Stop::Unknown(names)),
            Ok(value) if optional => Ok(Value::Optional(Some(Arc::new(value)))),
            Ok(value) => Ok(value),
        }
    }

    fn list(&mut self, elements: &[(bool, PlanNode)]) -> Attempt {
        let mut values = Vec::with_capacity(elements.len());
        for (optional, element) in elements {
            match (optional, self.eval(element)?) {
                (false, value) => values.push(value),
                (true, Value::Optional(Some(inner))) => values.push((*inner).clone()),
                (true, Value::Optional(None)) => {}
                (true, _) => {
                    return Err(Stop::fault("cannot initialize optional list element from non-optional value"));
                }
            }
        }
        Ok(Value::List(Arc::new(values)))
    }

    fn map(&mut self, entries: &[(PlanNode, bool, PlanNode)]) -> Attempt {
        let mut map = Written::default();
        for (key, optional, value) in entries {
            let key = self.eval(key)?;
            let value = match (optional, self.eval(value)?) {
                (false, value) => Some(value),
                (true, Value::Optional(inner)) => inner.map(|inner| (*inner).clone()),
                (true, _) => return Err(Stop::fault("cannot initialize optional entry from non-optional value")),
            };
            if matches!(key, Value::Bytes(_)) {
                return Err(functions::unhashable());
            }
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            }
        }
        Ok(Value::Map(Arc::new(Map::Written(map))))
    }

    fn fold(&mut self, fold: &Fold) -> Attempt {
        let elements = match (self.eval(&fold.range)?, fold.kind) {
            (Value::Optional(None), FoldKind::Optional) => return Ok(Value::Optional(None)),
            (Value::Optional(Some(inner)), FoldKind::Optional) => Arc::new(vec![(*inner).clone()]),
            (_, FoldKind::Optional) => return Err(Stop::NO_OVERLOAD),
            (Value::List(elements), _) => elements,
            (Value::Map(map), _) => Arc::new(map.keys()),
            (other, _) => return Err(Stop::fault(format!("got '{}', expected iterable type", other.kind()))),
        };
        let depth = self.locals.len();
        self.locals.push(Value::Null);
        let result = match fold.kind {
            FoldKind::All => self.quantify(fold, &elements, depth, false),
            FoldKind::Exists => self.quantify(fold, &elements, depth, true),
            FoldKind::ExistsOne => self.exists_one(fold, &elements, depth),
            FoldKind::Map | FoldKind::Filter => self.gather(fold, &elements, depth),
            FoldKind::Optional => self.optional_map(fold, &elements, depth),
        };
        self.locals.truncate(depth);
        result
    }

    fn bind(&mut self, depth: usize, element: &Value) -> Result<(), Stop> {
        self.meter.charge(1)?;
        if let Some(local) = self.locals.get_mut(depth) {
            *local = element.clone();
        }
        Ok(())
    }

    fn condition(&mut self, fold: &Fold) -> Attempt {
        fold.condition.as_ref().map_or(Ok(Value::Bool(true)), |condition| self.eval(condition))
    }

    /// `exists` if `decisive`, else `all`.
    fn quantify(&mut self, fold: &Fold, elements: &[Value], depth: usize, decisive: bool) -> Attempt {
        let mut undecided = Undecided::default();
        for element in elements {
            self.bind(depth, element)?;
            match soft(self.condition(fold))? {
                Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => undecided.add(Stop::NO_OVERLOAD),
                Err(stop) => undecided.add(stop),
            }
        }
        undecided.end(!decisive)
    }

    /// The last element whose predicate fails or is unknown decides, as in CEL.
    fn exists_one(&mut self, fold: &Fold, elements: &[Value], depth: usize) -> Attempt {
        let mut count: Result<u64, Stop> = Ok(0);
        for element in elements {
            self.bind(depth, element)?;
            match soft(self.condition(fold))? {
                Ok(Value::Bool(found)) => count = count.map(|count| count + u64::from(found)),
                Ok(_) => count = Err(Stop::NO_OVERLOAD),
                Err(stop) => count = Err(stop),
            }
        }
        count.map(|count| Value::Bool(count == 1))
    }

    /// `map` and `filter`. As above for the condition; the first transform that fails stays.
    fn gather(&mut self, fold: &Fold, elements: &[Value], depth: usize) -> Attempt {
        let mut gathered: Result<Vec<Value>, Stop> = Ok(Vec::new());
        for element in elements {
            self.bind(depth, element)?;
            match soft(self.condition(fold))? {
                Ok(Value::Bool(true)) => {}
                Ok(Value::Bool(false)) => continue,
                Ok(_) => {
                    gathered = Err(Stop::NO_OVERLOAD);
                    continue;
                }
                Err(stop) => {
                    gathered = Err(stop);
                    continue;
                }
            }
            let value = match &fold.transform {
                Some(transform) => self.eval(transform),
                None => self.resolve(&fold.element),
            };
            match (soft(value)?, &mut gathered) {
                (Ok(value), Ok(gathered)) => gathered.push(value),
                (Err(stop), Ok(_)) => gathered = Err(stop),
                (_, Err(_)) => {}
            }
        }
        gathered.map(|gathered| Value::List(Arc::new(gathered)))
    }

    fn optional_map(&mut self, fold: &Fold, elements: &[Value], depth: usize) -> Attempt {
        for element in elements {
            self.bind(depth, element)?;
        }
        let Some(transform) = &fold.transform else { return Err(Stop::NO_OVERLOAD) };
        Ok(Value::Optional(Some(Arc::new(self.eval(transform)?))))
    }
}

/// What is inside an optional once a path is taken into it: optionals in it are taken apart too.
fn plain(value: &Value) -> Value {
    match value {
        Value::Optional(None) => Value::Null,
        Value::Optional(Some(inner)) => plain(inner),
        Value::Type(name) => Value::from(*name),
        other => other.clone(),
    }
}

fn usable(key: &Value) -> Result<(), Stop> {
    if is_key(key) { Ok(()) } else { Err(Stop::fault(format!("invalid qualifier type: {}", key.kind()))) }
}

/// One step into a value. `None`: there is nothing, and `test` asked whether there is.
fn into(at: Result<Value, Names>, key: &Value, test: bool) -> Result<Option<Result<Value, Names>>, Stop> {
    let found = match &at {
        Err(_) => return Ok(Some(at)),
        Ok(Value::Map(map)) => map.get(key),
        Ok(Value::List(elements)) => {
            let Some(index) = list_index(key) else {
                return Err(Stop::fault(format!("unsupported index type '{}' in list", key.kind())));
            };
            usize::try_from(index).ok().and_then(|index| elements.get(index))
        }
        Ok(_) => None,
    };
    match (found, &at) {
        (Some(found), _) => Ok(Some(Ok(found.clone()))),
        (None, _) if test => Ok(None),
        (None, Ok(Value::List(_))) => Err(Stop::fault(format!("index out of bounds: {}", functions::key_text(key)))),
        (None, _) => Err(Stop::fault(format!("no such key: {}", functions::key_text(key)))),
    }
}

/// Whether a list or map holds a value.
pub(super) fn contains(within: &Value, value: &Value, meter: &mut Meter) -> Attempt {
    match within {
        Value::List(elements) => {
            for element in elements.iter() {
                match equal(value, element, meter) {
                    Ok(true) => return Ok(Value::Bool(true)),
                    Ok(false) | Err(Stop::Fault(_) | Stop::Unknown(_)) => {}
                    Err(abort) => return Err(abort),
                }
            }
            Ok(Value::Bool(false))
        }
        Value::Map(map) => match (&**map, value) {
            (Map::Written(_), Value::Bytes(_)) if map.len() > 0 => Err(functions::unhashable()),
            (map, key) => Ok(Value::Bool(map.get(key).is_some())),
        },
        _ => Err(Stop::NO_OVERLOAD),
    }
}
