//! Points of a store's history.

use policy::{Consistency, Reason, Token, Window};
use policy_core::{LookupResources, Permissionship};

use super::{Store, cases, check, delete, of_page, refused, subject, touch};

cases![
    what_was_written_is_seen_at_its_token,
    a_past_point_shows_what_was_there,
    garbage_is_no_token,
    tokens_of_another_store_mean_the_present,
];

async fn what_was_written_is_seen_at_its_token(store: &Store<'_>) {
    let token = store.with(&["page:1#owner@person:ann"]).await;
    let at = Consistency::AtLeast(token.clone());
    let answers = store.service.check(&[check("page:1#view@person:ann")], &at).await.unwrap();
    assert_eq!(answers.decisions[0].as_ref().unwrap().permissionship, Permissionship::Yes);
    assert_eq!(store.read_at(&of_page("1"), &at).await.unwrap().len(), 1);
    let later = store.delete(of_page("1")).await.unwrap().at;
    assert_ne!(later, token);
    assert!(store.read_at(&of_page("1"), &Consistency::AtLeast(later)).await.unwrap().is_empty());
}

async fn a_past_point_shows_what_was_there(store: &Store<'_>) {
    let empty = store.with_schema().await;
    let first = store.update(vec![touch("page:1#owner@person:ann")]).await.unwrap();
    let second = store.update(vec![delete("page:1#owner@person:ann"), touch("page:1#owner@person:ben")]).await.unwrap();
    store.delete(of_page("1")).await.unwrap();
    let owners = [(empty, None), (first, Some("ann")), (second, Some("ben"))];
    for (token, owner) in owners {
        let at = Consistency::Exactly(token);
        let there: Vec<String> = owner.map(|owner| format!("page:1#owner@person:{owner}")).into_iter().collect();
        assert_eq!(store.read_at(&of_page("1"), &at).await.unwrap(), there);
        for who in ["ann", "ben"] {
            let answers = store.service.check(&[check(&format!("page:1#view@person:{who}"))], &at).await.unwrap();
            assert_eq!(answers.decisions[0].as_ref().unwrap().allowed(), owner == Some(who), "{at:?} {who}");
            let lookup = LookupResources {
                kind: "page".to_owned(),
                permission: "view".to_owned(),
                subject: subject(&format!("person:{who}")),
                context: Default::default(),
            };
            let found = store.service.lookup_resources(&lookup, &Window::default(), &at).await.unwrap();
            assert_eq!(!found.items.is_empty(), owner == Some(who), "{at:?} {who}");
        }
    }
    assert!(store.pages().await.is_empty());
}

async fn garbage_is_no_token(store: &Store<'_>) {
    store.with_schema().await;
    for garbage in ["zzz", "AAAA"] {
        let token = Token(garbage.to_owned());
        for at in [Consistency::AtLeast(token.clone()), Consistency::Exactly(token)] {
            assert_eq!(refused(store.read_at(&of_page("1"), &at).await), Reason::InvalidToken, "{garbage}");
            let answers = store.service.check(&[check("page:1#view@person:ann")], &at).await;
            assert_eq!(refused(answers), Reason::InvalidToken, "{garbage}");
        }
    }
}

/// As SpiceDB writes them.
async fn tokens_of_another_store_mean_the_present(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann"]).await;
    let foreign = Token("Gh8KEzE3OTU1MDAzNjE3Mjc1Mjc0NzASCDQ5ODI5NjM4".to_owned());
    let at = Consistency::AtLeast(foreign.clone());
    assert_eq!(store.read_at(&of_page("1"), &at).await.unwrap().len(), 1);
    let exactly = Consistency::Exactly(foreign);
    assert_eq!(refused(store.read_at(&of_page("1"), &exactly).await), Reason::InvalidToken);
}
