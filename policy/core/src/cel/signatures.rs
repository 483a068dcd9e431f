//! The functions and operators of CEL's standard library and of SpiceDB, and their overloads.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Every function that a call can name, and each of its overloads: the types of its arguments, those
/// of a method written before the dot, and the type of its result. `A` and `B` stand for any type.
/// The order matters: the first overload that fits gives the result its type.
const TABLE: &[(Function, &str, &[&str])] = &[
    (Function::Ternary, "_?_:_", &["bool A A: A"]),
    (Function::And, "_&&_", &["bool bool: bool"]),
    (Function::Or, "_||_", &["bool bool: bool"]),
    (Function::Not, "!_", &["bool: bool"]),
    (Function::Equal, "==", &["A A: bool"]),
    (Function::Unequal, "!=", &["A A: bool"]),
    (
        Function::Add,
        "+",
        &[
            "bytes bytes: bytes",
            "double double: double",
            "duration duration: duration",
            "duration timestamp: timestamp",
            "timestamp duration: timestamp",
            "int int: int",
            "list<A> list<A>: list<A>",
            "string string: string",
            "uint uint: uint",
        ],
    ),
    (
        Function::Subtract,
        "-",
        &[
            "double double: double",
            "duration duration: duration",
            "int int: int",
            "timestamp duration: timestamp",
            "timestamp timestamp: duration",
            "uint uint: uint",
        ],
    ),
    (Function::Multiply, "*", &["double double: double", "int int: int", "uint uint: uint"]),
    (Function::Divide, "/", &["double double: double", "int int: int", "uint uint: uint"]),
    (Function::Modulo, "%", &["int int: int", "uint uint: uint"]),
    (Function::Negate, "-_", &["double: double", "int: int"]),
    (Function::Less, "<", ORDERED),
    (Function::LessOrEqual, "<=", ORDERED),
    (Function::Greater, ">", ORDERED),
    (Function::GreaterOrEqual, ">=", ORDERED),
    (Function::In, "in", &["A list<A>: bool", "A map<A,B>: bool"]),
    (
        Function::Index,
        "_[_]",
        &["list<A> int: A", "map<A,B> A: B", "optional<list<A>> int: optional<A>", "optional<map<A,B>> A: optional<B>"],
    ),
    (
        Function::OptionalIndex,
        "_[?_]",
        &[
            "list<A> int: optional<A>",
            "optional<list<A>> int: optional<A>",
            "map<A,B> A: optional<B>",
            "optional<map<A,B>> A: optional<B>",
        ],
    ),
    (
        Function::Size,
        "size",
        &[
            "bytes: int",
            "bytes.: int",
            "list<A>: int",
            "list<A>.: int",
            "map<A,B>: int",
            "map<A,B>.: int",
            "string: int",
            "string.: int",
        ],
    ),
    (Function::TypeOf, "type", &["A: type<A>"]),
    (Function::ToDyn, "dyn", &["A: dyn"]),
    (Function::ToBool, "bool", &["bool: bool", "string: bool"]),
    (Function::ToBytes, "bytes", &["bytes: bytes", "string: bytes"]),
    (Function::ToDouble, "double", &["double: double", "int: double", "string: double", "uint: double"]),
    (Function::ToDuration, "duration", &["duration: duration", "int: duration", "string: duration"]),
    (
        Function::ToInt,
        "int",
        &["int: int", "double: int", "duration: int", "string: int", "timestamp: int", "uint: int"],
    ),
    (
        Function::ToText,
        "string",
        &[
            "string: string",
            "bool: string",
            "bytes: string",
            "double: string",
            "duration: string",
            "int: string",
            "timestamp: string",
            "uint: string",
        ],
    ),
    (Function::ToTimestamp, "timestamp", &["timestamp: timestamp", "int: timestamp", "string: timestamp"]),
    (Function::ToUint, "uint", &["uint: uint", "double: uint", "int: uint", "string: uint"]),
    (Function::Contains, "contains", &["string. string: bool"]),
    (Function::EndsWith, "endsWith", &["string. string: bool"]),
    (Function::StartsWith, "startsWith", &["string. string: bool"]),
    (Function::Matches, "matches", &["string string: bool", "string. string: bool"]),
    (Function::Year, "getFullYear", CALENDAR),
    (Function::Month, "getMonth", CALENDAR),
    (Function::DayOfYear, "getDayOfYear", CALENDAR),
    (Function::DayOfMonth, "getDayOfMonth", CALENDAR),
    (Function::Date, "getDate", CALENDAR),
    (Function::DayOfWeek, "getDayOfWeek", CALENDAR),
    (Function::Hours, "getHours", CLOCK),
    (Function::Minutes, "getMinutes", CLOCK),
    (Function::Seconds, "getSeconds", CLOCK),
    (Function::Milliseconds, "getMilliseconds", CLOCK),
    (Function::OptionalOf, "optional.of", &["A: optional<A>"]),
    (Function::OptionalOfNonZero, "optional.ofNonZeroValue", &["A: optional<A>"]),
    (Function::OptionalNone, "optional.none", &[": optional<A>"]),
    (Function::OptionalValue, "value", &["optional<A>.: A"]),
    (Function::OptionalHasValue, "hasValue", &["optional<A>.: bool"]),
    (Function::OptionalOr, "or", &["optional<A>. optional<A>: optional<A>"]),
    (Function::OptionalOrValue, "orValue", &["optional<A>. A: A"]),
    (Function::InCidr, "in_cidr", &["ipaddress. string: bool"]),
    (Function::IsSubtreeOf, "isSubtreeOf", &["map<string,dyn>. map<string,dyn>: bool"]),
];

