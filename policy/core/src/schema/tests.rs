use proptest::prelude::*;

use super::parse::{self, Rule};
use super::*;

fn rule_of(text: &str) -> Rule {
    let source = format!("definition thing {{\n permission see = {text}\n}}");
    let mut tree = parse::parse(&source).unwrap();
    match tree.definitions.remove(0).members.remove(0).body {
        parse::Body::Permission { rule, .. } => rule,
        parse::Body::Relation(_) => panic!("a permission was written"),
    }
}

/// Fully bracketed, so that two rules are equal when they mean the same.
fn shown(rule: &Rule) -> String {
    let list = |rules: &[Rule], sign: &str| format!("({})", rules.iter().map(shown).collect::<Vec<_>>().join(sign));
    match rule {
        Rule::Nil => "nil".to_owned(),
        Rule::Itself => "self".to_owned(),
        Rule::Member(name, _) => name.clone(),
        Rule::Arrow { over, to, all: false, .. } => format!("{over}->{to}"),
        Rule::Arrow { over, to, all: true, .. } => format!("{over}.all({to})"),
        Rule::Union(rules) => list(rules, "+"),
        Rule::Intersection(rules) => list(rules, "&"),
        Rule::Exclusion(first, without) => format!("({}-{})", shown(first), list(without, ",")),
    }
}

#[test]
fn plus_binds_tightest_then_and_then_minus() {
    for (text, meaning) in [
        ("aaa + bbb & ccc", "((aaa+bbb)&ccc)"),
        ("aaa & bbb + ccc", "(aaa&(bbb+ccc))"),
        ("aaa - bbb + ccc", "(aaa-((bbb+ccc)))"),
        ("aaa & bbb - ccc", "((aaa&bbb)-(ccc))"),
        ("aaa - bbb & ccc", "(aaa-((bbb&ccc)))"),
        ("aaa - bbb - ccc", "(aaa-(bbb,ccc))"),
        ("aaa - (bbb - ccc)", "(aaa-((bbb-(ccc))))"),
        ("(aaa & bbb) + ccc", "((aaa&bbb)+ccc)"),
        ("aaa->bbb + nil", "(aaa->bbb+nil)"),
        ("aaa.any(bbb) & aaa.all(bbb)", "(aaa->bbb&aaa.all(bbb))"),
        ("self", "self"),
    ] {
        assert_eq!(shown(&rule_of(text)), meaning, "{text}");
    }
}

const USER: &str = "definition user {}\n";

fn fails(text: &str) -> SchemaError {
    Schema::parse(text).expect_err(text)
}

