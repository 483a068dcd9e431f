//! What a schema holds, told.

use super::*;

fn schema() -> Schema {
    reads(
        "use expiration\n// who\ndefinition user {}\n\n// one\n/* two\n   three */\ndefinition org/doc {\n // four\n \
         relation own: user | user:* with old | org/doc#see with old and expiration\n relation via: user\n \
         /** five */\n permission see = own\n}\n// six\ncaveat old(b list<int>, a int) { a in b == true }",
    )
}

#[test]
fn everything_is_told() {
    let told = schema().reflect(&[]).unwrap();
    let [doc, user] = &*told.definitions else { panic!("{told:?}") };
    assert_eq!((&*user.name, &*user.comment, user.relations.len()), ("user", "// who", 0));
    assert_eq!((&*doc.name, &*doc.comment), ("org/doc", "// one\n/* two\nthree */"));
    let [own, via] = &*doc.relations else { panic!("{doc:?}") };
    assert_eq!((&*own.definition, &*own.name, &*own.comment), ("org/doc", "own", "// four"));
    assert_eq!(via.comment, "");
    let subject = |definition: &str, form, caveat: Option<&str>, expires| ReflectedSubjectType {
        definition: definition.to_owned(),
        form,
        caveat: caveat.map(str::to_owned),
        expires,
    };
    assert_eq!(
        own.subject_types,
        [
            subject("user", ReflectedForm::Object, None, false),
            subject("user", ReflectedForm::Everyone, Some("old"), false),
            subject("org/doc", ReflectedForm::Members("see".to_owned()), Some("old"), true),
        ]
    );
    let shown: Vec<String> = own.subject_types.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["user", "user:* with old", "org/doc#see with old and expiration"]);
    let [see] = &*doc.permissions else { panic!("{doc:?}") };
    assert_eq!((&*see.definition, &*see.name, &*see.comment), ("org/doc", "see", "/** five */"));
    let [old] = &*told.caveats else { panic!("{told:?}") };
    assert_eq!((&*old.name, &*old.comment, &*old.expression), ("old", "// six", "a in b == true"));
    let parameters: Vec<String> =
        old.parameters.iter().map(|it| format!("{} {} {}", it.caveat, it.name, it.kind)).collect();
    assert_eq!(parameters, ["old a int", "old b list<int>"]);
}

#[test]
fn filters_say_what_is_told() {
    let filter = |[definition, caveat, relation, permission]: [&str; 4]| ReflectFilter {
        definition: definition.to_owned(),
        caveat: caveat.to_owned(),
        relation: relation.to_owned(),
        permission: permission.to_owned(),
    };
    let told = |filters: &[[&str; 4]]| {
        let filters: Vec<ReflectFilter> = filters.iter().copied().map(filter).collect();
        match schema().reflect(&filters) {
            Ok(told) => {
                let mut all = Vec::new();
                for definition in told.definitions {
                    all.push(definition.name);
                    all.extend(definition.relations.into_iter().map(|it| it.name));
                    all.extend(definition.permissions.into_iter().map(|it| it.name));
                }
                all.extend(told.caveats.into_iter().map(|it| it.name));
                all.join(" ")
            }
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(told(&[]), "org/doc own via see user old");
    assert_eq!(told(&[["org/", "", "", ""]]), "org/doc own via see");
    assert_eq!(told(&[["org/", "", "", ""], ["u", "", "", ""]]), "org/doc own via see user");
    assert_eq!(told(&[["", "o", "", ""]]), "old");
    assert_eq!(told(&[["", "o", "", ""], ["u", "", "", ""]]), "user old");
    assert_eq!(told(&[["", "x", "", ""]]), "");
    assert_eq!(told(&[["org/doc", "", "o", ""]]), "org/doc own see");
    assert_eq!(told(&[["org/doc", "", "", "x"]]), "org/doc own via");
    assert_eq!(told(&[["", "", "", ""]]), "");
    for (wrong, why) in [
        (["a", "b", "", ""], "cannot filter by both definition and caveat name"),
        (["", "", "a", ""], "relation name match requires definition name match"),
        (["a", "", "b", "c"], "cannot filter by both relation and permission name"),
        (["", "", "", "a"], "permission name match requires definition name match"),
    ] {
        assert_eq!(told(&[wrong]), format!("the relationship filter provided is not valid: {why}"));
    }
}
