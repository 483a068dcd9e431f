//! Random expressions of the language of caveats, mostly well typed.

use crate::dice::Dice;
use crate::world::CaveatModel;

use super::caveats::PARAMETERS;

/// Types that expressions have; those of parameters among them.
const TYPES: &[&str] = &[
    "bool",
    "int",
    "double",
    "string",
    "bytes",
    "list<int>",
    "list<string>",
    "map<string>",
    "map<int>",
    "timestamp",
    "duration",
];
const COMPARISONS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
const ZONES: &[&str] = &["", "", "'UTC'", "'-05:00'", "'+02:30'"];

/// A caveat whose expression is grown by the grammar, from a few parameters, all of which it reads.
pub fn caveat(dice: &mut Dice, name: &str) -> CaveatModel {
    let count = dice.between(1, 3);
    let chosen = dice.some(PARAMETERS.to_vec(), count);
    let depth = dice.between(1, 4);
    let mut grower = Grower { dice, known: chosen.clone(), odd: 2 };
    let mut expression = grower.expression("bool", depth);
    for (name, kind) in &chosen {
        if !expression.contains(name) {
            let own = grower.reading(name, kind);
            let sign = if grower.dice.chance(50) { "&&" } else { "||" };
            expression = match grower.dice.chance(50) {
                true => format!("({expression}) {sign} {own}"),
                false => format!("{own} {sign} ({expression})"),
            };
        }
    }
    let parameters = chosen.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect();
    CaveatModel { name: name.to_owned(), parameters, expression }
}

struct Grower<'a> {
    dice: &'a mut Dice,
    /// Parameters, and what macros bring in.
    known: Vec<(&'static str, &'static str)>,
    /// In how many of 100 places another type stands than should.
    odd: u32,
}

