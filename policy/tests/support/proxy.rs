//! A TCP proxy that fails as networks do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(dead_code, reason = "not every test fails in every way")]
pub enum Mode {
    Pass,
    /// Connections are closed as soon as they are made.
    Refuse,
    /// Connections are made, and nothing ever comes back. One that saw this stays so.
    Swallow,
    /// The next call reaches the server; then, before its answer, the connection breaks. Once.
    CutAnswer,
}

pub struct Proxy {
    pub address: String,
    state: Arc<State>,
}

struct State {
    mode: AtomicU8,
    connections: AtomicU64,
    /// Counts up when all connections are to break.
    breaks: watch::Sender<u64>,
}

impl Proxy {
    pub async fn before(target: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = State {
            mode: AtomicU8::new(Mode::Pass as u8),
            connections: AtomicU64::new(0),
            breaks: watch::Sender::new(0),
        };
        let state = Arc::new(state);
        let (target, shared) = (target.to_owned(), Arc::clone(&state));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(client, target.clone(), Arc::clone(&shared)));
            }
        });
        Proxy { address, state }
    }

    pub fn set(&self, mode: Mode) {
        self.state.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// Breaks every connection that there is.
    pub fn cut(&self) {
        self.state.breaks.send_modify(|breaks| *breaks += 1);
    }

    /// How many connections were ever made.
    #[allow(dead_code, reason = "not every test counts them")]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl State {
    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::SeqCst) == mode as u8
    }
}

async fn connection(client: TcpStream, target: String, state: Arc<State>) {
    let mut breaks = state.breaks.subscribe();
    if state.is(Mode::Refuse) {
        return;
    }
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    tokio::select! {
        () = pump(client_in, server_out, &state, false) => {}
        () = pump(server_in, client_out, &state, true) => {}
        _ = breaks.changed() => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, answers: bool) {
    let mut bytes = vec![0; 64 << 10];
    let mut frames = Frames::default();
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
        if state.is(Mode::Swallow) {
            return std::future::pending().await;
        }
        let answered = frames.headers(&bytes[..length]) && answers;
        let cut = (Mode::CutAnswer as u8, Mode::Pass as u8);
        if answered && state.mode.compare_exchange(cut.0, cut.1, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            return;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

/// The frames of HTTP/2 in a stream of bytes: nine bytes of head, of which three are the length and one the type.
#[derive(Default)]
struct Frames {
    head: Vec<u8>,
    skip: usize,
}

impl Frames {
    /// Whether a HEADERS frame begins in these bytes: from a server, an answer.
    fn headers(&mut self, mut bytes: &[u8]) -> bool {
        let mut found = false;
        while !bytes.is_empty() {
            let skip = self.skip.min(bytes.len());
            (self.skip, bytes) = (self.skip - skip, &bytes[skip..]);
            let head = (9 - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..head]);
            bytes = &bytes[head..];
            if let &[a, b, c, kind, ..] = &self.head[..]
                && self.head.len() == 9
            {
                found |= kind == 1;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.head.clear();
            }
        }
        found
    }
}
