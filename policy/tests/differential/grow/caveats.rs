//! Random caveats and the values that they read.

use policy_core::Context;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::world::CaveatModel;

/// Parameters that caveats choose from. Caveats share names, so that one request speaks to several.
pub const PARAMETERS: &[(&str, &str)] = &[
    ("count", "int"),
    ("limit", "int"),
    ("level", "uint"),
    ("ratio", "double"),
    ("name", "string"),
    ("city", "string"),
    ("flag", "bool"),
    ("nums", "list<int>"),
    ("tags", "list<string>"),
    ("labels", "map<string>"),
    ("scores", "map<int>"),
    ("now", "timestamp"),
    ("born", "timestamp"),
    ("span", "duration"),
    ("addr", "ipaddress"),
    ("thing", "any"),
    ("raw", "bytes"),
];

const WORDS: &[&str] = &["a", "b", "ab", "xyz", ""];
const KEYS: &[&str] = &["a", "b", "key"];
const INSTANTS: &[&str] =
    &["2024-01-01T00:00:00Z", "2024-06-30T23:59:59.5Z", "2030-01-01T10:00:00+02:00", "1999-12-31T12:30:00-05:00"];
const SPANS: &[&str] = &["30m", "1h", "90s", "1h30m", "-5m", "1.5s"];
const ADDRESSES: &[&str] = &["10.1.2.3", "192.168.0.1", "127.0.0.1", "::1", "2001:db8::1"];
const NETWORKS: &[&str] = &["10.0.0.0/8", "192.168.0.0/16", "0.0.0.0/0", "2001:db8::/32", "10.1.2.3/32"];
const SIGNS: &[&str] = &["<", "<=", ">", ">=", "==", "!="];

/// One to four parameters and an expression that reads each of them.
pub fn caveat(dice: &mut Dice, name: &str, faults: bool) -> CaveatModel {
    let count = dice.between(1, 4);
    let chosen = dice.some(PARAMETERS.to_vec(), count);
    let mut terms: Vec<String> = chosen.iter().map(|parameter| atom(dice, *parameter, &chosen, faults)).collect();
    for _ in 0..dice.below(3) {
        let parameter = *dice.pick(&chosen);
        terms.push(atom(dice, parameter, &chosen, faults));
    }
    dice.shuffle(&mut terms);
    while terms.len() > 1 {
        let (a, b) = (terms.swap_remove(0), terms.swap_remove(0));
        terms.push(match dice.below(10) {
            0..=3 => format!("({a} && {b})"),
            4..=7 => format!("({a} || {b})"),
            8 => format!("({a} ? {b} : {})", dice.pick(&["true", "false", "!(1 == 1)"])),
            _ => format!("!({a} && {b})"),
        });
    }
    let parameters = chosen.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect();
    CaveatModel { name: name.to_owned(), parameters, expression: terms.remove(0) }
}

