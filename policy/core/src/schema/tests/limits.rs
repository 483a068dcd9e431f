//! Hostile texts: an answer or an error, in time that follows their length, on a small stack.

use proptest::prelude::*;

use super::*;

/// The stack of this thread is smaller than any that a server uses.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap();
    thread.join().unwrap();
}

fn permission(expression: &str) -> String {
    format!("use self\ndefinition doc {{\n relation own: doc\n permission see = {expression}\n}}")
}

#[test]
fn parentheses_that_say_nothing_do_not_nest() {
    on_a_small_stack(|| {
        for n in [10, 10_000, 500_000] {
            let text = permission(&format!("{}own{}", "(".repeat(n), ")".repeat(n)));
            assert_eq!(reads(&text).to_source(), reads(&permission("own")).to_source());
            fails(&permission(&"(".repeat(n)));
        }
    });
}

#[test]
fn operators_nest_so_deep_and_no_deeper() {
    let deep = |n: usize, sign: &str| permission(&format!("{}own{}", format!("(own {sign} ").repeat(n), ")".repeat(n)));
    on_a_small_stack(move || {
        for sign in ["+", "&", "-"] {
            reads(&deep(MAX_NESTING, sign));
            for n in [MAX_NESTING + 1, 10_000, 100_000] {
                let error = fails(&deep(n, sign));
                assert!(error.message.contains("nest deeper than 32"), "{error}");
            }
        }
        let types = |n: usize| format!("caveat foo(a {}int{}) {{ a == a }}", "list<".repeat(n), ">".repeat(n));
        reads(&types(16));
        assert!(fails(&types(10_000)).message.contains("nest deeper"));
    });
}

#[test]
fn long_rows_are_no_trouble() {
    on_a_small_stack(|| {
        for sign in [" + ", " & ", " - "] {
            let schema = reads(&permission(&vec!["own"; 50_000].join(sign)));
            // As it is written out, with a parenthesis for each operand of an exclusion, it is read again.
            let source = schema.to_source();
            assert_eq!(reads(&source).to_source(), source);
            assert!(fails(&permission(&vec!["Own"; 50_000].join(sign))).message.len() < 1_000_000);
        }
        let members: String =
            (0..20_000).map(|i| format!("relation rel{i}: doc#rel{i}x\n relation rel{i}x: doc\n")).collect();
        reads(&format!("definition doc {{\n{members}}}"));
        let types: String = (0..20_000).map(|i| format!("definition d{i}x {{}}\n")).collect();
        let row: Vec<String> = (0..20_000).map(|i| format!("d{i}x")).collect();
        reads(&format!("{types}definition doc {{\n relation own: {}\n}}", row.join(" | ")));
        let chain: String = (0..20_000).map(|i| format!(" permission per{i} = per{}\n", i + 1)).collect();
        reads(&format!("definition doc {{\n{chain} permission per20000 = nil\n}}"));
        let chain: String = (0..20_000).map(|i| format!(" relation rel{i}: doc#rel{}\n", i + 1)).collect();
        let text = format!("definition doc {{\n{chain} relation rel20000: doc\n permission see = rel0->see\n}}");
        reads(&text);
        assert!(fails(&text.replace("rel20000: doc", "rel20000: doc:*")).message.contains("includes wildcard"));
    });
}

#[test]
fn what_multiplies_is_bounded() {
    // Many arrows over a relation of many types.
    let types: String = (0..2_000).map(|i| format!("definition d{i}x {{}}\n")).collect();
    let row: Vec<String> = (0..2_000).map(|i| format!("d{i}x")).collect();
    let arrows: String = (0..2_000).map(|i| format!(" permission per{i} = own->see\n")).collect();
    let error = fails(&format!("{types}definition doc {{\n relation own: {}\n{arrows}}}", row.join(" | ")));
    assert!(error.message.contains("the arrows lead to more than"), "{error}");
    // Many annotations, each of a permission that leads far.
    let chain: String = (0..100).map(|i| format!(" permission per{i}: doc = per{}\n", i + 1)).collect();
    let text = format!("use typechecking\ndefinition doc {{\n{chain} permission per100 = nil\n}}");
    let compiled = compile::compile(error::Text(&text), parse::parse(&text).unwrap()).unwrap();
    let check = |steps| check::check_within(error::Text(&text), &compiled, steps);
    check(100 * 102).unwrap();
    assert!(check(100 * 102 - 1).unwrap_err().message.contains("too many steps"));
}

#[test]
fn a_schema_is_so_long_and_no_longer() {
    let user = "definition user {}";
    reads(&format!("{user}{}", " ".repeat(MAX_SCHEMA_BYTES - user.len())));
    for text in [" ".repeat(MAX_SCHEMA_BYTES + 1), "definition user {}\n".repeat(600_000)] {
        let error = fails(&text);
        assert_eq!(
            (error.fault, error.message.as_str()),
            (SchemaFault::Syntax, "the schema is longer than 4194304 bytes")
        );
    }
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
            Just("\n"), Just(";"), Just("..."), Just(".any("), Just("/"), Just("//"), Just("/*"), Just("caveat"),
            Just("\""), Just("'"), Just("partial"), Just("import"), Just("and"), Just("int"), Just("<"), Just(">"),
            Just(","), Just("\u{e9}"), Just("^")
        ], 0..60)) {
        let words = words.join(" ");
        let _ = Schema::parse(&words);
        let _ = Schema::parse(&format!("use partial use self use expiration\n{words}"));
        let _ = Schema::parse(&format!("{USER}definition doc {{\nrelation own: user\n{words}"));
        let _ = Schema::parse(&format!("caveat foo(a int) {{{words}"));
    }
}
