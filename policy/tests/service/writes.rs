//! Relationships are written and deleted.

use policy::{Delete, Reason, Write};
use policy_core::Precondition;

use super::{Store, cases, create, delete, of_kind, of_page, of_subject, refused, touch, tuple};
use policy_core::{Filter, SubjectRelation, Update};

cases![
    what_is_touched_is_there_whatever_was_there_before,
    what_is_there_cannot_be_created,
    what_lapsed_cannot_be_created_either,
    what_is_not_there_can_be_deleted,
    caveat_and_expiry_are_no_part_of_the_identity,
    one_mistake_and_nothing_is_written,
    one_relationship_once_in_a_write,
    no_more_than_a_thousand_at_once,
    names_must_be_those_of_the_schema,
    subjects_must_be_of_an_allowed_form,
    permissions_cannot_be_written,
    stored_values_must_fit_the_caveat,
    preconditions_are_looked_at_first,
    filters_of_preconditions_must_select_something,
    deletions_by_filter_count,
    deletions_keep_to_their_limit,
    deletions_take_what_lapsed_too,
    deletions_need_a_filter,
    many_are_created_together_or_not_at_all,
];

const FAR: &str = "[expiration:2900-01-01T00:00:00Z]";
const PAST: &str = "[expiration:2001-01-01T00:00:00Z]";

async fn what_is_touched_is_there_whatever_was_there_before(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann"]).await;
    store.update(vec![touch("page:1#owner@person:ann"), touch("page:1#owner@person:ben")]).await.unwrap();
    assert_eq!(store.pages().await, ["page:1#owner@person:ann", "page:1#owner@person:ben"]);
}

async fn what_is_there_cannot_be_created(store: &Store<'_>) {
    store.with_schema().await;
    store.update(vec![create("page:1#owner@person:ann")]).await.unwrap();
    let error = store.update(vec![create("page:1#owner@person:ann")]).await.unwrap_err();
    assert_eq!(error.reason, Reason::AlreadyExists);
    for (key, value) in [("resource_type", "page"), ("resource_object_id", "1"), ("subject_object_id", "ann")] {
        assert!(store.tells(&error, key, value), "{error:?}");
    }
}

async fn what_lapsed_cannot_be_created_either(store: &Store<'_>) {
    store.with(&[&format!("page:1#viewer@person:ann{PAST}")]).await;
    assert!(store.pages().await.is_empty());
    let again = format!("page:1#viewer@person:ann{FAR}");
    assert_eq!(refused(store.update(vec![create(&again)]).await), Reason::AlreadyExists);
    store.update(vec![touch(&again)]).await.unwrap();
    assert_eq!(store.pages().await, [again]);
}

async fn what_is_not_there_can_be_deleted(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann"]).await;
    store.update(vec![delete("page:1#owner@person:ben"), delete("page:1#owner@person:ann")]).await.unwrap();
    assert!(store.pages().await.is_empty());
}

async fn caveat_and_expiry_are_no_part_of_the_identity(store: &Store<'_>) {
    store.with(&["page:1#viewer@person:ann"]).await;
    for form in ["[small:{\"most\":3}]", FAR, ""] {
        let text = format!("page:1#viewer@person:ann{form}");
        store.update(vec![touch(&text)]).await.unwrap();
        assert_eq!(store.pages().await, [text]);
    }
    store.update(vec![touch("page:1#viewer@person:ann[small:{\"most\":3}]")]).await.unwrap();
    store.update(vec![delete("page:1#viewer@person:ann")]).await.unwrap();
    assert!(store.pages().await.is_empty());
}

async fn one_mistake_and_nothing_is_written(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann"]).await;
    let updates = vec![touch("page:2#owner@person:ann"), create("page:1#owner@person:ann")];
    assert_eq!(refused(store.update(updates).await), Reason::AlreadyExists);
    let updates = vec![touch("page:2#owner@person:ann"), touch("page:2#owner@crew:a#member")];
    assert_eq!(refused(store.update(updates).await), Reason::InvalidSubjectType);
    assert_eq!(store.pages().await, ["page:1#owner@person:ann"]);
}

async fn one_relationship_once_in_a_write(store: &Store<'_>) {
    store.with_schema().await;
    let pairs = [
        [touch("page:1#owner@person:ann"), delete("page:1#owner@person:ann")],
        [touch("page:1#viewer@person:ann"), touch("page:1#viewer@person:ann[small:{\"most\":3}]")],
    ];
    for pair in pairs {
        assert_eq!(refused(store.update(pair.into()).await), Reason::UpdatesOnSameRelationship);
    }
}

