use super::super::notices::{About, Channel, NoticeKind, Telling};
use super::super::on_each_backend;
use super::*;

const ALICE: UserId = UserId::from_bytes([1; 16]);
const BOB: UserId = UserId::from_bytes([2; 16]);
const HOUR: i64 = 3_600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(100_000 + seconds)
}

fn address(text: &str) -> MailAddress {
    text.parse().unwrap()
}

/// The code that waits to be sent to an address.
async fn code_for(directory: &Directory, to: &str, now: Timestamp) -> String {
    let due = directory.letters_due(100, now).await.unwrap();
    let code = due.into_iter().rev().find_map(|letter| match letter.kind {
        LetterKind::Code(code) if letter.address.as_str() == to => Some(code),
        _ => None,
    });
    code.expect("a code waits")
}

/// Sends all that is due; what was sent, and to whom.
async fn send(directory: &Directory, now: Timestamp) -> Vec<(String, LetterKind)> {
    let mut sent = Vec::new();
    for letter in directory.letters_due(100, now).await.unwrap() {
        directory.letter_sent(&letter).await.unwrap();
        sent.push((letter.address.to_string(), letter.kind));
    }
    sent
}

async fn settle(directory: &Directory, user: UserId, to: &str, now: Timestamp) {
    assert_eq!(directory.wish_address(user, &address(to), now).await.unwrap(), Wished::Sent);
    let code = code_for(directory, to, now).await;
    assert_eq!(directory.verify_address(user, &code, now).await.unwrap(), Verified::Done);
    send(directory, now).await;
}

fn tell(kind: NoticeKind) -> Telling {
    Telling { user: ALICE, kind, about: About::Words("a secret name".to_owned()) }
}

#[tokio::test]
async fn nothing_but_a_code_goes_to_an_address_until_it_came_back_and_the_old_one_is_told() {
    for directory in on_each_backend().await {
        directory.tell(tell(NoticeKind::ShareGot), at(0)).await.unwrap();
        assert_eq!(directory.outbox().await.unwrap().waiting, 0, "there is no server");
        directory.has_mail();
        directory.tell(tell(NoticeKind::ShareGot), at(0)).await.unwrap();
        assert_eq!(directory.outbox().await.unwrap().waiting, 0, "there is no address");
        directory.wish_address(ALICE, &address("alice@example.org"), at(0)).await.unwrap();
        directory.tell(tell(NoticeKind::PasswordChanged), at(0)).await.unwrap();
        let sent = directory.letters_due(9, at(0)).await.unwrap();
        assert!(matches!(&*sent, [one] if matches!(one.kind, LetterKind::Code(_))), "{sent:?}");
        let code = code_for(&directory, "alice@example.org", at(0)).await;
        assert_eq!(directory.verify_address(BOB, &code, at(1)).await.unwrap(), Verified::Lapsed, "another's");
        let spelt = format!(" {}-{} ", &code[..4], &code[4..]);
        let tries = futures::future::join_all((0..50).map(|_| directory.verify_address(ALICE, &spelt, at(1)))).await;
        let done = tries.into_iter().filter(|one| matches!(one, Ok(Verified::Done))).count();
        assert_eq!(done, 1, "of many at once one is the first");
        let known = directory.mailbox(ALICE, at(1)).await.unwrap();
        assert_eq!(known, Mailbox { address: Some(address("alice@example.org")), wished: None });
        send(&directory, at(1)).await;
        directory.tell(tell(NoticeKind::PasswordChanged), at(2)).await.unwrap();
        let sent = send(&directory, at(2)).await;
        assert_eq!(sent, [("alice@example.org".to_owned(), LetterKind::Notice(NoticeKind::PasswordChanged))]);

        // Another address: the first goes on until the other gave its code back, and is told.
        directory.tell(tell(NoticeKind::CredentialAdded), at(3)).await.unwrap();
        settle(&directory, ALICE, "alice@example.com", at(3)).await;
        let wished = directory.wish_address(ALICE, &address("alice@example.com"), at(4)).await.unwrap();
        assert_eq!(wished, Wished::Already);
        assert!(directory.remove_address(ALICE, at(5)).await.unwrap());
        let sent = send(&directory, at(5)).await;
        assert_eq!(sent, [("alice@example.com".to_owned(), LetterKind::AddressLeft)]);
        assert!(!directory.remove_address(ALICE, at(5)).await.unwrap());
        directory.tell(tell(NoticeKind::PasswordChanged), at(2 * HOUR)).await.unwrap();
        assert_eq!(directory.outbox().await.unwrap().waiting, 0);
    }
}

#[tokio::test]
async fn the_address_before_is_told_and_what_waits_for_it_is_not_sent() {
    for directory in on_each_backend().await {
        directory.has_mail();
        settle(&directory, ALICE, "old@example.org", at(0)).await;
        directory.tell(tell(NoticeKind::ShareGot), at(1)).await.unwrap();
        directory.wish_address(ALICE, &address("new@example.org"), at(1)).await.unwrap();
        let code = code_for(&directory, "new@example.org", at(1)).await;
        assert_eq!(directory.verify_address(ALICE, &code, at(1)).await.unwrap(), Verified::Done);
        let sent = send(&directory, at(2)).await;
        assert_eq!(sent, [("old@example.org".to_owned(), LetterKind::AddressLeft)]);
    }
}