impl Grower<'_> {
    /// A condition over one parameter.
    fn reading(&mut self, name: &str, kind: &str) -> String {
        match kind {
            "bool" => name.to_owned(),
            "ipaddress" => format!("{name}.in_cidr('10.0.0.0/8')"),
            "any" => format!("{name} == {}", self.literal("int")),
            "uint" => format!("{name} {} {}", self.dice.pick(COMPARISONS), self.literal("int")),
            kind => {
                let other = self.literal(kind);
                format!("{name} == {other}")
            }
        }
    }

    fn expression(&mut self, kind: &str, depth: usize) -> String {
        if self.dice.chance(self.odd) {
            let other = *self.dice.pick(TYPES);
            return self.expression_of(other, depth);
        }
        self.expression_of(kind, depth)
    }

    fn expression_of(&mut self, kind: &str, depth: usize) -> String {
        let known: Vec<&str> = self.known.iter().filter(|(_, of)| *of == kind).map(|(name, _)| *name).collect();
        if !known.is_empty() && self.dice.chance(if depth == 0 { 75 } else { 30 }) {
            return (*self.dice.pick(&known)).to_owned();
        }
        if depth == 0 {
            return self.literal(kind);
        }
        if self.dice.chance(8) {
            let (condition, a, b) = (self.sub("bool", depth), self.sub(kind, depth), self.sub(kind, depth));
            return format!("({condition} ? {a} : {b})");
        }
        match kind {
            "bool" => self.condition(depth),
            "int" => self.int(depth),
            "double" => self.double(depth),
            "string" => self.string(depth),
            "bytes" => match self.dice.below(2) {
                0 => format!("bytes({})", self.sub("string", depth)),
                _ => format!("({} + {})", self.sub("bytes", depth), self.sub("bytes", depth)),
            },
            "list<int>" | "list<string>" => self.list(kind, depth),
            "map<string>" | "map<int>" => {
                let of = element(kind);
                format!("{{{}: {}}}", self.sub("string", depth), self.sub(of, depth))
            }
            "timestamp" => match self.dice.below(3) {
                0 => format!("({} + {})", self.sub("timestamp", depth), self.sub("duration", depth)),
                1 => format!("({} - {})", self.sub("timestamp", depth), self.sub("duration", depth)),
                _ => format!("timestamp({})", self.sub("string", depth)),
            },
            "duration" => match self.dice.below(4) {
                0 => format!("({} - {})", self.sub("timestamp", depth), self.sub("timestamp", depth)),
                1 => format!("({} + {})", self.sub("duration", depth), self.sub("duration", depth)),
                2 => format!("({} - {})", self.sub("duration", depth), self.sub("duration", depth)),
                _ => format!("duration({})", self.sub("string", depth)),
            },
            other => self.literal(other),
        }
    }

    fn sub(&mut self, kind: &str, depth: usize) -> String {
        let less = self.dice.between(1, 2).min(depth);
        self.expression(kind, depth - less)
    }

    /// The name of a parameter of one of these types, and the type.
    fn parameter(&mut self, kinds: &[&str]) -> Option<(&'static str, &'static str)> {
        let known: Vec<_> = self.known.iter().filter(|(_, of)| kinds.contains(of)).copied().collect();
        if known.is_empty() { None } else { Some(*self.dice.pick(&known)) }
    }

    fn condition(&mut self, depth: usize) -> String {
        let of = *self.dice.pick(TYPES);
        match self.dice.below(22) {
            0..=2 => format!("({} && {})", self.sub("bool", depth), self.sub("bool", depth)),
            3..=5 => format!("({} || {})", self.sub("bool", depth), self.sub("bool", depth)),
            6 => format!("!({})", self.sub("bool", depth)),
            7..=9 => {
                let sign = *self.dice.pick(COMPARISONS);
                let sign = if of.contains('<') { "==" } else { sign };
                format!("({} {sign} {})", self.sub(of, depth), self.sub(of, depth))
            }
            10 => {
                let numbers = ["int", "double"];
                let (a, b) = (*self.dice.pick(&numbers), *self.dice.pick(&numbers));
                format!("({} {} {})", self.sub(a, depth), self.dice.pick(COMPARISONS), self.sub(b, depth))
            }
            11 => format!("({} in {})", self.sub("int", depth), self.sub("list<int>", depth)),
            12 => format!("({} in {})", self.sub("string", depth), self.sub("map<int>", depth)),
            13 => {
                let method = *self.dice.pick(&["startsWith", "endsWith", "contains"]);
                format!("{}.{method}({})", self.sub("string", depth), self.sub("string", depth))
            }
            14 => {
                let pattern =
                    *self.dice.pick(&["'^a'", "'b$'", "'[a-c]+'", "'(x|y)z?'", "'a{2}'", "'\\\\d'", "''", "'('"]);
                format!("{}.matches({pattern})", self.sub("string", depth))
            }
            15 | 16 => self.over_elements(depth),
            17 => match self.parameter(&["map<string>", "map<int>"]) {
                Some((name, _)) => format!("has({name}.{})", self.dice.pick(&["a", "b", "key"])),
                None => "true".to_owned(),
            },
            18 => match self.parameter(&["ipaddress"]) {
                Some((name, _)) => {
                    let networks =
                        ["'10.0.0.0/8'", "'::/0'", "'127.0.0.1/32'", "'10.1.2.3'", "'2001:db8::/31'", "name"];
                    format!("{name}.in_cidr({})", self.dice.pick(&networks))
                }
                None => "false".to_owned(),
            },
            19 => match self.parameter(&["map<string>", "map<int>"]) {
                Some((name, kind)) => {
                    let other = self.sub(kind, depth);
                    match self.dice.below(3) {
                        0 => format!("{name}.isSubtreeOf({other})"),
                        1 => format!("{other}.isSubtreeOf({name})"),
                        _ => format!(
                            "({name}.?a.orValue({}) == {})",
                            self.literal(element(kind)),
                            self.sub(element(kind), depth)
                        ),
                    }
                }
                None => format!("(type({}) == type({}))", self.sub(of, depth), self.sub("int", depth)),
            },
            20 => match self.parameter(&["any"]) {
                Some((name, _)) => match self.dice.below(5) {
                    0 => format!("({name} == {})", self.sub(of, depth)),
                    1 => format!("({name} {} {})", self.dice.pick(COMPARISONS), self.sub("int", depth)),
                    2 => format!(
                        "(type({name}) == {})",
                        self.dice.pick(&["int", "string", "bool", "list", "map", "double"])
                    ),
                    3 => format!("({name}.a == {})", self.sub("int", depth)),
                    _ => format!("has({name}.a)"),
                },
                None => format!("(dyn({}) == {})", self.sub(of, depth), self.sub("int", depth)),
            },
            _ => match self.parameter(&["uint"]) {
                Some((name, _)) => match self.dice.below(4) {
                    0 => format!("({name} + {} > 2)", self.sub("int", depth)),
                    1 => format!("(int({name}) % 2 == 0)"),
                    2 => format!("(string({name}) == '1')"),
                    _ => format!("({name} {} {})", self.dice.pick(COMPARISONS), self.sub("int", depth)),
                },
                None => format!("bool({})", self.sub("string", depth)),
            },
        }
    }

    /// A macro over a list or the keys of a map.
    fn over_elements(&mut self, depth: usize) -> String {
        let of = *self.dice.pick(&["list<int>", "list<string>", "map<string>", "map<int>"]);
        let range = self.sub(of, depth);
        let name = *self.dice.pick(&["x", "y", "count"]);
        self.known.push((name, if of.starts_with("list") { element(of) } else { "string" }));
        let body = self.sub("bool", depth);
        self.known.pop();
        let word = *self.dice.pick(&["all", "exists", "exists_one", "all", "exists"]);
        format!("{range}.{word}({name}, {body})")
    }

    fn int(&mut self, depth: usize) -> String {
        match self.dice.below(12) {
            0..=2 => {
                let sign = *self.dice.pick(&["+", "-", "*", "/", "%"]);
                format!("({} {sign} {})", self.sub("int", depth), self.sub("int", depth))
            }
            3 => format!("-({})", self.sub("int", depth)),
            4 => {
                let of = *self.dice.pick(&["string", "bytes", "list<int>", "list<string>", "map<int>"]);
                match self.dice.chance(50) {
                    true => format!("size({})", self.sub(of, depth)),
                    false => format!("({}).size()", self.sub(of, depth)),
                }
            }
            5 => {
                let of = *self.dice.pick(&["double", "string", "timestamp", "int"]);
                format!("int({})", self.sub(of, depth))
            }
            6 | 7 => {
                let part = *self.dice.pick(&[
                    "getFullYear",
                    "getMonth",
                    "getDate",
                    "getDayOfMonth",
                    "getDayOfWeek",
                    "getDayOfYear",
                    "getHours",
                    "getMinutes",
                    "getSeconds",
                    "getMilliseconds",
                ]);
                format!("({}).{part}({})", self.sub("timestamp", depth), self.dice.pick(ZONES))
            }
            8 => {
                let part = *self.dice.pick(&["getHours", "getMinutes", "getSeconds", "getMilliseconds"]);
                format!("({}).{part}()", self.sub("duration", depth))
            }
            9 => format!("{}[{}]", self.sub("list<int>", depth), self.sub("int", depth)),
            10 => format!("{}[{}]", self.sub("map<int>", depth), self.sub("string", depth)),
            _ => match self.parameter(&["map<int>"]) {
                Some((name, _)) => format!("{name}.{}", self.dice.pick(&["a", "b", "key"])),
                None => self.literal("int"),
            },
        }
    }

    fn double(&mut self, depth: usize) -> String {
        match self.dice.below(3) {
            0 => {
                let sign = *self.dice.pick(&["+", "-", "*", "/"]);
                format!("({} {sign} {})", self.sub("double", depth), self.sub("double", depth))
            }
            1 => {
                let of = *self.dice.pick(&["int", "string", "double"]);
                format!("double({})", self.sub(of, depth))
            }
            _ => format!("-({})", self.sub("double", depth)),
        }
    }

    fn string(&mut self, depth: usize) -> String {
        match self.dice.below(6) {
            0 => format!("({} + {})", self.sub("string", depth), self.sub("string", depth)),
            1 => {
                let of = *self.dice.pick(&["int", "double", "bool", "string", "bytes", "timestamp", "duration"]);
                format!("string({})", self.sub(of, depth))
            }
            2 => format!("{}[{}]", self.sub("list<string>", depth), self.sub("int", depth)),
            3 => format!("{}[{}]", self.sub("map<string>", depth), self.sub("string", depth)),
            _ => self.literal("string"),
        }
    }

    fn list(&mut self, kind: &str, depth: usize) -> String {
        let of = element(kind);
        match self.dice.below(4) {
            0 => {
                let items: Vec<String> = (0..self.dice.below(4)).map(|_| self.sub(of, depth)).collect();
                format!("[{}]", items.join(", "))
            }
            1 => format!("({} + {})", self.sub(kind, depth), self.sub(kind, depth)),
            2 => {
                let range = self.sub(kind, depth);
                self.known.push(("x", of));
                let body = self.sub("bool", depth);
                self.known.pop();
                format!("{range}.filter(x, {body})")
            }
            _ => {
                let from = *self.dice.pick(&["list<int>", "list<string>"]);
                let range = self.sub(from, depth);
                self.known.push(("x", element(from)));
                let body = self.sub(of, depth);
                let condition =
                    if self.dice.chance(30) { format!("{}, ", self.sub("bool", depth)) } else { String::new() };
                self.known.pop();
                format!("{range}.map(x, {condition}{body})")
            }
        }
    }

    fn literal(&mut self, kind: &str) -> String {
        let from: &[&str] = match kind {
            "bool" => &["true", "false"],
            "int" | "uint" => {
                &["0", "1", "2", "3", "5", "-1", "0x1F", "1000000", "9223372036854775807", "-9223372036854775808"]
            }
            "double" => &["0.0", "1.5", "2.5", "-0.5", "1e3", "2.5e-1", "3.75"],
            "string" => &[
                "\"\"",
                "'a'",
                "\"ab\"",
                "'xyz'",
                "\"b\"",
                "'1'",
                "\"\\u00e9\"",
                "'\\n'",
                "r'\\n'",
                "'''a'''",
                "\"true\"",
                "'2024-01-01T00:00:00Z'",
                "'1h30m'",
                "'1.5'",
                "'-1'",
            ],
            "bytes" => &["b''", "b'a'", "b\"ab\"", "b'\\x61'", "b'\\303\\251'"],
            "list<int>" => &["[]", "[1]", "[1, 2, 3]", "[5, 5]"],
            "list<string>" => &["[]", "['a']", "['a', 'b']", "['xyz', '']"],
            "map<string>" => &["{}", "{'a': 'a'}", "{'a': 'b', 'key': 'xyz'}"],
            "map<int>" => &["{}", "{'a': 1}", "{'a': 2, 'b': 5}"],
            "timestamp" => &[
                "timestamp('2024-01-01T00:00:00Z')",
                "timestamp('2024-06-30T23:59:59.5Z')",
                "timestamp('1999-12-31T12:30:00-05:00')",
                "timestamp('2030-01-01T10:00:00+02:00')",
            ],
            "duration" => {
                &["duration('1h')", "duration('90s')", "duration('-5m')", "duration('1.5s')", "duration('0s')"]
            }
            _ => &["null"],
        };
        (*self.dice.pick(from)).to_owned()
    }
}

/// What a list or map of a type holds.
fn element(kind: &str) -> &'static str {
    if kind.contains("int") { "int" } else { "string" }
}
