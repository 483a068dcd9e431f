use std::net::IpAddr;

use policy_core::SpaceId;
use serde_json::json;

use super::super::sessions::SessionOrigin;
use super::super::{on_each_backend, password_change::ChangedBy};
use super::*;

const ALICE: UserId = UserId::from_bytes([1; 16]);
const BOB: UserId = UserId::from_bytes([2; 16]);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

async fn kinds(directory: &Directory, user: UserId) -> Vec<NoticeKind> {
    directory.notices(user).await.unwrap().into_iter().map(|one| one.kind).collect()
}

#[test]
fn every_kind_has_a_word_of_its_own() {
    for kind in NoticeKind::ALL {
        assert_eq!(NoticeKind::of_word(kind.word()), Some(kind));
    }
    assert_eq!(NoticeKind::of_word("another"), None);
    for about in [About::Nothing, About::Person(ALICE), About::Words("user:x, y".to_owned())] {
        assert_eq!(About::of_text(about.to_text().as_deref()), about);
    }
    let turned = About::Words("a\u{202e}b\u{2066}c\u{200b}".to_owned()).to_text();
    assert_eq!(turned.as_deref(), Some("words:abc"));
    let long = About::Words("ä\n".repeat(500)).to_text().unwrap();
    assert_eq!(long.chars().count(), "words:".len() + 120);
}

#[tokio::test]
async fn of_each_kind_the_newest_are_kept_and_what_others_bring_about_is_told_once() {
    for directory in on_each_backend().await {
        directory.audit(ALICE, Actor::Person(ALICE), "password.changed", json!({}), at(1)).await.unwrap();
        for n in 0..40 {
            let about = About::Words(format!("app {n}"));
            let telling = Telling { user: ALICE, kind: NoticeKind::GrantEnding, about };
            directory.tell(telling, at(10 + n)).await.unwrap();
            let shared = json!({ "with": format!("user:{ALICE}") });
            directory.audit(ALICE, Actor::Person(BOB), "share.given", shared.clone(), at(10 + n)).await.unwrap();
            // What a manager shares with somebody else is in the owner's audit too.
            directory.audit(BOB, Actor::Person(ALICE), "share.given", shared, at(10 + n)).await.unwrap();
        }
        let all = directory.notices(ALICE).await.unwrap();
        let of = |kind| all.iter().filter(|one| one.kind == kind).count();
        assert_eq!((of(NoticeKind::GrantEnding), of(NoticeKind::ShareGot)), (16, 1));
        assert_eq!(of(NoticeKind::PasswordChanged), 1, "no kind pushes another out");
        assert!(all.is_sorted_by_key(|one| -one.at.0));
        let shared = all.iter().find(|one| one.kind == NoticeKind::ShareGot).unwrap();
        assert_eq!((&shared.about, shared.at), (&About::Person(BOB), at(49)));
        assert_eq!(kinds(&directory, BOB).await, []);

        // Read ones stay so, and the next is one of its own.
        let one = vec![shared.id.clone()];
        assert_eq!(directory.read_notices(BOB, Some(one.clone()), at(60)).await.unwrap(), 0, "another's");
        assert_eq!(directory.read_notices(ALICE, Some(one.clone()), at(60)).await.unwrap(), 1);
        assert_eq!(directory.read_notices(ALICE, Some(one), at(70)).await.unwrap(), 0);
        let shared = json!({ "with": format!("user:{ALICE}") });
        directory.audit(ALICE, Actor::Person(BOB), "share.given", shared, at(80)).await.unwrap();
        let all = directory.notices(ALICE).await.unwrap();
        assert_eq!(all.iter().filter(|one| one.kind == NoticeKind::ShareGot).count(), 2);
        assert_eq!(directory.read_notices(ALICE, None, at(90)).await.unwrap(), 18);
    }
}