async fn no_more_than_a_thousand_at_once(store: &Store<'_>) {
    store.with_schema().await;
    let owners = |count: usize| (0..count).map(|i| touch(&format!("page:1#owner@person:p{i}"))).collect::<Vec<_>>();
    let error = store.update(owners(1_001)).await.unwrap_err();
    assert_eq!(error.reason, Reason::TooManyUpdates);
    assert!(store.tells(&error, "maximum_updates_allowed", "1000"), "{error:?}");
    store.update(owners(1_000)).await.unwrap();
    let same = vec![Precondition::MustMatch(of_kind("page")); 1_001];
    assert_eq!(refused(store.update_if(owners(1), same).await), Reason::TooManyPreconditions);
    assert_eq!(store.delete(of_kind("page")).await.unwrap().count, 1_000);
}

async fn names_must_be_those_of_the_schema(store: &Store<'_>) {
    store.with_schema().await;
    let cases = [
        ("nothing:1#owner@person:ann", Reason::UnknownDefinition),
        ("page:1#owner@nothing:ann", Reason::UnknownDefinition),
        ("page:1#nothing@person:ann", Reason::UnknownRelationOrPermission),
        ("page:1#viewer@crew:a#nothing", Reason::UnknownRelationOrPermission),
    ];
    for (text, reason) in cases {
        for update in [touch(text), create(text), delete(text)] {
            assert_eq!(refused(store.update(vec![update]).await), reason, "{text}");
        }
    }
}

async fn subjects_must_be_of_an_allowed_form(store: &Store<'_>) {
    store.with_schema().await;
    let wrong = [
        "page:1#owner@crew:a",
        "page:1#owner@crew:a#member",
        "page:1#owner@person:*",
        "page:1#owner@person:ann[small]",
        "page:1#owner@person:ann[nothing]",
        "page:1#viewer@crew:a#member[small]",
        "page:1#viewer@person:*",
        "page:1#viewer@crew:a",
        "page:1#guest@person:ann[small]",
        "crew:a#member@crew:b",
    ];
    for text in wrong {
        assert_eq!(refused(store.update(vec![touch(text)]).await), Reason::InvalidSubjectType, "{text}");
    }
    let expiring = ["page:1#owner@person:ann", "page:1#guest@person:*", "page:1#viewer@person:ann[small]"];
    for text in expiring {
        let text = format!("{text}{FAR}");
        assert_eq!(refused(store.update(vec![touch(&text)]).await), Reason::InvalidSubjectType, "{text}");
    }
    // What is taken away may leave caveat and expiry out, but must be possible.
    assert_eq!(refused(store.update(vec![delete("page:1#owner@crew:a")]).await), Reason::InvalidSubjectType);
    for text in ["page:1#viewer@person:*", "page:1#guest@person:ann"] {
        store.update(vec![delete(text)]).await.unwrap();
    }
    let right = ["page:1#viewer@person:*[open]", &format!("page:1#guest@person:ann[small]{FAR}")];
    store.update(right.iter().map(|text| touch(text)).collect()).await.unwrap();
    assert_eq!(store.pages().await.len(), 2);
}

async fn permissions_cannot_be_written(store: &Store<'_>) {
    store.with_schema().await;
    for update in [touch("page:1#view@person:ann"), delete("page:1#view@person:ann")] {
        assert_eq!(refused(store.update(vec![update]).await), Reason::CannotUpdatePermission);
    }
}

async fn stored_values_must_fit_the_caveat(store: &Store<'_>) {
    store.with_schema().await;
    for values in ["{\"most\":\"many\"}", "{\"most\":5.5}", "{\"mist\":5}", "{\"most\":[1]}"] {
        let text = format!("page:1#viewer@person:ann[small:{values}]");
        assert_eq!(refused(store.update(vec![touch(&text)]).await), Reason::CaveatParameterType, "{text}");
    }
    for values in ["{\"most\":5}", "{\"most\":\"5\"}", "{\"most\":5,\"size\":1}", "{}"] {
        store.update(vec![touch(&format!("page:1#viewer@person:ann[small:{values}]"))]).await.unwrap();
    }
}

async fn preconditions_are_looked_at_first(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann"]).await;
    let new = || vec![touch("page:2#owner@person:ben")];
    let anns = of_subject("person", Some("ann"), SubjectRelation::None);
    let wrong = [Precondition::MustMatch(of_page("9")), Precondition::MustNotMatch(anns.clone())];
    for precondition in wrong {
        let error = store.update_if(new(), vec![precondition.clone()]).await.unwrap_err();
        assert_eq!(error.reason, Reason::PreconditionFailed, "{precondition:?}");
        assert!(!store.complete || error.metadata.contains_key("precondition_operation"), "{error:?}");
        let filter = of_kind("page");
        let delete = Delete { filter, preconditions: vec![precondition], ..Delete::default() };
        assert_eq!(refused(store.service.delete(delete).await), Reason::PreconditionFailed);
    }
    assert_eq!(store.pages().await.len(), 1);
    let right = vec![Precondition::MustMatch(anns), Precondition::MustNotMatch(of_page("2"))];
    store.update_if(new(), right.clone()).await.unwrap();
    assert_eq!(refused(store.update_if(new(), right).await), Reason::PreconditionFailed);
}

