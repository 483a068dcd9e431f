//! A connection of which one line at most is read at a time.
//!
//! What a stranger on the way puts behind the server's agreement to TLS, in clear, would else lie in a buffer and be taken
//! for what the server said under TLS. So it meets the handshake, which fails of it.
//!
//! And lines have an end here: whoever reads one keeps all of it until then.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;

/// The longest line in clear, in bytes; RFC 5321, 4.5.3.1.5 has 512.
const LINE: usize = 2 << 10;
/// All that is said in clear: an answer of many lines is read anew with each.
const CLEAR: usize = 8 << 10;
/// And all in all: a connection carries one letter.
const ALL: usize = 64 << 10;
/// What a handshake begins with (RFC 8446, 5.1), and no command.
const HANDSHAKE: u8 = 0x16;

/// The connection.
#[derive(Debug)]
pub(crate) struct Lines {
    stream: BufReader<TcpStream>,
    /// Bytes of the line that is read.
    line: usize,
    all: usize,
    /// Under TLS bytes are no lines.
    sealed: bool,
}

impl Lines {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Lines { stream: BufReader::new(stream), line: 0, all: 0, sealed: false }
    }

    fn count(&mut self, read: usize, ended: bool) -> io::Result<()> {
        self.all += read;
        self.line = if self.sealed { 0 } else { self.line + read };
        if self.line > LINE || self.all > if self.sealed { ALL } else { CLEAR } {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it says more than a server for letters does"));
        }
        if ended {
            self.line = 0;
        }
        Ok(())
    }
}

impl AsyncRead for Lines {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let there = ready!(Pin::new(&mut self.stream).poll_fill_buf(cx))?;
        let line = there.iter().position(|byte| *byte == b'\n').map_or(there.len(), |end| end + 1);
        let taken = line.min(out.remaining());
        let ended = there[..taken].ends_with(b"\n");
        out.put_slice(&there[..taken]);
        Pin::new(&mut self.stream).consume(taken);
        Poll::Ready(self.count(taken, ended))
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sealed |= bytes.first() == Some(&HANDSHAKE);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Lines {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().peer_addr()
    }
}
