//! What expressions come to when parameters lack values. Each answer is SpiceDB 1.54's own.

use std::collections::BTreeSet;

use super::{context, parameters, values};
use crate::cel::{Outcome, Program};

#[test]
fn what_is_missing_is_unknown() {
    // The expression; the parameters that have a value; the outcome, or the names that it waits for.
    let table = [
        ("a == 5 && b == 7", "a", "? b"),
        ("a == 5 || b == 1", "b", "? a"),
        ("a == 1 && b == 7", "", "? a b"),
        ("a == 5 || b == 7", "", "? a b"),
        ("a + b > 47", "", "? a"),
        ("a + b > 47", "a", "? b"),
        ("a < 10 && (b < 10 || z)", "a", "? b z"),
        ("z ? a == 5 : b == 7", "z", "? a"),
        ("z ? a == 5 : b == 7", "a", "? z"),
        ("z ? a == 5 : b == 7", "", "? z"),
        ("!z", "", "? z"),
        ("m.k == 1", "", "? m"),
        ("m[s] == 1", "m", "? s"),
        ("m[s] == 1", "s", "? m"),
        ("m[s].k == 1", "m", "? s"),
        ("m[1 / a == 0 ? s : t] == 1", "s", "? m"),
        ("m[s + string(1 / 0)] == 1", "", "? m"),
        ("has(m.k)", "", "? m"),
        ("has(m[s].k)", "m", "true"),
        ("has(m[?s].k)", "m", "? s"),
        ("l.all(i, i > a)", "l", "? a"),
        ("l.all(i, i > a)", "a", "? l"),
        ("l.all(i, i > 2 && i > a)", "l", "false"),
        ("l.exists(i, i == 2 || i > a)", "l", "true"),
        ("l.exists_one(i, i > a)", "l", "? a"),
        ("l.exists_one(i, i == 3 ? true : i > a)", "l", "? a"),
        ("l.map(i, i + a).size() == 3", "l", "? a"),
        ("l.filter(i, i > a).size() == 0", "l", "? a"),
        ("l.filter(i, i > 1 || i > a).size() == 3", "l", "? a"),
        ("[1, 2].all(a, a > 0)", "", "? a"),
        ("[1, 2].all(a, a > 0)", "a", "true"),
        ("[1, 2].all(a, true)", "", "true"),
        ("[1, 2].filter(a, true).size() == 2", "", "? a"),
        ("[1, 2].map(a, 1).size() == 2", "", "true"),
        ("[a, b].all(i, i > 0)", "b", "? a"),
        (r#"{"k": a}.k == 5"#, "", "? a"),
        ("a in l", "l", "? a"),
        ("a in l", "a", "? l"),
        ("1 / 0 == 1 || a == 5", "", "? a"),
        ("1 / 0 == 1 && a == 5", "", "? a"),
        ("a == 5 || 1 / 0 == 1", "", "? a"),
        ("a / 0 == 1", "", "? a"),
        ("m.?k.orValue(1.0) == 1.0", "", "? m"),
        ("m[?s].orValue(1.0) == 1.0", "m", "? s"),
        ("optional.of(a).orValue(1) == 5", "", "? a"),
        ("optional.none().orValue(a) == 5", "", "? a"),
        ("optional.of(1).orValue(a) == 1", "", "true"),
        ("m.?k.optMap(a, a == 1.0).orValue(false)", "m", "? a"),
        ("m.isSubtreeOf(mi)", "m", "? mi"),
        (r#"{"k": 1}.isSubtreeOf(m)"#, "", "? m"),
        ("ip.in_cidr(s)", "ip", "? s"),
        ("s.matches(t)", "s", "? t"),
        ("a == b", "a", "? b"),
        ("a == b", "b", "? a"),
        ("(z ? m : mm.q).k == 1", "m", "? z"),
        ("(z ? m : mm.q).k == 1", "z", "? m"),
        ("true || a == 5", "", "true"),
        ("false && a == 5", "", "false"),
        ("[z, true].exists(i, i)", "", "? z"),
        ("size(l) > 0 && l[0] == a", "l", "? a"),
        ("dyn(1) && z", "", "? z"),
        ("(a == 5 || b == 7) && (d == 2.5 || z)", "b", "? d z"),
        ("ts < ts2 || a == 5", "ts", "? a ts2"),
    ];
    for (text, given, expected) in table {
        let program = Program::compile(text, &parameters()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut context = context();
        context.retain(|name, _| given.split(' ').any(|given| given == name));
        let outcome = program.evaluate(&values(&context));
        let names = |expected: &str| expected.split(' ').skip(1).map(str::to_owned).collect::<BTreeSet<_>>();
        let good = match (&outcome, expected) {
            (Outcome::True, "true") | (Outcome::False, "false") | (Outcome::Failed(_), "fails") => true,
            (Outcome::Missing(missing), expected) => expected.starts_with("? ") && *missing == names(expected),
            _ => false,
        };
        assert!(good, "{text} with {given}: {outcome:?}, not {expected}");
    }
}
