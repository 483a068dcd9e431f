//! A field outside the mask answers byte for byte as one that never existed, by every road.

use policy_core::{Documents, Predicate, Verb, Verbs};

use super::*;

/// The bytes that a caller gets for a request that is refused or answered here.
fn bytes(fixture: &Fixture, masks: &Masking, spelling: Spelling, request: &Request) -> String {
    match fixture.plan_with(masks, spelling, request) {
        Ok(Plan::Answer(data)) => String::from_utf8(data.to_vec()).unwrap(),
        Ok(other) => format!("{other:?}"),
        Err(errors) => String::from_utf8(GraphQlError::answer(&errors)).unwrap(),
    }
}

fn roads() -> Vec<Request> {
    let mut roads: Vec<Request> = [
        "{ Book { secret } }",
        "{ Book { title ...F } } fragment F on Book { secret }",
        "{ Author { books { secret } } }",
        "{ Book(filter: {secret: {_eq: 1}}) { title } }",
        "{ Book(filter: {_not: {secret: {_eq: 1}}}) { title } }",
        "{ Author(filter: {books: {secret: {_eq: 1}}}) { name } }",
        "{ Book(order: {secret: ASC}) { title } }",
        "{ Book(order: [{title: ASC}, {secret: ASC}]) { title } }",
        "{ SUM(Book: {field: secret}) }",
        "{ COUNT(Book: {filter: {secret: {_eq: 1}}}) }",
        "{ Author { SUM(books: {field: secret}) } }",
        "{ Book(groupBy: [secret]) { title } }",
        "{ Book(groupBy: [secret]) { secret } }",
        "{ Book(groupBy: [pages]) { MAX(GROUP: {field: secret}) } }",
        "{ Book { s: secret } a: Book(filter: {_alias: {s: {_eq: 1}}}) { s: secret } }",
        "mutation { add_Book(input: {title: \"a\", secret: 1}) { title } }",
        "mutation { update_Book(input: {secret: 1}) { title } }",
        "mutation { update_Book(input: {pages: 1}) { secret } }",
        "mutation { delete_Book(filter: {secret: {_eq: 1}}) { title } }",
        "mutation { upsert_Book(filter: {secret: {_eq: 1}}, add: {title: \"a\"}, update: {pages: 1}) { title } }",
    ]
    .into_iter()
    .map(Request::text)
    .collect();
    use serde_json::json;
    roads.extend([
        with_variables("query($f: BookFilterArg) { Book(filter: $f) { title } }", json!({"f": {"secret": {"_eq": 1}}})),
        with_variables("query($o: [BookOrderArg]) { Book(order: $o) { title } }", json!({"o": {"secret": "ASC"}})),
        with_variables("query($g: [BookField!]) { Book(groupBy: $g) { title } }", json!({"g": ["secret"]})),
        with_variables("query($s: Book__NumericSelector) { SUM(Book: $s) }", json!({"s": {"field": "secret"}})),
        with_variables(
            "mutation($i: [BookMutationInputArg!]!) { add_Book(input: $i) { title } }",
            json!({"i": [{"title": "a", "secret": 1}]}),
        ),
        with_variables("query($a: Int) { Book(filter: {secret: {_eq: $a}}) { title } }", json!({"a": "wrong"})),
    ]);
    roads
}

const WHOLE: &str =
    "{ __schema { types { name kind fields { name args { name } } inputFields { name } enumValues { name } } } }";

fn without_secret() -> Fixture {
    Fixture::new(&LIBRARY.replace("secret: Int", ""))
}

#[test]
fn every_road_to_a_masked_field_answers_as_if_it_never_was() {
    let (library, never) = (library(), without_secret());
    let (masked, all, other) = (library.without(&["secret"]), library.everything(), never.everything());
    for request in roads() {
        let got = bytes(&library, &masked, Spelling::V1, &request);
        assert_eq!(got, bytes(&never, &other, Spelling::V1, &request), "{}", request.text);
        assert!(got.contains("\"errors\"") && got.contains("unknown_field") || request.text.contains("$a"), "{got}");
        assert!(!got.to_lowercase().contains("did you mean"), "{got}");
        if !request.text.contains("$a") && !request.text.contains("{ title } }") {
            library
                .plan_with(&all, Spelling::V1, &request)
                .unwrap_or_else(|errors| panic!("control: {} {errors:?}", request.text));
        }
    }
    for spelling in [Spelling::V0, Spelling::V1] {
        let ask = Request::text(WHOLE);
        let got = bytes(&library, &masked, spelling, &ask);
        assert_eq!(got, bytes(&never, &other, spelling, &ask));
        assert!(!got.contains("secret") && got.contains("title"));
        assert!(bytes(&library, &all, spelling, &ask).contains("secret"), "control");
    }
}

