//! Whoever reaches the port opens connections and says nothing.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::{ALICE, LONG, OPERATOR, database, filled, start};

/// So many connections that say nothing, opened again as soon as they are closed.
fn flood(addr: &str, connections: usize) -> Arc<AtomicBool> {
    let port: u16 = addr.split('/').nth(4).unwrap().parse().unwrap();
    let connect = move || {
        let socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(socket)
    };
    let open = move |socket: &TcpStream| {
        // What the node says first is nothing to us; its end is.
        match std::io::Read::read(&mut { socket }, &mut [0]) {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let mut sockets: Vec<_> = (0..connections).filter_map(|_| connect()).collect();
    std::thread::spawn(move || {
        while !stopped.load(Ordering::SeqCst) {
            sockets.retain(open);
            sockets.extend((sockets.len()..connections).filter_map(|_| connect()));
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    stop
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_do_not_shut_devices_out() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(&[1, 2], 20, 1);
    let laptop = filled(&[1, 2], 0, 2);
    let first = start(&home, 1, database(&dir, "1").await).await;
    let stop = flood(&first.addrs()[0], 300);
    let second = start(&laptop, 2, database(&dir, "2").await).await;
    let addr = first.addrs()[0].clone();
    // It is tried again as it would be by the link; what counts is that it comes through at all.
    let mut added = second.add_replica(ALICE, &addr, None, OPERATOR).await;
    for _ in 0..5 {
        if added.is_err() {
            added = second.add_replica(ALICE, &addr, None, OPERATOR).await;
        }
    }
    added.unwrap();
    let waited = second.wait(ALICE, None, LONG, &[]).await;
    assert!(waited.settled, "{waited:?}");
    stop.store(true, Ordering::SeqCst);
}
