//! Checks, traces and trees.

use policy::{Consistency, Reason};
use policy_core::{Check, CheckError, ExpandedTree, Permissionship};

use super::{Store, cases, check, object, refused};

cases![
    operators_bind_as_spicedb_binds_them,
    caveats_decide_or_ask_for_more,
    stored_values_come_before_those_of_the_request,
    values_of_a_wrong_type_are_a_mistake,
    everyone_is_every_object_of_the_type,
    members_of_something_are_members_of_it,
    arrows_walk_objects,
    all_of_none_is_nobody,
    itself_is_among_those_who_see_it,
    unknown_objects_are_no_mistake_but_unknown_names_are,
    each_check_fails_for_itself,
    circles_and_depths_have_an_end,
    what_lapsed_counts_for_nothing,
    traces_lead_to_the_relationship,
    trees_show_one_step,
];

const NO: Permissionship = Permissionship::No;
const YES: Permissionship = Permissionship::Yes;
const PERHAPS: Permissionship = Permissionship::Conditional;

async fn operators_bind_as_spicedb_binds_them(store: &Store<'_>) {
    store
        .with(&[
            "page:1#owner@person:ann",
            "page:1#viewer@person:ann",
            "page:1#owner@person:ben",
            "page:1#banned@person:ben",
            "page:1#viewer@person:cid",
        ])
        .await;
    // `owner + viewer + parent->view - banned`: the union first.
    for (who, view, both) in [("ann", YES, YES), ("ben", NO, NO), ("cid", YES, NO), ("dan", NO, NO)] {
        assert_eq!(store.ask(&format!("page:1#view@person:{who}")).await, view, "{who}");
        assert_eq!(store.ask(&format!("page:1#both@person:{who}")).await, both, "{who}");
        assert_eq!(store.ask(&format!("page:1#nobody@person:{who}")).await, NO, "{who}");
    }
}

async fn caveats_decide_or_ask_for_more(store: &Store<'_>) {
    store.with(&["page:1#viewer@person:ann[small:{\"most\":5}]", "page:2#viewer@person:ann[small]"]).await;
    let decision = store.ask_with("page:1#view@person:ann", "{}").await.unwrap();
    assert_eq!((decision.permissionship, decision.missing), (PERHAPS, vec!["size".to_owned()]));
    let decision = store.ask_with("page:2#view@person:ann", "{}").await.unwrap();
    assert!(decision.permissionship == PERHAPS && !decision.missing.is_empty());
    for (size, expected) in [("5", YES), ("6", NO), ("\"4\"", YES)] {
        let answer = store.ask_with("page:1#view@person:ann", &format!("{{\"size\":{size}}}")).await.unwrap();
        assert_eq!(answer.permissionship, expected, "{size}");
    }
    // What nothing asks for is left alone.
    let answer = store.ask_with("page:1#view@person:ann", "{\"size\":1,\"colour\":\"red\"}").await.unwrap();
    assert_eq!(answer.permissionship, YES);
    // A way without a caveat is enough; one to be banned under a caveat is a doubt.
    store.update(vec![super::touch("page:1#owner@person:ann")]).await.unwrap();
    assert_eq!(store.ask("page:1#view@person:ann").await, YES);
    store.update(vec![super::touch("page:1#banned@person:ann[small:{\"most\":5}]")]).await.unwrap();
    assert_eq!(store.ask("page:1#view@person:ann").await, PERHAPS);
    assert_eq!(store.ask_with("page:1#view@person:ann", "{\"size\":5}").await.unwrap().permissionship, NO);
    assert_eq!(store.ask_with("page:1#view@person:ann", "{\"size\":6}").await.unwrap().permissionship, YES);
}

async fn stored_values_come_before_those_of_the_request(store: &Store<'_>) {
    store.with(&["page:1#viewer@person:ann[small:{\"most\":5,\"size\":1}]"]).await;
    assert_eq!(store.ask_with("page:1#view@person:ann", "{\"size\":9,\"most\":0}").await.unwrap().permissionship, YES);
}

async fn values_of_a_wrong_type_are_a_mistake(store: &Store<'_>) {
    store.with(&["page:1#viewer@person:ann[small:{\"most\":5}]"]).await;
    for size in ["\"many\"", "5.5", "[1]", "true"] {
        let answer = store.ask_with("page:1#view@person:ann", &format!("{{\"size\":{size}}}")).await;
        let error = answer.expect_err(size);
        assert!(matches!(&error, CheckError::Caveat { caveat, .. } if caveat == "small"), "{size}: {error:?}");
    }
}

