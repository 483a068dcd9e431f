//! An enrolled device that sends what no device should.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, identity::Keypair, noise, tcp, yamux};
use sync_core::Message;

use crate::{LONG, SPACE, database, filled, start};
use sync_core::Scope;

/// Sends `bytes`, closes its sending half, and returns all that comes back until the node closes.
async fn talk(addr: &str, seed: u8, bytes: Vec<u8>) -> Vec<u8> {
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
    let mut stream = control.open_stream(peer, StreamProtocol::new("/allod/sync/1")).await.unwrap();
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

/// Whether tips are among the messages in `bytes`.
fn answers(mut bytes: &[u8]) -> bool {
    while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*head) as usize);
        if let Ok(Message::Tips { tips, .. }) = Message::decode(message.to_vec().into()) {
            return !tips.is_empty();
        }
        bytes = rest;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_frames_end_their_session_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(&[1, 2], 5, 1);
    let node = start(&home, 1, database(&dir, "1").await).await;
    let before = home.holdings(Scope::Space(SPACE));
    let whole = framed(&Message::AskTips(Scope::Space(SPACE)).encode());
    let junk = Message::Data { scope: Scope::Space(SPACE), batch: 0, frames: vec![vec![9; 40].into()] };
    for hostile in [
        vec![0xff; 64],
        whole[..whole.len() - 1].to_vec(),
        framed(&[]),
        framed(&[0x9f, 0xff]),
        framed(&[0x81; 4096]),
        framed(&junk.encode()),
        framed(&junk.encode()).into_iter().map(|byte| byte ^ 0x40).collect(),
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
