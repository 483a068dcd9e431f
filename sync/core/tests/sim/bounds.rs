//! Every queue is filled once.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use policy_core::{SpaceId, Timestamp};
use sync_core::{Busy, Limits, Message, Offer, Scope, Session, Shared, Tips, Version};

use crate::world::{OWNER, SPACE};

const NOW: Timestamp = Timestamp(0);

fn session(limits: Limits) -> Session {
    let mut session = Session::new(limits, Version::Two, NOW);
    assert!(session.share(shared(SPACE)));
    session
}

fn shared(scope: Scope) -> Shared {
    Shared {
        scope,
        owner: OWNER,
        tips: Arc::new(Tips::default()),
        acked: Arc::new(Tips::default()),
        own: BTreeSet::new(),
    }
}

/// Hands in `message` until it is refused; says how often it was taken.
fn fill(session: &mut Session, message: &Message) -> usize {
    for n in 0..100_000 {
        if let Err(Busy::Flood) = session.handle(message.clone(), NOW) {
            return n;
        }
    }
    panic!("no bound");
}

#[test]
fn answers_that_the_peer_does_not_take_stop_what_it_may_send() {
    let limits = Limits { queued_messages: 50, ..Limits::default() };
    let mut session = session(limits);
    assert_eq!(fill(&mut session, &Message::AskTips(SPACE)), 50);
    assert!(!session.can_take());
    // The control: once they are taken, it may send again.
    while session.poll_transmit().is_some() {}
    assert!(session.can_take());
}

#[test]
fn data_beyond_the_window_is_not_taken() {
    let mut session = session(Limits { window_bytes: 10_000, ..Limits::default() });
    let data = Message::Data { scope: SPACE, batch: 0, frames: vec![Bytes::from(vec![0; 1_000])] };
    assert_eq!(fill(&mut session, &data), 10);
}

#[test]
fn questions_for_the_store_are_bounded_even_when_they_carry_nothing() {
    let mut session = session(Limits { queued_events: 30, ..Limits::default() });
    assert_eq!(fill(&mut session, &Message::Data { scope: SPACE, batch: 0, frames: Vec::new() }), 30);
}

#[test]
fn scopes_are_bounded() {
    let mut session = session(Limits { scopes: 3, ..Limits::default() });
    let scope = |n: u8| Scope::Space(SpaceId::from_bytes([n; 16]));
    assert!(session.share(shared(scope(101))) && session.share(shared(scope(102))));
    assert!(!session.share(shared(scope(103))));
    let offers = (0..200).map(|n| Offer { scope: scope(n), owner: OWNER, digest: [1; 32], all_sent: false }).collect();
    session.handle(Message::Offers { offers, last: true }, NOW).unwrap();
    let asked = std::iter::from_fn(|| session.poll_event(NOW)).count();
    assert_eq!(asked, 0, "there is no room for more scopes, so nothing is asked");
}

#[test]
fn a_tips_vector_without_an_end_is_cut_off() {
    let mut session = session(Limits { tips: 100, ..Limits::default() });
    let tip = |n: u32| sync_core::Tip {
        lane: sync_core::Lane([3; 16]),
        device: policy_core::DeviceId::from_bytes([4; 16]),
        seq: u64::from(n) + 1,
        commit: sync_core::CommitId([5; 32]),
    };
    let mut taken = 0;
    for part in 0..1_000 {
        let message = Message::Tips { scope: SPACE, part, last: false, tips: vec![tip(part); 10] };
        if session.handle(message, NOW).is_err() {
            break;
        }
        taken += 1;
    }
    assert_eq!(taken, 10);
}
