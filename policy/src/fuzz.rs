//! Tokens and cursors as clients hand them back, for fuzzers: any text, which must not panic.

use uuid::Uuid;

use crate::token::{Point, Request, SchemaHash, cursor, decode, encode, position};
use crate::{Cursor, Token};

/// The store that asks.
const STORE: Uuid = Uuid::nil();

fn request() -> Request {
    Request::of("read", &())
}

/// A token or a cursor of this store.
pub fn token(text: &str) {
    if let Ok(Point::At(sequence)) = decode(&Token(text.to_owned()), STORE) {
        let written = encode(STORE, sequence, SchemaHash([0; 8]));
        assert_eq!(decode(&written, STORE), Ok(Point::At(sequence)), "what was written is read");
        assert_eq!(written.0.len(), text.len(), "there is one form of it");
    }
    if let Ok((sequence, place)) = position(&Cursor(text.to_owned()), STORE, request()) {
        assert_eq!(cursor(STORE, sequence, request(), &place).0, text, "there is one way to write it");
    }
}

/// Those that are read, of this store and of another.
pub fn tokens() -> Vec<String> {
    let schema = SchemaHash::of("definition user {}");
    vec![
        encode(STORE, 7, schema).0,
        encode(Uuid::max(), u64::MAX, schema).0,
        cursor(STORE, 7, request(), "document:a#viewer@user:b").0,
        cursor(Uuid::max(), 7, request(), "").0,
        // As SpiceDB gives them.
        "GhUKEzE3NTY0MTI4MDAwMDAwMDAwMDA=".to_owned(),
    ]
}
