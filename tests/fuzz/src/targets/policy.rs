//! The language of schemas, caveats' expressions, relationships, validation files.

use std::collections::BTreeMap;

use ::policy::validation::ValidationFile;
use ::policy_core::cel::{Program, Type};
use ::policy_core::{Object, Schema, Subject, Tuple};

use crate::{Target, of_text, texts};

pub const SCHEMA: Target = Target {
    name: "policy-schema",
    run: |bytes| of_text(bytes, schema),
    seeds: || texts(&[include_str!("../../../../policy/schema.zed"), SMALL]),
    words: &[
        "definition",
        "relation",
        "permission",
        "caveat",
        "use expiration",
        "with",
        "and",
        "nil",
        "self",
        "->",
        ".any(",
        ".all(",
        "#",
        ":*",
        "|",
        "+",
        "&",
        "-",
        "(",
        ")",
        "{",
        "}",
        "/**",
        "*/",
        "//",
        "import",
        "partial",
        "_this",
    ],
};
pub const TOKEN: Target = Target {
    name: "token",
    run: |bytes| of_text(bytes, ::policy::fuzz::token),
    seeds: || ::policy::fuzz::tokens().into_iter().map(String::into_bytes).collect(),
    words: &["AQ", "AAAA", "=", "==", "/", "+", "Gh", "document:a#viewer@user:b"],
};
pub const EXPRESSION: Target = Target {
    name: "caveat-expression",
    run: |bytes| of_text(bytes, expression),
    seeds: || {
        texts(&[
            "n > 3 && s.startsWith(\"a\") || l.exists(x, x == n)",
            "m.map(k, k.size()).filter(x, x % 2 == 0) == [2, 4] ? true : t < timestamp(\"2026-01-01T00:00:00Z\")",
            "ip.in_cidr(\"10.0.0.0/8\") && s.matches(\"^(a|b)+$\") && duration(\"1h3m\") > d && 0x1f in [1u, 2.5e3]",
        ])
    },
    words: &[
        "has(",
        ".exists(",
        ".all(",
        ".map(",
        ".filter(",
        "in",
        "null",
        "true",
        "r\"\\",
        "b'\\x00'",
        "u",
        "e9",
        "0x",
        "&&",
        "||",
        "!",
        "?",
        ":",
        "==",
        "<=",
        "-9223372036854775808",
        "/",
        "%",
        "[",
        "]",
        "{",
        "}",
        ".getFullYear()",
        "timestamp(",
        "duration(",
        "matches(",
        "size(",
        "optional",
        "?.",
        "isSubtreeOf",
    ],
};
pub const RELATIONSHIP: Target = Target {
    name: "relationship",
    run: |bytes| of_text(bytes, relationship),
    seeds: || {
        texts(&[
            "document:one#viewer@user:alice",
            "document:one#viewer@group:all#member[only_at:{\"n\": 1}][expiration:2026-01-01T00:00:00Z]",
            "document:one#viewer@user:*",
        ])
    },
    words: &["#", "@", ":", "...", "*", "[", "]", "[expiration:", "{\"a\":", "/", "|", "\\"],
};
pub const VALIDATION: Target = Target {
    name: "validation-file",
    run: |bytes| of_text(bytes, |text| drop(ValidationFile::parse(text))),
    seeds: || {
        texts(&[
            include_str!("../../../../policy/tests/truth/caveat-tri-state.yaml"),
            include_str!("../../../../policy/tests/truth/usersets-nested.yaml"),
        ])
    },
    words: &[
        "schema: |-\n",
        "relationships: |-\n",
        "assertions:\n",
        "assertTrue:\n",
        "assertFalse:\n",
        "validation:\n",
        "  - ",
        "&a ",
        "*a",
        "<<: ",
        "? ",
        "!!str ",
        "|",
        ">",
        "%YAML",
        "---\n",
        "...\n",
        "{",
        "[",
    ],
};

const SMALL: &str = "use expiration\n/** a caveat */ caveat only_at(n int, l list<string>) { n > 1 && 'a' in l }\n\
    definition user {}\ndefinition document {\n  relation parent: document\n  relation viewer: user | user:* with only_at | \
    document#viewer with expiration\n  permission view = (viewer + parent->view) & viewer - parent.all(view)\n}";

fn schema(text: &str) {
    if let Ok(schema) = Schema::parse(text) {
        let written = schema.to_source();
        let again = Schema::parse(&written).unwrap_or_else(|error| panic!("{error} in what was written:\n{written}"));
        assert_eq!(again.to_source(), written);
    }
}

fn expression(text: &str) {
    let types = [
        ("n", Type::Int),
        ("s", Type::String),
        ("l", Type::List(Box::new(Type::Int))),
        ("m", Type::Map(Box::new(Type::String))),
        ("t", Type::Timestamp),
        ("d", Type::Duration),
        ("ip", Type::IpAddress),
    ];
    let parameters: Vec<(String, Type)> = types.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    if let Ok(program) = Program::compile(text, &parameters) {
        let _ = program.evaluate(&BTreeMap::new());
        let source = program.source().to_owned();
        assert!(Program::compile(&source, &parameters).is_ok(), "what was written is read: {source}");
    }
}

fn relationship(text: &str) {
    if let Ok(tuple) = text.parse::<Tuple>() {
        let written = tuple.to_string();
        // Its caveat and its end are not written beside it.
        let again = written.parse::<Tuple>().unwrap_or_else(|error| panic!("{error}: {written}"));
        assert_eq!(again.identity(), tuple.identity(), "{written}");
    }
    if let Ok(subject) = text.parse::<Subject>() {
        assert_eq!(subject.to_string().parse::<Subject>().as_ref(), Ok(&subject));
    }
    if let Ok(object) = text.parse::<Object>() {
        assert_eq!(object.to_string().parse::<Object>().as_ref(), Ok(&object));
    }
}