const ORDERED: &[&str] = &[
    "bool bool: bool",
    "int int: bool",
    "int double: bool",
    "int uint: bool",
    "uint uint: bool",
    "uint double: bool",
    "uint int: bool",
    "double double: bool",
    "double int: bool",
    "double uint: bool",
    "string string: bool",
    "bytes bytes: bool",
    "timestamp timestamp: bool",
    "duration duration: bool",
];
const CALENDAR: &[&str] = &["timestamp.: int", "timestamp. string: int"];
const CLOCK: &[&str] = &["timestamp.: int", "timestamp. string: int", "duration.: int"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Ternary,
    And,
    Or,
    Not,
    Equal,
    Unequal,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Negate,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Index,
    OptionalIndex,
    Size,
    TypeOf,
    ToDyn,
    ToBool,
    ToBytes,
    ToDouble,
    ToDuration,
    ToInt,
    ToText,
    ToTimestamp,
    ToUint,
    Contains,
    EndsWith,
    StartsWith,
    Matches,
    Year,
    Month,
    DayOfYear,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    OptionalOf,
    OptionalOfNonZero,
    OptionalNone,
    OptionalValue,
    OptionalHasValue,
    OptionalOr,
    OptionalOrValue,
    InCidr,
    IsSubtreeOf,
}

impl Function {
    /// Whether an evaluation goes by the one overload that the checker found, and refuses arguments
    /// that turn out to be of other types, rather than by the arguments alone.
    pub(super) fn keeps_to_overload(self) -> bool {
        matches!(
            self,
            Function::ToBool
                | Function::ToBytes
                | Function::ToDouble
                | Function::ToDuration
                | Function::ToInt
                | Function::ToText
                | Function::ToTimestamp
                | Function::ToUint
                | Function::IsSubtreeOf
        )
    }

    pub(super) fn compares(self) -> bool {
        matches!(self, Function::Less | Function::LessOrEqual | Function::Greater | Function::GreaterOrEqual)
    }
}

/// A type in the table: as [`super::types::Static`], but such that it may stand in a static.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Dyn,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    IpAddress,
    List(Box<Shape>),
    Map(Box<(Shape, Shape)>),
    Optional(Box<Shape>),
    Type(Box<Shape>),
    Variable(u32),
}

#[derive(Debug)]
pub(super) struct Overload {
    pub(super) method: bool,
    pub(super) arguments: Vec<Shape>,
    pub(super) result: Shape,
}

#[derive(Debug)]
pub(super) struct Declared {
    pub(super) function: Function,
    pub(super) overloads: Vec<Overload>,
}

/// How many variables a signature may use.
pub(super) const VARIABLES: u32 = 2;

static DECLARED: LazyLock<HashMap<&'static str, Declared>> = LazyLock::new(|| {
    TABLE
        .iter()
        .map(|(function, name, signatures)| {
            let overloads = signatures.iter().map(|signature| overload(signature)).collect();
            (*name, Declared { function: *function, overloads })
        })
        .collect()
});

/// The operator or function as messages name it.
pub(super) fn name_of(function: Function) -> &'static str {
    TABLE.iter().find(|(of, ..)| *of == function).map_or("", |(_, name, _)| *name)
}

pub(super) fn declared(name: &str) -> Option<&'static Declared> {
    DECLARED.get(name)
}

fn overload(signature: &str) -> Overload {
    let (arguments, result) = signature.split_once(": ").unwrap_or(("", signature));
    let method = arguments.split(' ').next().is_some_and(|first| first.ends_with('.'));
    let arguments = arguments.split(' ').filter(|argument| !argument.is_empty());
    let arguments = arguments.map(|argument| shape(argument.trim_end_matches('.'))).collect();
    Overload { method, arguments, result: shape(result) }
}

fn shape(text: &str) -> Shape {
    let inner = text.split_once('<').map_or("", |(_, rest)| rest.strip_suffix('>').unwrap_or(rest));
    match text.split('<').next().unwrap_or(text) {
        "bool" => Shape::Bool,
        "int" => Shape::Int,
        "uint" => Shape::Uint,
        "double" => Shape::Double,
        "string" => Shape::Text,
        "bytes" => Shape::Bytes,
        "duration" => Shape::Duration,
        "timestamp" => Shape::Timestamp,
        "ipaddress" => Shape::IpAddress,
        "list" => Shape::List(Box::new(shape(inner))),
        "map" => {
            let (key, value) = inner.split_once(',').unwrap_or((inner, ""));
            Shape::Map(Box::new((shape(key), shape(value))))
        }
        "optional" => Shape::Optional(Box::new(shape(inner))),
        "type" => Shape::Type(Box::new(shape(inner))),
        "A" => Shape::Variable(0),
        "B" => Shape::Variable(1),
        _ => Shape::Dyn,
    }
}
