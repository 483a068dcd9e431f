//! An enrolled device that sends what no device should.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, identity::Keypair, noise, tcp, yamux};
use sync_core::{Message, Offer, Version};

use crate::{LONG, SPACE, database, filled, start};
use sync_core::Scope;

async fn talk(addr: &str, seed: u8, bytes: Vec<u8>) -> Vec<u8> {
    talk_by("/allod/sync/2", addr, seed, bytes).await
}

/// Sends `bytes` by this protocol, closes its sending half, and returns all that comes back until the node closes.
async fn talk_by(protocol: &'static str, addr: &str, seed: u8, bytes: Vec<u8>) -> Vec<u8> {
    let addr: Multiaddr = addr.parse().unwrap();
    let mut swarm = SwarmBuilder::with_existing_identity(Keypair::ed25519_from_bytes([seed; 32]).unwrap())
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(30)))
        .build();
    let Some(libp2p::multiaddr::Protocol::P2p(peer)) = addr.iter().last() else { panic!("no peer in {addr}") };
    let mut control = swarm.behaviour().new_control();
    swarm.dial(DialOpts::peer_id(peer).addresses(vec![addr]).build()).unwrap();
    let driver = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    let mut stream = control.open_stream(peer, StreamProtocol::new(protocol)).await.unwrap();
    // The node may close before all is written: that is its right.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.flush().await;
    let mut back = Vec::new();
    // A session that has no reason to end goes on: then what came so far is the answer.
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut back)).await;
    driver.abort();
    back
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
    bytes.extend(message);
    bytes
}

/// The messages in `bytes`, all of this version.
fn messages(mut bytes: &[u8], version: Version) -> Vec<Message> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*head) as usize);
        all.push(Message::decode(message.to_vec().into(), version).unwrap());
        bytes = rest;
    }
    all
}

/// Whether tips are among the messages in `bytes`.
fn answers(bytes: &[u8]) -> bool {
    let all = messages(bytes, Version::Two);
    all.iter().any(|message| matches!(message, Message::Tips { tips, .. } if !tips.is_empty()))
}

/// A peer of the version before: its stream is taken, every byte on it is of that version, and it is sent everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_the_version_before_is_spoken_to_in_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(&[1, 2], 5, 1);
    let node = start(&home, 1, database(&dir, "1").await).await;
    let scope = Scope::Space(SPACE);
    // The bytes of version 1, as they were frozen: `[1, 2, 1, space]` asks, `[1, 3, 1, space, 0, true, []]` tells of nothing.
    let of_space = |head: &[u8], tail: &[u8]| framed(&[head, &[0x01, 0x50], SPACE.as_bytes(), tail].concat());
    let offers = Message::Offers {
        offers: vec![Offer { scope, owner: crate::ALICE, digest: [0; 32], all_sent: false }],
        last: true,
    };
    let said =
        [framed(&offers.encode(Version::One)), of_space(&[0x84, 1, 2], &[]), of_space(&[0x87, 1, 3], &[0, 0xf5, 0x80])]
            .concat();
    for (protocol, version) in [("/allod/sync/1", Version::One), ("/allod/sync/2", Version::Two)] {
        let back = talk_by(protocol, &node.addrs()[0], 2, said.clone()).await;
        if version == Version::Two {
            // The control: the same bytes on a stream of the present version are a breach.
            let back = messages(&back, Version::Two);
            assert!(!back.iter().any(|message| matches!(message, Message::Data { .. })), "{back:?}");
            continue;
        }
        let back = messages(&back, version);
        let offered = |message: &Message| matches!(message, Message::Offers { offers, .. } if offers.len() == 2);
        assert!(back.iter().any(offered), "{back:?}");
        let frames = back.iter().map(|message| match message {
            Message::Data { scope: of, frames, .. } if *of == scope => frames.len(),
            _ => 0,
        });
        assert_eq!(frames.sum::<usize>(), 1, "the control lane, whose end it waits for: {back:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_frames_end_their_session_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(&[1, 2], 5, 1);
    let node = start(&home, 1, database(&dir, "1").await).await;
    let before = home.holdings(Scope::Space(SPACE));
    let whole = framed(&Message::AskTips(Scope::Space(SPACE)).encode(Version::Two));
    let junk = Message::Data { scope: Scope::Space(SPACE), batch: 0, frames: vec![vec![9; 40].into()] };
    for hostile in [
        vec![0xff; 64],
        whole[..whole.len() - 1].to_vec(),
        framed(&[]),
        framed(&[0x9f, 0xff]),
        framed(&[0x81; 4096]),
        framed(&junk.encode(Version::Two)),
        framed(&junk.encode(Version::Two)).into_iter().map(|byte| byte ^ 0x40).collect(),
    ] {
        talk(&node.addrs()[0], 2, hostile).await;
        assert_eq!(home.holdings(Scope::Space(SPACE)), before);
    }
    // The controls: a good question of an enrolled key is answered; of another key it is not.
    assert!(answers(&talk(&node.addrs()[0], 2, whole.clone()).await));
    assert!(talk(&node.addrs()[0], 9, whole).await.is_empty());
    // And the node still syncs.
    let laptop = filled(&[1, 2], 0, 2);
    let second = start(&laptop, 2, database(&dir, "2").await).await;
    second.add_replica(crate::ALICE, &node.addrs()[0], None, crate::OPERATOR).await.unwrap();
    assert!(second.wait(crate::ALICE, None, LONG, &[]).await.settled);
}
