//! Points of a store's history as opaque text, and places in lists.

#[cfg(test)]
mod tests;

use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Cursor, Reason, ServiceError, Token};

const VERSION: u8 = 1;
/// Version, store, sequence, schema.
const TOKEN_BYTES: usize = 1 + 16 + 8 + 8;
/// Version, store, sequence, request; the position follows.
const CURSOR_BYTES: usize = 1 + 16 + 8 + 16;

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    At(u64),
    /// The token is of another store; what it says means nothing here.
    Foreign,
}

/// The beginning of the hash of a schema's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaHash(pub [u8; 8]);

impl SchemaHash {
    pub fn of(text: &str) -> Self {
        let mut hash = [0; 8];
        hash.copy_from_slice(&Sha256::digest(text)[..8]);
        SchemaHash(hash)
    }
}

pub fn encode(store: Uuid, sequence: u64, schema: SchemaHash) -> Token {
    let mut bytes = Vec::with_capacity(TOKEN_BYTES);
    bytes.push(VERSION);
    bytes.extend(store.as_bytes());
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(schema.0);
    Token(BASE64.encode(&bytes))
}

/// # Errors
/// [`Reason::InvalidToken`] for what was never a token.
pub fn decode(token: &Token, store: Uuid) -> Result<Point, ServiceError> {
    let bytes = BASE64.decode(token.0.as_bytes()).unwrap_or_default();
    if is_spicedb(&bytes) {
        return Ok(Point::Foreign);
    }
    if bytes.len() != TOKEN_BYTES || bytes.first() != Some(&VERSION) {
        return Err(ServiceError::new(Reason::InvalidToken, "invalid revision requested"));
    }
    if bytes[1..17] != store.as_bytes()[..] {
        return Ok(Point::Foreign);
    }
    Ok(Point::At(sequence(&bytes)))
}

fn sequence(bytes: &[u8]) -> u64 {
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&bytes[17..25]);
    u64::from_be_bytes(sequence)
}

/// Whether the bytes are a token of SpiceDB, as who moves here from there has kept: one message of one field.
fn is_spicedb(bytes: &[u8]) -> bool {
    matches!(bytes, [0x12 | 0x1a, length, rest @ ..] if usize::from(*length) == rest.len() && *length > 0)
}

/// The request that a cursor is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request([u8; 16]);

impl Request {
    /// `call` and everything that it is asked with, except where to begin.
    pub fn of(call: &str, asked: &impl std::fmt::Debug) -> Self {
        let mut request = [0; 16];
        request.copy_from_slice(&Sha256::digest(format!("{call} {asked:?}"))[..16]);
        Request(request)
    }
}

/// A place in the answers to a request, at one point of the store.
pub fn cursor(store: Uuid, sequence: u64, request: Request, position: &str) -> Cursor {
    let mut bytes = Vec::with_capacity(CURSOR_BYTES + position.len());
    bytes.push(VERSION);
    bytes.extend(store.as_bytes());
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(request.0);
    bytes.extend(position.as_bytes());
    Cursor(BASE64.encode(&bytes))
}

/// The sequence and the position.
///
/// # Errors
/// [`Reason::InvalidCursor`] if it is none, or of another request or store.
pub fn position(cursor: &Cursor, store: Uuid, request: Request) -> Result<(u64, String), ServiceError> {
    let invalid = |message: &str| ServiceError::new(Reason::InvalidCursor, message);
    let bytes = BASE64.decode(cursor.0.as_bytes()).map_err(|_| invalid("error decoding cursor: it is not base64"))?;
    if bytes.len() < CURSOR_BYTES || bytes[0] != VERSION || bytes[1..17] != store.as_bytes()[..] {
        return Err(invalid("error decoding cursor: it is none of this store"));
    }
    if bytes[25..CURSOR_BYTES] != request.0 {
        return Err(invalid(
            "the cursor provided does not have the same arguments as the original API call; please ensure you are \
             making the same API call, with the exact same parameters (besides the cursor)",
        ));
    }
    let position = String::from_utf8(bytes[CURSOR_BYTES..].to_vec())
        .map_err(|_| invalid("error decoding cursor: its position is not text"))?;
    Ok((sequence(&bytes), position))
}