#[test]
fn statements_end_at_newlines_where_one_can_end() {
    for good in [
        "definition user {}",
        "definition user {} definition doc { relation own: user; permission see = own; }",
        "definition user {}\ndefinition doc {\n relation own: user |\n user:*\n\n permission see = own +\n own\n}\n",
        "definition user {} // the end\n/* of\n it */ definition doc {\n relation own: user // who\n permission see = (own)\n}",
        "definition user {}\ndefinition doc {\n relation self: user\n relation any: user\n permission all = self + any\n}",
        "definition user {}\ndefinition doc {\n relation expiration: user\n permission and = expiration\n}",
        "use expiration\nuse self\ndefinition user {}\ndefinition doc {\n relation own: user with expiration | user\n permission see = self - own\n}",
        "definition app/user {}\ndefinition doc {\n relation own: app/user#...;\n}",
    ] {
        Schema::parse(good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bad in [
        "definition user {}\ndefinition doc { relation own: user }",
        "definition user {}\ndefinition doc {\n relation own: user\n permission see = own\n + own\n}",
        "definition user {}\ndefinition doc {\n relation own: user permission see = own\n}",
        "definition user {}\ndefinition doc {\n relation own:\n}",
        "definition user {}\ndefinition doc {\n relation own: user\n permission see = own->own->own\n}",
        "definition user {}\ndefinition doc {\n relation own: user\n permission see = own.some(own)\n}",
        "definition user {}\ndefinition doc {\n relation own: user\n permission see =\n}",
        "definition user {}\nuse expiration\n",
        "use everything\n",
        "use expiration\ndefinition user {}\ndefinition doc {\n relation expiration: user\n}",
        "definition user",
        "definition user {} /* open",
        "relation own: user",
        "definition user {} %",
    ] {
        assert_eq!(fails(bad).fault, SchemaFault::Syntax, "{bad}: {}", fails(bad));
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (text, message) in [
        ("caveat old(age int) { age > 3 }", "caveats are not supported yet"),
        ("definition user {}\ndefinition doc {\n relation own: user with old\n}", "caveats are not supported yet"),
        ("use partial\n", "`use partial` is not supported"),
        ("import \"other.zed\"", "`import` is not supported"),
        (
            "use expiration\ndefinition user {}\ndefinition doc {\n relation own: user with expiration and old\n}",
            "the caveat must come before `expiration`",
        ),
    ] {
        assert_eq!(fails(text).message, message);
    }
}

#[test]
fn names_and_types_must_fit_together() {
    for (body, part) in [
        ("relation own: nobody", "no definition `nobody`"),
        ("relation own: user#member", "no relation or permission `member` in `user`"),
        ("relation own: user | user", "allowed twice"),
        ("relation own: user\nrelation own: user", "two relations or permissions `own`"),
        ("permission see = nothing", "no relation or permission `nothing` in `doc`"),
        ("permission see = own->see", "no relation or permission `own` in `doc`"),
        ("relation own: user\npermission see = own\npermission more = see->own", "starts from a relation"),
        ("relation own: user:*\npermission see = own->own", "an arrow cannot walk it"),
        ("relation all_of: user:*\nrelation own: doc#all_of", "which allows everyone"),
        ("relation own: user with expiration", "expiry needs `use expiration`"),
        ("permission one = two\npermission two = one", "rests on itself"),
        ("permission one = one", "rests on itself"),
        ("relation no: user", "cannot name a relation"),
        ("relation own_: user", "cannot name a relation"),
        ("relation Own: user", "cannot name a relation"),
    ] {
        let error = fails(&format!("{USER}definition doc {{\n{body}\n}}"));
        assert_eq!(error.fault, SchemaFault::Types, "{body}: {error}");
        assert!(error.message.contains(part), "{body}: {error}");
    }
    assert!(fails("definition user {}\ndefinition user {}").message.contains("two definitions"));
    assert!(fails("definition us {}").message.contains("cannot name a definition"));
    assert!(fails(&format!("definition {} {{}}", "a".repeat(65))).message.contains("cannot name"));
    Schema::parse(&format!("definition {} {{}}", "a".repeat(64))).unwrap();
}

#[test]
fn a_permission_over_everyone_may_be_included_and_an_unknown_arrow_target_is_nobody() {
    Schema::parse(&format!(
        "{USER}definition doc {{\nrelation all_of: user:*\npermission see = all_of\nrelation own: doc#see\npermission nowhere = own->missing\n}}"
    ))
    .unwrap();
}

#[test]
fn an_annotation_names_every_type_under_typechecking() {
    let text = |types: &str| {
        format!(
            "use typechecking\n{USER}definition group {{\nrelation member: user\n}}\ndefinition doc {{\nrelation own: user | group\npermission see: {types} = own\n}}"
        )
    };
    Schema::parse(&text("user | group")).unwrap();
    assert!(fails(&text("user")).message.contains("incomplete"));
    assert!(fails(&text("user | nobody")).message.contains("no definition"));
    Schema::parse(&text("user").replace("use typechecking\n", "")).unwrap();
}

#[test]
fn errors_say_where() {
    let error = fails("definition user {}\ndefinition doc {\n  relation own: nobody\n}");
    assert_eq!((error.line, error.column), (3, 17));
    assert_eq!(error.to_string(), "line 3, column 17: there is no definition `nobody`");
    let error = fails("definition doc {\n  permission see = (nil\n}");
    assert_eq!((error.line, error.column), (2, 24));
}

#[test]
fn deep_parentheses_are_refused_and_long_chains_are_not() {
    let deep = |n: usize| format!("definition doc {{\npermission see = {}nil{}\n}}", "(".repeat(n), ")".repeat(n));
    Schema::parse(&deep(parse::MAX_NESTING)).unwrap();
    for n in [parse::MAX_NESTING + 1, 10_000] {
        assert!(fails(&deep(n)).message.contains("nest deeper"));
    }
    for sign in ["+", "&", "-"] {
        let chain = vec!["nil"; 50_000].join(sign);
        Schema::parse(&format!("definition doc {{\npermission see = {chain}\n}}")).unwrap();
    }
    assert!(fails(&" ".repeat(MAX_SCHEMA_BYTES + 1)).message.contains("longer"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = Schema::parse(&text);
    }

    #[test]
    fn no_row_of_tokens_makes_the_parser_panic(words in proptest::collection::vec(
        prop_oneof![
            Just("definition"), Just("relation"), Just("permission"), Just("use"), Just("expiration"), Just("self"),
            Just("typechecking"), Just("nil"), Just("with"), Just("user"), Just("own"), Just("{"), Just("}"), Just("("),
            Just(")"), Just(":"), Just("*"), Just("#"), Just("->"), Just("-"), Just("+"), Just("&"), Just("="), Just("|"),
            Just("\n"), Just(";"), Just("..."), Just(".any("), Just("/"), Just("//"), Just("/*"), Just("caveat"), Just("\"")
        ], 0..60)) {
        let _ = Schema::parse(&words.join(" "));
        let _ = Schema::parse(&format!("definition user {{}}\ndefinition doc {{\nrelation own: user\n{}", words.join(" ")));
    }
}