#[tokio::test]
async fn a_code_is_tried_so_often_and_so_long_and_one_ends_the_one_before() {
    for directory in on_each_backend().await {
        directory.has_mail();
        let verify = async |code: &str, now| directory.verify_address(ALICE, code, now).await.unwrap();
        directory.wish_address(ALICE, &address("a@example.org"), at(0)).await.unwrap();
        let first = code_for(&directory, "a@example.org", at(0)).await;
        directory.wish_address(ALICE, &address("b@example.org"), at(1)).await.unwrap();
        let second = code_for(&directory, "b@example.org", at(1)).await;
        assert_eq!(verify(&first, at(2)).await, Verified::Wrong);
        assert_eq!(send(&directory, at(2)).await.len(), 1, "the first code is of no use any more");
        for wrong in ["", "x", &"0".repeat(1_000)] {
            assert_eq!(verify(wrong, at(2)).await, Verified::Wrong);
        }
        assert_eq!(verify(&second, at(1 + HOUR)).await, Verified::Lapsed, "it is over");
        assert_eq!(verify("x", at(3)).await, Verified::Wrong);
        assert_eq!(verify(&second, at(3)).await, Verified::Lapsed, "it was tried too often");
        assert_eq!(directory.mailbox(ALICE, at(3)).await.unwrap(), Mailbox::default());
    }
}

#[tokio::test]
async fn nobody_floods_an_address_or_a_person() {
    for directory in on_each_backend().await {
        directory.has_mail();
        // One address, by many people and in many spellings.
        let mut sent = 0;
        for n in 0..20 {
            let user = UserId::from_bytes([n; 16]);
            let spelt = format!("vicTim+{n}@example.org");
            sent += u32::from(directory.wish_address(user, &address(&spelt), at(0)).await.unwrap() == Wished::Sent);
        }
        assert_eq!(sent, 3);
        // Many addresses, by one.
        let mut sent = 0;
        for n in 0..20 {
            let to = format!("someone{n}@example.org");
            sent += u32::from(directory.wish_address(BOB, &address(&to), at(1)).await.unwrap() == Wished::Sent);
        }
        assert!(sent <= 5, "{sent}");
        let wished = directory.wish_address(BOB, &address("new@example.org"), at(25 * HOUR)).await.unwrap();
        assert_eq!(wished, Wished::Sent, "control: a day later");

        settle(&directory, ALICE, "alice@example.org", at(26 * HOUR)).await;
        let told = async |kind, now| {
            directory.tell(tell(kind), now).await.unwrap();
            send(&directory, now).await.len()
        };
        let mut shares = 0;
        for n in 0..200 {
            shares += told(NoticeKind::ShareGot, at(26 * HOUR + n)).await;
        }
        assert_eq!(shares, 1, "one of a kind within an hour");
        for hour in 27..49 {
            shares += told(NoticeKind::ShareGot, at(hour * HOUR + 60)).await;
        }
        assert_eq!(shares, 12, "so many within a day");
        assert_eq!(told(NoticeKind::PasswordChanged, at(48 * HOUR + 70)).await, 1, "warnings have room of their own");
        assert!(directory.mute(ALICE, NoticeKind::NewSignIn, Channel::Mail, true).await.unwrap());
        assert_eq!(told(NoticeKind::NewSignIn, at(48 * HOUR + 80)).await, 0);
        assert!(!directory.notices(ALICE).await.unwrap().is_empty(), "it is listed all the same");
        // Fifty at the same moment are one.
        let many = (0..50).map(|_| directory.tell(tell(NoticeKind::CredentialAdded), at(48 * HOUR + 90)));
        futures::future::join_all(many).await.into_iter().for_each(|one| one.unwrap());
        assert_eq!(directory.outbox().await.unwrap().waiting, 1);
    }
}

