//! A load generator that costs little beside what it measures: HTTP/1.1 over kept-alive connections,
//! requests written whole from memory, answers read by their `content-length`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A POST of JSON, as bytes on the wire.
pub fn post(path: &str, token: Option<&str>, space: Option<&str>, body: &str) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n");
    if let Some(token) = token {
        head.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    if let Some(space) = space {
        head.push_str(&format!("allod-space: {space}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    head.into_bytes()
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads its answer; returns the body.
    pub async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            let Some(head) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head])?.to_ascii_lowercase();
            if !(text.starts_with("http/1.1 200") || text.starts_with("http/1.1 201")) {
                bail!("answered {}", String::from_utf8_lossy(&self.buffer));
            }
            if text.contains("transfer-encoding: chunked") {
                while !self.buffer.ends_with(b"0\r\n\r\n") {
                    ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "cut off");
                }
                return Ok(&self.buffer[head + 4..]);
            }
            let length: usize = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .context("no content-length")?
                .trim()
                .parse()?;
            while self.buffer.len() < head + 4 + length {
                ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "cut off");
            }
            return Ok(&self.buffer[head + 4..head + 4 + length]);
        }
    }
}

/// Requests a second, `clients` connections at once, for `slice`, or until `requests_max` were sent.
/// `request(n)` gives the n-th request; an answer that holds `errors` ends the run.
pub async fn rate<F>(address: &str, clients: usize, slice: Duration, requests_max: usize, request: F) -> Result<f64>
where
    F: Fn(usize) -> Vec<u8> + Send + Sync + 'static,
{
    let request = Arc::new(request);
    let sent = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Connection::open(address).await?);
    }
    let begun = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let (request, sent) = (Arc::clone(&request), Arc::clone(&sent));
            tokio::spawn(async move {
                let mut done = 0usize;
                while begun.elapsed() < slice {
                    let n = sent.fetch_add(1, Ordering::Relaxed);
                    if n >= requests_max {
                        break;
                    }
                    let answer = connection.ask(&request(n)).await?;
                    ensure!(!answer.starts_with(b"{\"errors\""), "{}", String::from_utf8_lossy(answer));
                    done += 1;
                }
                Ok::<_, anyhow::Error>(done)
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await??;
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}