#[tokio::test]
async fn a_kind_is_turned_off_and_on_and_those_of_ways_to_sign_in_stay_on() {
    for directory in on_each_backend().await {
        let ending = || Telling { user: ALICE, kind: NoticeKind::GrantEnding, about: About::Nothing };
        let mute = async |kind, off| directory.mute(ALICE, kind, Channel::Console, off).await.unwrap();
        assert!(mute(NoticeKind::GrantEnding, true).await && mute(NoticeKind::GrantEnding, true).await);
        directory.tell(ending(), at(1)).await.unwrap();
        assert_eq!(kinds(&directory, ALICE).await, []);
        assert!(mute(NoticeKind::GrantEnding, false).await);
        directory.tell(ending(), at(2)).await.unwrap();
        assert_eq!(kinds(&directory, ALICE).await, [NoticeKind::GrantEnding], "control");
        for kind in NoticeKind::ALL {
            assert_eq!(mute(kind, true).await, !kind.is_fixed(), "{kind:?}");
        }
        for action in ["password.changed", "credential.added", "credential.removed", "recovery.shown"] {
            directory.audit(ALICE, Actor::Operator, action, json!({ "kind": "passkey" }), at(3)).await.unwrap();
        }
        assert_eq!(kinds(&directory, ALICE).await.len(), 5);
        // Once is once, also of many at the same moment.
        let once = || directory.tell_once("grant x", Telling { user: BOB, ..ending() }, at(4));
        for told in futures::future::join_all((0..50).map(|_| once())).await {
            told.unwrap();
        }
        assert_eq!(kinds(&directory, BOB).await.len(), 1);
        directory.clear_mark(BOB, "grant x").await.unwrap();
        once().await.unwrap();
        assert_eq!(kinds(&directory, BOB).await.len(), 2, "control");
    }
}

#[tokio::test]
async fn a_sign_in_is_told_if_neither_its_place_nor_its_browser_was_seen_before() {
    for directory in on_each_backend().await {
        let home = directory.add_tenant("home", at(1)).await.unwrap();
        let space = SpaceId::from_bytes([9; 16]);
        let user = directory.add_user((ALICE, space), "alice", home.id, Some("a long password"), at(1)).await.unwrap();
        let from = |ip: &str, product: &str| SessionOrigin {
            address: Some(ip.parse::<IpAddr>().unwrap()),
            product: Some(product.to_owned()),
        };
        let (house, abroad) = (from("192.0.2.1", "Firefox on Linux"), from("198.51.100.7", "Firefox on Linux"));
        let told = async || directory.notices(ALICE).await.unwrap().len();
        for _ in 0..3 {
            directory.signed_in_from(ALICE, &house, &[], at(2)).await;
        }
        assert_eq!(told().await, 0, "the first place is none that is new");
        let row = directory.user_row("alice").await.unwrap().unwrap();
        let browser = [directory.know_browser(&row, at(2)).token];
        directory.signed_in_from(ALICE, &from("203.0.113.1", "Firefox on Linux"), &browser, at(3)).await;
        assert_eq!(told().await, 0, "a browser that is known");
        for _ in 0..3 {
            directory.signed_in_from(ALICE, &abroad, &["forged".to_owned()], at(4)).await;
        }
        let all = directory.notices(ALICE).await.unwrap();
        assert_eq!((all.len(), all[0].kind), (1, NoticeKind::NewSignIn));
        assert_eq!(all[0].about, About::Words("Firefox on Linux, 198.51.100.7".to_owned()));
        directory.signed_in_from(ALICE, &from("192.0.2.1", "Chrome on Android"), &[], at(5)).await;
        assert_eq!(told().await, 2, "another program at home");
        directory.signed_in_from(BOB, &house, &[], at(5)).await;
        // Another password forgets them all: who knew the former one is told of again.
        let changed = directory.change_password(&user, ChangedBy::Operator, "another long password", at(6)).await;
        assert!(changed.unwrap().is_ok());
        directory.signed_in_from(ALICE, &abroad, &browser, at(7)).await;
        assert_eq!(told().await, 3);
        // So many are kept, those seen last.
        for n in 0..100 {
            directory.signed_in_from(ALICE, &from(&format!("192.0.2.{n}"), "x"), &[], at(10 + n)).await;
        }
        let kept = place::Entity::find().all(&directory.db).await.unwrap();
        assert_eq!(kept.len() as u64, 64);
        assert_eq!(told().await, 16);
    }
}
