//! An SMTP server for tests, in a thread of this process: it keeps what it is handed, and can be told to hang or to refuse.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What the server does with whoever comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It takes what it is handed.
    Takes,
    /// It says nothing at all.
    Hangs,
    /// It takes nothing now.
    Later,
    /// It knows nobody of that address.
    Refuses,
}

/// A letter that was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and text, lines parted by `\n`.
    pub text: String,
    /// Whether it came over TLS.
    pub sealed: bool,
}

impl Received {
    /// The value of a header; empty, if there is none.
    pub fn header(&self, name: &str) -> &str {
        let head = self.text.split("\n\n").next().unwrap_or_default();
        let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_default()
    }
}

#[derive(Default)]
struct Kept {
    letters: Vec<Received>,
    came: usize,
}

/// A running server, until it is dropped.
pub struct SmtpServer {
    pub port: u16,
    kept: Arc<Mutex<Kept>>,
    manner: Arc<Mutex<Manner>>,
    end: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        drop(self.end.take());
    }
}

fn held<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SmtpServer {
    /// Serves at a free port of this machine. With `tls` it offers STARTTLS, and takes nothing without.
    ///
    /// # Panics
    /// If it cannot.
    pub fn start(tls: Option<TlsAcceptor>) -> SmtpServer {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let port = listener.local_addr().expect("its address").port();
        let (kept, manner) = (Arc::new(Mutex::new(Kept::default())), Arc::new(Mutex::new(Manner::Takes)));
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let (keeps, behaves) = (Arc::clone(&kept), Arc::clone(&manner));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                let serve = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        held(&keeps).came += 1;
                        let (tls, keeps, behaves) = (tls.clone(), Arc::clone(&keeps), Arc::clone(&behaves));
                        tokio::spawn(async move { session(stream, tls, &keeps, &behaves).await });
                    }
                };
                tokio::select! { () = serve => {}, _ = ended => {} }
            });
        });
        SmtpServer { port, kept, manner, end: Some(end) }
    }

    /// What it does with whoever comes from now on.
    pub fn behave(&self, manner: Manner) {
        *held(&self.manner) = manner;
    }

    /// What it has taken so far.
    pub fn letters(&self) -> Vec<Received> {
        held(&self.kept).letters.clone()
    }

    /// How often somebody came.
    pub fn came(&self) -> usize {
        held(&self.kept).came
    }

    /// Waits until it has taken so many letters in all; these.
    ///
    /// # Errors
    /// If they do not come within a minute.
    pub async fn has(&self, count: usize) -> Result<Vec<Received>> {
        let begun = Instant::now();
        loop {
            let letters = self.letters();
            if letters.len() >= count {
                return Ok(letters);
            }
            ensure!(begun.elapsed() < Duration::from_secs(60), "{} letters came, not {count}", letters.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn session(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    kept: &Mutex<Kept>,
    manner: &Mutex<Manner>,
) -> std::io::Result<()> {
    let offers = tls.is_some();
    let Some(stream) = talk(stream, (true, offers, false), kept, manner).await? else { return Ok(()) };
    let Some(tls) = tls else { return Ok(()) };
    let stream = tls.accept(stream).await?;
    talk(stream, (false, false, true), kept, manner).await.map(drop)
}

/// Speaks until the end, or until TLS is to begin. Whether it greets, offers TLS, and is under it.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    (greets, offers, sealed): (bool, bool, bool),
    kept: &Mutex<Kept>,
    manner: &Mutex<Manner>,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    let hangs = *held(manner) == Manner::Hangs;
    if hangs {
        std::future::pending::<()>().await;
    }
    if greets {
        stream.write_all(b"220 sink\r\n").await?;
    }
    let (mut letter, mut body) = (Received { sealed, ..Received::default() }, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if body {
            if line == "." {
                body = false;
                held(kept).letters.push(std::mem::replace(&mut letter, Received { sealed, ..Received::default() }));
                stream.write_all(b"250 taken\r\n").await?;
            } else {
                letter.text.push_str(line.strip_prefix('.').unwrap_or(line));
                letter.text.push('\n');
            }
            continue;
        }
        let within = |text: &str| text.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let behaves = *held(manner);
        let answer = match (verb.as_str(), behaves) {
            ("EHLO", _) if offers => "250-sink\r\n250 STARTTLS\r\n",
            ("EHLO", _) => "250 sink\r\n",
            ("STARTTLS", _) if offers => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(Some(stream.into_inner()));
            }
            ("QUIT", _) => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(None);
            }
            ("MAIL", _) if offers => "530 STARTTLS first\r\n",
            ("MAIL", _) => {
                letter.from = within(line);
                "250 ok\r\n"
            }
            ("RCPT", Manner::Refuses) => "550 nobody here\r\n",
            ("RCPT", Manner::Later) => "451 later\r\n",
            ("RCPT", _) => {
                letter.to.push(within(line));
                "250 ok\r\n"
            }
            ("DATA", _) => {
                body = true;
                "354 go on\r\n"
            }
            _ => "250 ok\r\n",
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}
