//! What is of the language, and what it means.

use super::*;

/// Fully bracketed, so that two rules are equal when they mean the same.
fn shown(schema: &Schema, rule: &Rule) -> String {
    let list = |rules: &[Rule], sign: &str| {
        format!("({})", rules.iter().map(|rule| shown(schema, rule)).collect::<Vec<_>>().join(sign))
    };
    let name = |member: MemberId| schema.member(member).name.clone();
    match rule {
        Rule::Nil => "nil".to_owned(),
        Rule::Itself => "self".to_owned(),
        Rule::Member(member) => name(*member),
        Rule::Arrow { over, to, all } => {
            let to: Vec<String> = to.iter().map(|(_, member)| name(*member)).collect();
            format!("{}{}{}", name(*over), if *all { ".all " } else { "->" }, to.join(","))
        }
        Rule::Union(rules) => list(rules, "+"),
        Rule::Intersection(rules) => list(rules, "&"),
        Rule::Exclusion(first, without) => format!("({}-{})", shown(schema, first), list(without, ",")),
    }
}

fn meaning(expression: &str) -> String {
    let names = ["aaa", "bbb", "ccc"].map(|name| format!(" relation {name}: doc\n")).concat();
    let schema = reads(&format!("use self\ndefinition doc {{\n{names} permission see = {expression}\n}}"));
    let see = schema.member_of(DefinitionId(0), "see").unwrap();
    match &schema.member(see).body {
        Body::Permission(rule) => shown(&schema, rule),
        Body::Relation(_) => panic!("a permission was written"),
    }
}

#[test]
fn plus_binds_tightest_then_and_then_minus() {
    for (text, expected) in [
        ("aaa + bbb & ccc", "((aaa+bbb)&ccc)"),
        ("aaa & bbb + ccc", "(aaa&(bbb+ccc))"),
        ("aaa - bbb + ccc", "(aaa-((bbb+ccc)))"),
        ("aaa & bbb - ccc", "((aaa&bbb)-(ccc))"),
        ("aaa - bbb & ccc", "(aaa-((bbb&ccc)))"),
        ("aaa - bbb - ccc", "(aaa-(bbb,ccc))"),
        ("(aaa - bbb) - ccc", "(aaa-(bbb,ccc))"),
        ("aaa - (bbb - ccc)", "(aaa-((bbb-(ccc))))"),
        ("(aaa & bbb) + ccc", "((aaa&bbb)+ccc)"),
        ("aaa + (bbb + (ccc + nil))", "(aaa+bbb+ccc+nil)"),
        ("(aaa & bbb) & (ccc & nil)", "(aaa&bbb&ccc&nil)"),
        ("((((aaa))))", "aaa"),
        ("aaa->bbb + nil", "(aaa->bbb+nil)"),
        ("aaa.any(bbb) & aaa.all(bbb)", "(aaa->bbb&aaa.all bbb)"),
        ("aaa->nowhere", "aaa->"),
        ("self - aaa", "(self-(aaa))"),
        ("aaa+bbb-\n  ccc", "((aaa+bbb)-(ccc))"),
    ] {
        assert_eq!(meaning(text), expected, "{text}");
    }
}

#[test]
fn statements_end_at_newlines_where_one_can_end() {
    for text in [
        "",
        "\n\n// nothing\n",
        "definition user {}",
        "definition user {}definition doc {}",
        "definition foo { ; ; }",
        "definition foo {\r\n relation abc: foo\r\n}\r\n",
        "definition user {} definition doc { relation own: user; permission see = own; }",
        "definition user {}\ndefinition doc {\n relation own: user |\n user:*\n\n permission see = own +\n own\n}\n",
        "definition user {} // the end\n/* of\n it */ definition doc {\n relation own: user // who\n permission see = (own)\n}",
        "definition app/user {}\ndefinition doc {\n relation own: app/user#...;\n}",
        "use self use partial\ndefinition user {}",
        "use expiration\nuse expiration\ndefinition user {}",
    ] {
        reads(text);
    }
}

