//! Every row but where said otherwise is what SpiceDB 1.54.0 shows.

use super::super::parse::parse;
use super::{Expr, format};

fn formatted(text: &str) -> String {
    format(&parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

#[test]
fn an_expression_is_written_in_normal_form() {
    for (text, expected) in [
        ("a==1", "a == 1"),
        ("  ( ( a ) )", "a"),
        ("a // comment\n == b", "a == b"),
        // Parentheses where precedence needs them.
        ("(a+b)*c - (d - e) - f", "(a + b) * c - (d - e) - f"),
        ("a+(b*c)", "a + b * c"),
        ("(a - b) - c", "a - b - c"),
        ("a&&(b&&c)||(d||e)&&f", "a && b && c || (d || e) && f"),
        ("(a == b) == (c in d)", "a == b == (c in d)"),
        ("!(a && b) || !(!c)", "!(a && b) || !!c"),
        ("!!a && !(f(x))", "a && !f(x)"),
        ("!(a[0]) && !(f(x, y)) && !(a.f(x))", "!(a[0]) && !(f(x, y)) && !a.f(x)"),
        ("-(a + 1) - -1 - (-a)", "-(a + 1) - -1 - -a"),
        ("(a ? b : c) ? (d && e) : (f ? g : h)", "(a ? b : c) ? (d && e) : (f ? g : h)"),
        ("a == 1 ? b : !c", "(a == 1) ? b : !c"),
        ("(a + b).f() + (a ? b : c)[0] + (a[0]).g", "(a + b).f() + (a ? b : c)[0] + a[0].g"),
        // Selections, optional ones, lists and maps.
        ("a . b [ 'c' ] . ?d [ ? 0 ]", "a.b[\"c\"].?d[?0]"),
        ("[1,2,?a]+[]", "[1, 2, ?a] + []"),
        ("{'a':1,?'b':c}", "{\"a\": 1, ?\"b\": c}"),
        ("has( a.b.c )", "has(a.b.c)"),
        // Macros.
        ("l.all(x,x>1)&&!l.exists(x,(x>1))", "l.all(x, x > 1) && !l.exists(x, x > 1)"),
        ("l.map(x,x>0,x*2).filter(x,(a||b))", "l.map(x, x > 0, x * 2).filter(x, a || b)"),
        ("(l + l).exists_one(x, x == 1)", "(l + l).exists_one(x, x == 1)"),
        ("m.?a.optMap(x, x + 1).orValue(2)", "(m.?a.optMap(x, x + 1)).orValue(2)"),
        ("m.?a.optMap(x, x).optMap(y, y)", "m.?a.optMap(x, x).optMap(y, y)"),
        // Literals.
        ("0x1F + - 1 + 5u", "31 + -1 + 5u"),
        ("1.0 + .5 + 100000.0 + 0.0001 + 1.5e7 + 2.5E-9", "1.0 + 0.5 + 100000.0 + 0.0001 + 1.5e+07 + 2.5e-09"),
        ("true != false || null == null", "true != false || null == null"),
        ("'it' + \"it's\" + r'a\\b'", "\"it\" + \"it's\" + \"a\\\\b\""),
        ("'\\t\\n\\r\\a\\x01\\u00e9\\u200b\\U0001f600'", "\"\\t\\n\\r\\a\\x01\u{e9}\\u200b\u{1f600}\""),
        ("b'a\\xff\\x00'", "b\"\\141\\377\\000\""),
    ] {
        assert_eq!(formatted(text), expected, "{text}");
    }
}

#[test]
fn what_spicedb_writes_unreadably_is_written_readably() {
    // SpiceDB writes `1e+06.0` and `"\""`; its schemas take neither.
    for (text, expected) in
        [("1e6", "1.0e+06"), ("0.00001", "1.0e-05"), ("1e100", "1.0e+100"), ("'say \"x\"'", "\"say \\x22x\\x22\"")]
    {
        assert_eq!(formatted(text), expected, "{text}");
    }
}

#[test]
fn long_lines_break_behind_logical_operators() {
    let name = "a_name_of_twenty_six_signs";
    let line = [name; 3].join(" && ");
    assert_eq!(formatted(&[name; 8].join("&&")), format!("{line} &&\n{line} &&\n{name} && {name}"));
    assert_eq!(formatted(&[name; 4].join("+")), [name; 4].join(" + "));
}

#[test]
fn what_is_written_reads_as_the_same() {
    for text in [
        "a + (b - c) * -d / (e % f) == g && (h || i) ? j : (k ? l : m)",
        "l.map(x, x + 1).filter(y, y in [1, 2.5e+09, 3u]).size() > {'a': b'\\377'}.a",
        "'\\x22' + \"'\" == s || !(a[b ? c : d].e(f, g))",
    ] {
        let once = formatted(text);
        assert_eq!(formatted(&once), once, "{text}");
    }
}

#[test]
fn deep_expressions_are_no_trouble() {
    let on_a_stack = |size, run: fn(Expr) -> Expr, deep| {
        let thread = std::thread::Builder::new().stack_size(size).spawn(move || run(deep)).unwrap();
        thread.join().unwrap()
    };
    let parsed = |_| parse(&format!("{}a{}", "(a && (b || ".repeat(100), "))".repeat(100))).unwrap();
    let deep = on_a_stack(16 << 20, parsed, parse("a").unwrap());
    let written = |deep: Expr| {
        assert_eq!(format(&deep).matches("&&").count(), 100);
        deep
    };
    on_a_stack(256 << 10, written, deep);
}