/// A condition over one parameter, perhaps with another of the same caveat.
fn atom(dice: &mut Dice, (name, kind): (&str, &str), all: &[(&str, &str)], faults: bool) -> String {
    let other = all.iter().find(|(other, of)| *of == kind && *other != name).map(|(other, _)| *other);
    let (n, m) = (dice.below(6), dice.below(6));
    let sign = *dice.pick(SIGNS);
    let word = *dice.pick(WORDS);
    let key = *dice.pick(KEYS);
    let fault = faults && dice.chance(25);
    match kind {
        // A parameter of this type has values of CEL's uint where the check of types sees an int: only comparisons work.
        "uint" => match dice.below(3) {
            _ if fault => format!("{name} + {n} {sign} {m}"),
            0 => format!("{name} in [{n}, {m}]"),
            _ => format!("{name} {sign} {n}"),
        },
        "int" => match dice.below(9) {
            _ if fault => format!("{m} / {name} {sign} 1"),
            0 | 1 if other.is_some() => format!("{name} {sign} {}", other.unwrap_or("0")),
            2 => format!("{name} + {n} {sign} {m}"),
            3 => format!("{name} % 2 == {}", n % 2),
            4 => format!("{name} in [{n}, {m}]"),
            5 => format!("({name} * 2 - {n}) {sign} {m}"),
            6 => format!("string({name}) == \"{n}\""),
            _ => format!("{name} {sign} {n}"),
        },
        "double" => match dice.below(3) {
            0 => format!("{name} * 2.0 {sign} {n}.0"),
            1 => format!("int({name}) {sign} {n}"),
            _ => format!("{name} {sign} {n}.5"),
        },
        "string" => match dice.below(10) {
            _ if fault => format!("int({name}) {sign} {n}"),
            0 => format!("{name}.startsWith(\"{word}\")"),
            1 => format!("{name}.endsWith(\"{word}\")"),
            2 => format!("{name}.contains(\"{word}\")"),
            3 => format!("size({name}) {sign} {}", n % 3),
            4 => format!("{name} in [\"{word}\", 'b']"),
            5 => format!("{name} + \"b\" == \"{word}b\""),
            6 if other.is_some() => format!("{name} == {}", other.unwrap_or("''")),
            7 => format!("{name}.matches(\"^a+\")"),
            _ => format!("{name} {sign} \"{word}\""),
        },
        "bool" => (*dice.pick(&["flag", "!flag", "flag == true", "(flag ? 1 : 2) == 2"])).to_owned(),
        "list<int>" => match dice.below(8) {
            _ if fault => format!("{name}[{}] {sign} {m}", n % 3),
            0 => format!("{name}.exists(x, x {sign} {n})"),
            1 => format!("{name}.all(x, x {sign} {n})"),
            2 => format!("{name}.exists_one(x, x == {n})"),
            3 => format!("size({name}) {sign} {}", n % 4),
            4 => format!("{name}.filter(x, x > {n}).size() == {}", m % 3),
            5 => format!("{name}.map(x, x * 2).exists(y, y == {n})"),
            6 => format!("(size({name}) > 0 && {name}[0] {sign} {n})"),
            _ => format!("{n} in {name}"),
        },
        "list<string>" => match dice.below(5) {
            0 => format!("{name}.exists(t, t.startsWith(\"{word}\"))"),
            1 => format!("{name} == [\"{word}\"]"),
            2 => format!("{name}.all(t, t in [\"a\", \"b\"])"),
            3 => format!("size({name} + [\"a\"]) {sign} {}", n % 4),
            _ => format!("\"{word}\" in {name}"),
        },
        "map<string>" | "map<int>" => {
            let value = if kind == "map<int>" { n.to_string() } else { format!("\"{word}\"") };
            match dice.below(7) {
                _ if fault => format!("{name}.{key} == {value}"),
                0 => format!("has({name}.{key})"),
                1 => format!("(has({name}.{key}) && {name}.{key} == {value})"),
                2 => format!("(\"{key}\" in {name} && {name}[\"{key}\"] != {value})"),
                3 => format!("size({name}) {sign} {}", n % 3),
                4 => format!("{name}.exists(k, k == \"{key}\")"),
                5 => format!("{name}.all(k, {name}[k] != {value})"),
                _ => format!("\"{key}\" in {name}"),
            }
        }
        "timestamp" => {
            let instant = *dice.pick(INSTANTS);
            match dice.below(6) {
                0 | 1 if other.is_some() => format!("{name} {sign} {}", other.unwrap_or("now")),
                2 => format!("{name}.getFullYear() {sign} 2024"),
                3 => format!("{name}.getHours() {sign} 11"),
                4 => format!("{name} - timestamp(\"{instant}\") {sign} duration(\"1h\")"),
                5 => format!("{name} + duration(\"48h\") {sign} timestamp(\"{instant}\")"),
                _ => format!("{name} {sign} timestamp(\"{instant}\")"),
            }
        }
        "duration" => match dice.below(3) {
            0 => format!("{name}.getMinutes() {sign} {}", n * 15),
            1 => format!("{name} + duration(\"1m\") {sign} duration(\"1h\")"),
            _ => format!("{name} {sign} duration(\"{}\")", dice.pick(SPANS)),
        },
        "ipaddress" => format!("{name}.in_cidr(\"{}\")", dice.pick(NETWORKS)),
        "bytes" => match dice.below(2) {
            0 => format!("{name} == b\"{word}\""),
            _ => format!("size({name}) {sign} {}", n % 4),
        },
        _ => match dice.below(4) {
            0 => format!("{name} == {n}"),
            1 => format!("{name} == \"{word}\""),
            2 => format!("{name} != true"),
            _ => format!("{name} in [{n}, {m}]"),
        },
    }
}

/// Values for a random share of the caveats' parameters.
pub fn context(dice: &mut Dice, caveats: &[CaveatModel], percent: u32, faults: bool) -> Context {
    let mut context = Context::new();
    for (name, kind) in caveats.iter().flat_map(|caveat| &caveat.parameters) {
        if context.contains_key(name) || !dice.chance(percent) {
            continue;
        }
        let of = if faults && dice.chance(6) { dice.pick(PARAMETERS).1 } else { kind };
        context.insert(name.clone(), value(dice, of));
    }
    context
}

fn value(dice: &mut Dice, kind: &str) -> Value {
    match kind {
        "int" | "uint" if dice.chance(12) => json!(dice.below(6).to_string()),
        "int" if dice.chance(12) => dice
            .pick(&[json!(-3), json!(2.0), json!(1e3), json!("-1"), json!("1e2"), json!("9007199254740993")])
            .clone(),
        "int" | "uint" => json!(dice.below(6)),
        "double" => dice.pick(&[json!(0.5), json!(1), json!(2.5), json!(3.75), json!("1.5")]).clone(),
        "string" => json!(dice.pick(WORDS)),
        "bool" => json!(dice.chance(50)),
        "list<int>" => (0..dice.below(4)).map(|_| json!(dice.below(6))).collect(),
        "list<string>" => (0..dice.below(3)).map(|_| json!(dice.pick(WORDS))).collect(),
        "map<string>" => (0..dice.below(3)).map(|_| ((*dice.pick(KEYS)).to_owned(), json!(dice.pick(WORDS)))).collect(),
        "map<int>" => (0..dice.below(3)).map(|_| ((*dice.pick(KEYS)).to_owned(), json!(dice.below(6)))).collect(),
        "timestamp" => json!(dice.pick(INSTANTS)),
        "duration" => json!(dice.pick(SPANS)),
        "ipaddress" => json!(dice.pick(ADDRESSES)),
        "bytes" => json!(dice.pick(&["", "YQ==", "YWI=", "eHl6"])),
        _ => dice.pick(&[json!(1), json!("a"), json!(true), json!(null), json!([1, 2]), json!({"a": 1})]).clone(),
    }
}