async fn everyone_is_every_object_of_the_type(store: &Store<'_>) {
    store.with(&["page:1#guest@person:*", "page:1#banned@person:ben", "page:2#viewer@person:*[open]"]).await;
    for (who, expected) in [("ann", YES), ("ben", NO)] {
        assert_eq!(store.ask(&format!("page:1#public@person:{who}")).await, expected, "{who}");
    }
    assert_eq!(store.ask("page:1#public@crew:a#member").await, NO);
    assert_eq!(store.ask("page:2#view@person:ann").await, PERHAPS);
    assert_eq!(store.ask_with("page:2#view@person:ann", "{\"hour\":9}").await.unwrap().permissionship, YES);
    assert_eq!(store.decide(check("page:1#public@person:*")).await, Err(CheckError::Everyone));
}

async fn members_of_something_are_members_of_it(store: &Store<'_>) {
    store.with(&["page:1#viewer@crew:a#member", "crew:a#member@crew:b#member", "crew:b#member@person:ann"]).await;
    assert_eq!(store.ask("page:1#view@person:ann").await, YES);
    assert_eq!(store.ask("page:1#view@crew:a#member").await, YES);
    assert_eq!(store.ask("page:1#view@crew:b#member").await, YES);
    assert_eq!(store.ask("page:1#view@crew:c#member").await, NO);
    // Whether or not there are any.
    assert_eq!(store.ask("crew:new#member@crew:new#member").await, YES);
    assert_eq!(store.ask("crew:new#member@crew:new").await, NO);
}

async fn arrows_walk_objects(store: &Store<'_>) {
    store
        .with(&[
            "page:3#parent@page:2",
            "page:2#parent@page:1",
            "page:1#owner@person:ann",
            "page:2#banned@person:ann",
            "page:1#owner@person:ben",
            "page:1#reviewer@crew:a#member",
            "crew:a#member@person:ann",
        ])
        .await;
    for (page, who, expected) in
        [("1", "ann", YES), ("2", "ann", NO), ("3", "ann", NO), ("3", "ben", YES), ("3", "cid", NO)]
    {
        assert_eq!(store.ask(&format!("page:{page}#view@person:{who}")).await, expected, "{page} {who}");
    }
    // The relation of a subject is left out of account.
    assert_eq!(store.ask("page:1#any_reviewer@person:ann").await, YES);
}

async fn all_of_none_is_nobody(store: &Store<'_>) {
    store
        .with(&[
            "page:1#reviewer@crew:a",
            "page:1#reviewer@crew:b",
            "crew:a#member@person:ann",
            "crew:b#member@person:ann",
            "crew:a#member@person:ben",
        ])
        .await;
    for (page, who, any, all) in
        [("1", "ann", YES, YES), ("1", "ben", YES, NO), ("1", "cid", NO, NO), ("2", "ann", NO, NO)]
    {
        assert_eq!(store.ask(&format!("page:{page}#any_reviewer@person:{who}")).await, any, "{page} {who}");
        assert_eq!(store.ask(&format!("page:{page}#all_reviewers@person:{who}")).await, all, "{page} {who}");
    }
}

async fn itself_is_among_those_who_see_it(store: &Store<'_>) {
    store.with(&["shelf:s#keeper@person:ann", "page:1#shelf@shelf:s"]).await;
    assert_eq!(store.ask("shelf:s#view@shelf:s").await, YES);
    assert_eq!(store.ask("shelf:s#view@shelf:t").await, NO);
    assert_eq!(store.ask("shelf:unknown#view@shelf:unknown").await, YES);
    assert_eq!(store.ask("page:1#shelved@shelf:s").await, YES);
    assert_eq!(store.ask("page:1#shelved@person:ann").await, YES);
}

async fn unknown_objects_are_no_mistake_but_unknown_names_are(store: &Store<'_>) {
    store.with_schema().await;
    assert_eq!(store.ask("page:9#view@person:nobody").await, NO);
    let definition = |name: &str| CheckError::UnknownDefinition { definition: name.to_owned() };
    let member =
        |of: &str, name: &str| CheckError::UnknownMember { definition: of.to_owned(), member: name.to_owned() };
    let cases = [
        ("nothing:1#view@person:ann", definition("nothing")),
        ("page:1#view@nothing:ann", definition("nothing")),
        ("page:1#nothing@person:ann", member("page", "nothing")),
        ("page:1#view@crew:a#nothing", member("crew", "nothing")),
    ];
    for (text, expected) in cases {
        assert_eq!(store.decide(check(text)).await, Err(expected), "{text}");
    }
}

