//! A record of every decoded message, for tests that search them for plaintext.
//!
//! `ALLOD_SYNC_TRACE=FILE` turns it on, for nodes and replicas. Each record is a line of text (a
//! direction, the peer, the kind, the number of bytes) and the bytes of the message as they are
//! after transport decryption. Never on in normal service: the file grows without bound.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use parking_lot::Mutex;

/// An open trace.
#[derive(Debug)]
pub(crate) struct Trace(Mutex<File>);

/// Which way a message went.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    Sent,
    Received,
}

impl Trace {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Trace(Mutex::new(OpenOptions::new().create(true).append(true).open(path)?)))
    }

    pub(crate) fn record(&self, way: Direction, peer: &str, kind: &str, bytes: &[u8]) {
        let arrow = match way {
            Direction::Sent => "sent to",
            Direction::Received => "received from",
        };
        let mut file = self.0.lock();
        let head = format!("{arrow} {peer} {kind} {}\n", bytes.len());
        let written =
            file.write_all(head.as_bytes()).and_then(|()| file.write_all(bytes)).and_then(|()| file.write_all(b"\n"));
        if let Err(error) = written {
            tracing::warn!(%error, "a message was not traced");
        }
    }
}
