//! What peers send, and what is typed or scanned to reach them.

use ::policy_core::{DeviceId, SpaceId, UserId};
use ::sync::PeerAddr;
use ::sync::pairing::Code;
use bytes::Bytes;
use sync_core::{CommitId, Lane, Message, Offer, Reason, Scope, Tip, Version};

use crate::{Target, of_text, texts};

pub const MESSAGE: Target = Target { name: "sync-message", run: message, seeds: messages, words: &[] };
pub const CODE: Target = Target {
    name: "pairing-code",
    run: |bytes| {
        of_text(bytes, |text| {
            if let Ok(code) = Code::parse(text) {
                let written = code.encode();
                assert_eq!(Code::parse(&written).map(|code| code.encode()).ok(), Some(written));
            }
        });
    },
    seeds: codes,
    words: &["AA", "QDA", "=", "-", " "],
};
pub const ADDRESS: Target = Target {
    name: "peer-address",
    run: |bytes| {
        of_text(bytes, |text| {
            if let Ok(address) = PeerAddr::parse(text) {
                let written = address.to_string();
                assert_eq!(PeerAddr::parse(&written).map(|address| address.to_string()).ok(), Some(written));
            }
        });
    },
    seeds: || {
        texts(&[
            "/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5",
            "/ip6/2001:db8::1/tcp/4001/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5",
        ])
    },
    words: &["/ip4/", "/ip6/", "/tcp/", "/udp/", "/quic-v1", "/p2p/", "/dns4/", "::ffff:127.0.0.1", "65536"],
};

fn message(bytes: &[u8]) {
    for version in [Version::One, Version::Two] {
        if let Ok(message) = Message::decode(Bytes::copy_from_slice(bytes), version) {
            assert_eq!(message.encode(version), bytes, "there is one way to write it");
            assert!(message.size_hint() >= bytes.len() / 2, "what is read is counted");
        }
    }
}

fn messages() -> Vec<Vec<u8>> {
    let scope = Scope::Space(SpaceId::from_bytes([1; 16]));
    let tip = Tip { lane: Lane([2; 16]), device: DeviceId::from_bytes([3; 16]), seq: 300, commit: CommitId([4; 32]) };
    let offer = Offer {
        scope: Scope::Account(UserId::from_bytes([5; 16])),
        owner: UserId::from_bytes([5; 16]),
        digest: [6; 32],
        all_sent: true,
    };
    let all = [
        Message::Offers { offers: vec![offer, Offer { scope, ..offer }], last: true },
        Message::AskTips(scope),
        Message::Tips { scope, part: 1, last: true, tips: vec![tip] },
        Message::Data { scope, batch: 70_000, frames: vec![Bytes::from_static(b"frame"), Bytes::from_static(b"two")] },
        Message::Ack { scope, batch: 1 },
        Message::Nack { scope, batch: 1, stored: 2, reason: Reason::Gap },
        Message::Fork { scope, tip, other: CommitId([7; 32]) },
    ];
    let versions = [Version::One, Version::Two];
    versions.into_iter().flat_map(|version| all.iter().map(move |m| m.encode(version).to_vec())).collect()
}

fn codes() -> Vec<Vec<u8>> {
    let mut w = vault_core::cbor::Writer::new();
    w.array(6).uint(1).bytes(&[1; 32]).bytes(&[2; 16]).bytes(&[3; 32]).array(1).text("/ip4/192.0.2.1/tcp/1").int(9);
    vec![base32(w.as_bytes())]
}

/// RFC 4648, without padding.
fn base32(bytes: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let five = |bits: &[u8]| (0..5).fold(0, |value, at| value << 1 | bits.get(at).copied().unwrap_or(0));
    bits.chunks(5).map(|bits| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(five(bits))]).collect()
}