async fn filters_of_preconditions_must_select_something(store: &Store<'_>) {
    store.with_schema().await;
    let cases = [
        (Filter::default(), Reason::InvalidFilter),
        (of_kind("nothing"), Reason::UnknownDefinition),
        (Filter { relation: Some("nothing".to_owned()), ..of_kind("page") }, Reason::UnknownRelationOrPermission),
        (of_subject("nothing", None, SubjectRelation::Any), Reason::UnknownDefinition),
    ];
    for (filter, reason) in cases {
        let precondition = Precondition::MustNotMatch(filter);
        let answer = store.update_if(vec![touch("page:2#owner@person:ben")], vec![precondition.clone()]).await;
        assert_eq!(refused(answer), reason, "{precondition:?}");
    }
}

async fn deletions_by_filter_count(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann", "page:1#viewer@person:ann", "page:2#owner@person:ann"]).await;
    let deleted = store.delete(of_page("1")).await.unwrap();
    assert_eq!((deleted.count, deleted.complete), (2, true));
    let deleted = store.delete(of_page("1")).await.unwrap();
    assert_eq!((deleted.count, deleted.complete), (0, true));
    assert_eq!(store.pages().await, ["page:2#owner@person:ann"]);
}

async fn deletions_keep_to_their_limit(store: &Store<'_>) {
    store.with(&["page:1#owner@person:a", "page:1#owner@person:b", "page:1#owner@person:c"]).await;
    let deletion = |limit, partial| Delete { filter: of_page("1"), limit: Some(limit), partial, ..Delete::default() };
    let error = store.service.delete(deletion(2, false)).await.unwrap_err();
    assert_eq!(error.reason, Reason::TooManyForTransactionalDelete);
    assert!(store.tells(&error, "limit", "2"), "{error:?}");
    assert_eq!(store.pages().await.len(), 3);
    let deleted = store.service.delete(deletion(2, true)).await.unwrap();
    assert_eq!((deleted.count, deleted.complete), (2, false));
    let deleted = store.service.delete(deletion(2, true)).await.unwrap();
    assert_eq!((deleted.count, deleted.complete), (1, true));
    assert!(store.service.delete(deletion(1_001, true)).await.is_err());
}

async fn deletions_take_what_lapsed_too(store: &Store<'_>) {
    let lapsed = format!("page:1#viewer@person:ann{PAST}");
    store.with(&[&lapsed]).await;
    assert!(store.pages().await.is_empty());
    store.delete(of_page("1")).await.unwrap();
    store.update(vec![create("page:1#viewer@person:ann")]).await.unwrap();
    assert_eq!(store.pages().await, ["page:1#viewer@person:ann"]);
}

async fn deletions_need_a_filter(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann"]).await;
    assert_eq!(refused(store.delete(Filter::default()).await), Reason::InvalidFilter);
    assert_eq!(refused(store.delete(of_kind("nothing")).await), Reason::UnknownDefinition);
    let both = Filter { resource_id_prefix: Some("1".to_owned()), ..of_page("1") };
    assert_eq!(refused(store.delete(both).await), Reason::InvalidFilter);
    assert_eq!(store.pages().await.len(), 1);
}

async fn many_are_created_together_or_not_at_all(store: &Store<'_>) {
    if !store.complete {
        return;
    }
    store.with(&["page:1#owner@person:ann"]).await;
    let many: Vec<_> = (0..2_500).map(|i| tuple(&format!("page:p{i}#owner@person:ben"))).collect();
    let with_one_that_is_there = many.iter().cloned().chain([tuple("page:1#owner@person:ann")]).collect();
    assert_eq!(refused(store.service.create(with_one_that_is_there).await), Reason::AlreadyExists);
    let with_one_twice = many.iter().cloned().chain([many[7].clone()]).collect();
    assert_eq!(refused(store.service.create(with_one_twice).await), Reason::AlreadyExists);
    let with_a_wrong_one = many.iter().cloned().chain([tuple("page:1#owner@crew:a")]).collect();
    assert_eq!(refused(store.service.create(with_a_wrong_one).await), Reason::InvalidSubjectType);
    assert_eq!(store.pages().await.len(), 1);
    store.service.create(many).await.unwrap();
    assert_eq!(store.pages().await.len(), 2_501);
    // Nothing at all is no mistake.
    store.service.create(Vec::new()).await.unwrap();
    store.service.write(Write::default()).await.unwrap();
    store.update(vec![Update::Delete(tuple("page:p1#owner@person:ben"))]).await.unwrap();
}