#[test]
fn a_hidden_name_answers_as_any_other_name() {
    let library = library();
    let masked = library.without(&["secret"]);
    for request in roads() {
        let text = request.text.replace("secret", "sacred");
        let variables = serde_json::to_string(&request.variables).unwrap().replace("secret", "sacred");
        let other = Request { text, variables: serde_json::from_str(&variables).unwrap(), ..Request::default() };
        let got = bytes(&library, &masked, Spelling::V1, &request).replace("secret", "sacred");
        assert_eq!(got, bytes(&library, &masked, Spelling::V1, &other), "{}", request.text);
    }
}

#[test]
fn a_relation_needs_both_sides() {
    let library = library();
    let plan = |masks: &Masking, text: &str| {
        library.plan_with(masks, Spelling::V1, &Request::text(text)).map_or_else(|errors| errors[0].code, |_| "planned")
    };
    let roads = [
        "{ Book { author { name } } }",
        "{ Book { _authorID } }",
        "{ Book(filter: {author: {name: {_eq: \"a\"}}}) { title } }",
        "{ Book(filter: {_authorID: {_eq: null}}) { title } }",
        "{ Book(order: {author: {name: ASC}}) { title } }",
        "{ Book(groupBy: [_authorID]) { title } }",
        "mutation { update_Book(input: {author: null}) { title } }",
    ];
    let no_author = library.masks(|name| name == "Book", |_, _| true, Verbs::ALL, Predicate::default());
    for road in roads {
        assert_eq!(plan(&no_author, road), "unknown_field", "{road}");
    }
    // The secondary side needs the field that stores it.
    let no_primary = library.without(&["author"]);
    for road in [
        "{ Author { books { title } } }",
        "{ Author(filter: {books: {}}) { name } }",
        "{ Author { COUNT(books: {}) } }",
    ] {
        assert_eq!(plan(&no_primary, road), "unknown_field", "{road}");
        assert_eq!(plan(&library.everything(), road), "planned", "control: {road}");
    }
    for road in roads.iter().filter(|road| !road.contains("groupBy")) {
        assert_eq!(plan(&library.everything(), road), "planned", "control: {road}");
    }
}

#[test]
fn verbs_are_evaluated_by_field() {
    let library = library();
    let (book, title, pages) = (library.id("Book"), library.field("Book", "title"), library.field("Book", "pages"));
    let entry = |verbs: &[Verb], field| Entry {
        verbs: verbs.iter().copied().collect(),
        fields: vec![field].into(),
        documents: Documents::All,
        predicate: Predicate::default(),
    };
    let entries =
        vec![entry(&[Verb::Create, Verb::Read, Verb::Search], title), entry(&[Verb::Update, Verb::Search], pages)];
    let mask = Arc::new(Mask { entries, valid_until: None });
    let masks: Masking = Box::new(move |id| (id == book).then(|| mask.clone()));
    for (text, wanted) in [
        ("{ Book(filter: {pages: {_gt: 1}}) { title } }", "planned"),
        ("{ Book { pages } }", "unknown_field"),
        ("mutation { add_Book(input: {title: \"a\"}) { title } }", "planned"),
        ("mutation { add_Book(input: {pages: 1}) { title } }", "forbidden"),
        ("mutation { update_Book(input: {pages: 1}) { title } }", "planned"),
        ("mutation { update_Book(input: {title: \"a\"}) { title } }", "forbidden"),
        ("mutation { update_Book(input: {rating: 1}) { title } }", "unknown_field"),
    ] {
        let got = library.plan_with(&masks, Spelling::V1, &Request::text(text));
        assert_eq!(got.map_or_else(|errors| errors[0].code, |_| "planned"), wanted, "{text}");
    }
}