#[tokio::test]
async fn no_warning_uses_up_the_room_of_another_and_no_heap_of_letters_keeps_one_from_being_written() {
    for directory in on_each_backend().await {
        directory.has_mail();
        settle(&directory, ALICE, "alice@example.org", at(0)).await;
        let mut sign_ins = 0;
        for n in 0..40 {
            let now = at(n * 600);
            directory.tell(tell(NoticeKind::NewSignIn), now).await.unwrap();
            sign_ins += send(&directory, now).await.len();
        }
        assert_eq!(sign_ins, 6);
        directory.tell(tell(NoticeKind::PasswordChanged), at(7 * HOUR)).await.unwrap();
        assert_eq!(directory.outbox().await.unwrap().waiting, 1);

        // As much waits as may, of everybody.
        let heap = async |user: u8| {
            let row = |n: u16| tables::outbox::ActiveModel {
                id: Set([vec![user], n.to_be_bytes().to_vec()].concat()),
                user: Set(vec![user; 16]),
                address: Set("someone@example.org".to_owned()),
                mail_box: Set("someone@example.org".to_owned()),
                kind: Set(NoticeKind::ShareGot.word().to_owned()),
                nonce: Set(None),
                state: Set("waiting".to_owned()),
                attempts: Set(0),
                due: Set(at(9 * HOUR).0),
                created: Set(at(7 * HOUR).0),
            };
            for part in (0..4_096).collect::<Vec<_>>().chunks(256) {
                let rows = part.iter().map(|n| row(*n));
                tables::outbox::Entity::insert_many(rows).exec_without_returning(&directory.db).await.unwrap();
            }
        };
        heap(7).await;
        let waiting = async || directory.outbox().await.unwrap().waiting;
        let full = waiting().await;
        directory.tell(tell(NoticeKind::ShareGot), at(7 * HOUR)).await.unwrap();
        assert_eq!(waiting().await, full);
        let wished = directory.wish_address(ALICE, &address("new@example.org"), at(7 * HOUR)).await.unwrap();
        assert_eq!((wished, waiting().await), (Wished::TooMany, full), "no code is promised that is not sent");
        assert_eq!(directory.mailbox(ALICE, at(7 * HOUR)).await.unwrap().wished, None);
        directory.tell(tell(NoticeKind::CredentialRemoved), at(7 * HOUR)).await.unwrap();
        assert!(directory.remove_address(ALICE, at(7 * HOUR)).await.unwrap());
        assert_eq!(waiting().await, full + 2, "both are written all the same");
    }
}

#[tokio::test]
async fn a_letter_is_tried_again_later_and_later_and_given_up_in_the_end() {
    for directory in on_each_backend().await {
        directory.has_mail();
        settle(&directory, ALICE, "alice@example.org", at(0)).await;
        directory.tell(tell(NoticeKind::PasswordChanged), at(1)).await.unwrap();
        let (mut now, mut tries, mut waits) = (at(1), 0, Vec::new());
        while let Some(due) = directory.next_letter().await.unwrap() {
            waits.push(due.0 - now.0);
            now = due.max(now);
            let [letter] = &directory.letters_due(9, now).await.unwrap()[..] else { panic!("it is due") };
            assert!(directory.letter_begun(letter, now).await.unwrap());
            assert!(!directory.letter_begun(letter, now).await.unwrap(), "one hands it over");
            directory.letter_failed(letter, false, now).await.unwrap();
            tries += 1;
            assert!(tries < 50);
        }
        assert!(waits.is_sorted() && tries > 8, "{waits:?}");
        assert!((now.0 - at(1).0) / 1_000_000 < 3 * 24 * HOUR);
        let figures = directory.outbox().await.unwrap();
        // The code, which came back before its letter was sent, is none of them.
        assert_eq!((figures.waiting, figures.given_up), (0, 1));
        directory.tell(tell(NoticeKind::CredentialAdded), now).await.unwrap();
        let [letter] = &directory.letters_due(9, now).await.unwrap()[..] else { panic!("it is due") };
        directory.letter_failed(letter, true, now).await.unwrap();
        assert_eq!(directory.next_letter().await.unwrap(), None, "what is refused for good is not tried again");
        directory.tend(Timestamp(now.0 + 2 * 86_400_000_000)).await.unwrap();
        let figures = directory.outbox().await.unwrap();
        assert_eq!((figures.sent, figures.given_up), (0, 0), "a day later nothing is known of them");
    }
}

#[tokio::test]
async fn a_letter_of_which_nothing_more_is_noted_is_handed_over_later_and_later_and_so_often() {
    for directory in on_each_backend().await {
        directory.has_mail();
        settle(&directory, ALICE, "alice@example.org", at(0)).await;
        directory.tell(tell(NoticeKind::PasswordChanged), at(1)).await.unwrap();
        let (mut now, mut handed) = (at(1), 0);
        // Whoever hands it over is killed each time, or cannot write that it was taken.
        while let Some(due) = directory.next_letter().await.unwrap() {
            assert!(handed == 0 || due > now, "not at once again");
            now = due.max(now);
            for letter in directory.letters_due(9, now).await.unwrap() {
                handed += u32::from(directory.letter_begun(&letter, now).await.unwrap());
            }
            assert!(handed < 50);
        }
        assert_eq!(handed, 16);
        assert_eq!(directory.outbox().await.unwrap().given_up, 1);
    }
}

#[tokio::test]
async fn after_a_restore_nothing_of_before_is_sent() {
    for directory in on_each_backend().await {
        directory.has_mail();
        settle(&directory, ALICE, "alice@example.org", at(0)).await;
        directory.tell(tell(NoticeKind::PasswordChanged), at(1)).await.unwrap();
        directory.wish_address(ALICE, &address("new@example.org"), at(1)).await.unwrap();
        let code = code_for(&directory, "new@example.org", at(1)).await;
        directory.put_back(at(2)).await.unwrap();
        assert_eq!(directory.outbox().await.unwrap().waiting, 0);
        assert_eq!(directory.verify_address(ALICE, &code, at(3)).await.unwrap(), Verified::Lapsed);
        let known = directory.mailbox(ALICE, at(3)).await.unwrap();
        assert_eq!(known, Mailbox::default(), "it may have been taken out since");
    }
}