#[test]
fn words_are_keywords_only_under_their_flag() {
    let words = ["expiration", "and", "typechecking", "self", "partial", "import", "use", "any", "all"];
    let relations: String = words.iter().map(|word| format!(" relation {word}: doc\n")).collect();
    reads(&format!("definition doc {{\n{relations}}}"));
    for (flag, taken) in [
        ("expiration", &["expiration", "and"][..]),
        ("typechecking", &["typechecking"]),
        ("self", &["self"]),
        ("partial", &["partial"]),
        ("import", &["import"]),
    ] {
        for word in words {
            let read = Schema::parse(&format!("use {flag}\ndefinition doc {{\n relation {word}: doc\n}}"));
            assert_eq!(read.is_err(), taken.contains(&word), "{word} under {flag}");
        }
    }
    // Without the flag `self` is a name.
    assert!(fails("definition doc {\n permission see = self\n}").message.contains("`self` not found"));
    // `use` is a keyword nowhere, and after `use` a word that is no flag uses it up.
    let text = "use use self\ndefinition doc {\n relation self: doc\n}";
    assert!(fails(text).message.starts_with("Unknown use flag: `use`"));
}

#[test]
fn every_form_of_subject_is_told_apart() {
    let schema = reads(
        "use expiration\ncaveat old(age int) { age > 3 }\ndefinition user {}\ndefinition group {\n relation member: user\n}\n\
         definition doc {\n relation own: user | user:* | group#member | user with old | user with expiration | \
         user with old and expiration | group#...;\n}",
    );
    let doc = schema.definition("doc").unwrap();
    let own = schema.member_of(doc, "own").unwrap();
    let Body::Relation(types) = &schema.member(own).body else { panic!("a relation was written") };
    let (user, group) = (schema.definition("user").unwrap(), schema.definition("group").unwrap());
    let old = schema.caveat_named("old");
    assert_eq!(schema.caveat(old.unwrap()).name(), "old");
    let member = Form::Members(schema.member_of(group, "member").unwrap());
    let allowed = |definition, form, caveat, expires| Allowed { definition, form, caveat, expires };
    assert_eq!(
        *types,
        [
            allowed(user, Form::Object, None, false),
            allowed(user, Form::Everyone, None, false),
            allowed(group, member, None, false),
            allowed(user, Form::Object, old, false),
            allowed(user, Form::Object, None, true),
            allowed(user, Form::Object, old, true),
            allowed(group, Form::Object, None, false),
        ]
    );
    assert_eq!(schema.definition_count(), 3);
}

#[test]
fn a_schema_remembers_its_text() {
    let text = "definition   user{}  // kept\n";
    assert_eq!(reads(text).text(), text);
}

#[test]
fn strings_and_characters_are_read_as_spicedb_reads_them() {
    // A string ends at its quote, backslash or not, and three single quotes end at three double ones.
    for (text, fits) in [
        (r#"use import import "a\" definition user {}"#, true),
        (r#"use import import 'a" definition user {}"#, false),
        ("use import import \"\"\"a\n\"b\"\"\" definition user {}", true),
        ("use import import '''a''' definition user {}", false),
        ("use import import '''a\"\"\" definition user {}", true),
        ("use import import \"a\rb\" definition user {}", false),
    ] {
        let imported = fails(text).message.starts_with("import statements");
        assert_eq!(imported, fits, "{text}");
    }
    // Letters and decimal digits of any script make words; other signs and digits do not.
    for (word, is_word) in [("\u{e9}t\u{e9}", true), ("\u{667}", true), ("\u{b2}", false), ("a\u{301}", false)] {
        let name = fails(&format!("definition {word} {{}}"));
        assert_eq!(name.message.starts_with("error in object definition"), is_word, "{word}: {name}");
    }
}