async fn each_check_fails_for_itself(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann"]).await;
    let checks =
        ["page:1#view@person:ann", "page:1#nothing@person:ann", "page:1#view@person:*", "page:1#view@person:b"];
    let checks: Vec<Check> = checks.map(check).into();
    let answers = store.service.check(&checks, &Consistency::Full).await.unwrap();
    let [first, second, third, fourth] = answers.decisions.as_slice() else { panic!("{answers:?}") };
    assert_eq!(first.as_ref().unwrap().permissionship, YES);
    assert!(matches!(second, Err(CheckError::UnknownMember { .. })), "{second:?}");
    assert_eq!(third, &Err(CheckError::Everyone));
    assert_eq!(fourth.as_ref().unwrap().permissionship, NO);
    let none = store.service.check(&[], &Consistency::Full).await.unwrap();
    assert!(none.decisions.is_empty());
}

async fn circles_and_depths_have_an_end(store: &Store<'_>) {
    store.with_schema().await;
    let chain = |name: &str, length: usize| {
        let parent = |i| super::touch(&format!("page:{name}{i}#parent@page:{name}{}", i + 1));
        (0..length).map(parent).collect::<Vec<_>>()
    };
    let owners = ["page:short40#owner@person:ann", "page:long60#owner@person:ann"].map(super::touch);
    store.update([chain("short", 40), chain("long", 60), owners.into()].concat()).await.unwrap();
    assert_eq!(store.ask("page:short0#view@person:ann").await, YES);
    assert_eq!(store.ask("page:short0#view@person:ben").await, NO);
    assert_eq!(store.ask("page:long20#view@person:ann").await, YES);
    assert_eq!(store.decide(check("page:long0#view@person:ann")).await, Err(CheckError::Depth));
    // A circle can be stored where the engine does not refuse it.
    let circle = ["crew:a#member@crew:b#member", "crew:b#member@crew:a#member", "crew:b#member@person:ann"];
    if store.base.is_empty() {
        store.update(circle.map(super::touch).into()).await.unwrap();
        assert_eq!(store.ask("crew:a#member@person:ann").await, YES);
        assert_eq!(store.decide(check("crew:a#member@person:ben")).await, Err(CheckError::Depth));
    }
}

async fn what_lapsed_counts_for_nothing(store: &Store<'_>) {
    let (past, far) = ("[expiration:2001-01-01T00:00:00Z]", "[expiration:2900-01-01T00:00:00Z]");
    let (gone, there) = (format!("page:1#viewer@person:ann{past}"), format!("page:1#viewer@person:ben{far}"));
    store.with(&[&gone, &there]).await;
    assert_eq!(store.ask("page:1#view@person:ann").await, NO);
    assert_eq!(store.ask("page:1#view@person:ben").await, YES);
}

async fn traces_lead_to_the_relationship(store: &Store<'_>) {
    store.with(&["page:1#viewer@person:ann[small:{\"most\":5}]"]).await;
    let asked = Check { context: super::context("{\"size\":4}"), ..check("page:1#view@person:ann") };
    let (traced, _) = store.service.trace(&asked, &Consistency::Full).await.unwrap();
    assert!(traced.is_permission);
    assert_eq!((traced.permissionship, &traced.check.resource), (YES, &object("page:1")));
    assert!(!traced.steps.is_empty());
    let (traced, _) = store.service.trace(&check("page:1#view@person:ben"), &Consistency::Full).await.unwrap();
    assert_eq!(traced.permissionship, NO);
    let unknown = store.service.trace(&check("page:1#nothing@person:ben"), &Consistency::Full).await;
    assert_eq!(refused(unknown), Reason::UnknownRelationOrPermission);
    let everyone = store.service.trace(&check("page:1#view@person:*"), &Consistency::Full).await;
    assert_eq!(refused(everyone), Reason::WildcardNotAllowed);
}

async fn trees_show_one_step(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann", "page:1#viewer@crew:a#member", "crew:a#member@person:ben"]).await;
    let expand = async |member: &str| store.service.expand(&object("page:1"), member, &Consistency::Full).await;
    let (tree, _) = expand("viewer").await.unwrap();
    let ExpandedTree::Subjects(subjects) = &tree.tree else { panic!("{tree:?}") };
    assert_eq!(subjects.iter().map(ToString::to_string).collect::<Vec<_>>(), ["crew:a#member"]);
    let (tree, _) = expand("both").await.unwrap();
    let ExpandedTree::Intersection(parts) = &tree.tree else { panic!("{tree:?}") };
    assert_eq!(parts.iter().map(|part| part.member.as_str()).collect::<Vec<_>>(), ["owner", "viewer"]);
    let (tree, _) = expand("view").await.unwrap();
    assert!(matches!(&tree.tree, ExpandedTree::Exclusion(parts) if parts.len() == 2), "{tree:?}");
    assert_eq!(refused(expand("nothing").await), Reason::UnknownRelationOrPermission);
    let nothing = store.service.expand(&object("nothing:1"), "view", &Consistency::Full).await;
    assert_eq!(refused(nothing), Reason::UnknownDefinition);
}
