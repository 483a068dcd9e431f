//! Every parser of bytes or text that comes from outside, as a target of a fuzzer.
//!
//! A target takes any bytes. It must not panic, hang or eat the memory; and where what was read can be written again, it
//! must mean the same. `tests/replay.rs` runs each on its seeds, on its corpus (`corpus/NAME/`, with everything that a
//! long run ever found in it) and on seeded mutations of both; `make fuzz` runs them for as long as one likes.
#![forbid(unsafe_code)]

pub mod mutate;
mod targets;

/// A parser that is fed.
#[derive(Clone, Copy)]
pub struct Target {
    /// As its folder in `corpus` is called.
    pub name: &'static str,
    /// Panics if the parser does what it must not.
    pub run: fn(&[u8]),
    /// Inputs that it takes, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its language.
    pub words: &'static [&'static str],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    targets::vault::COMMIT,
    targets::vault::FRAME,
    targets::vault::CBOR,
    targets::sync::MESSAGE,
    targets::sync::CODE,
    targets::sync::ADDRESS,
    targets::policy::SCHEMA,
    targets::policy::EXPRESSION,
    targets::policy::RELATIONSHIP,
    targets::policy::VALIDATION,
    targets::policy::TOKEN,
    targets::graphql::DEFINITIONS,
    targets::graphql::DOCUMENT,
    targets::graphql::VARIABLES,
    targets::gateway::GRANT,
    targets::gateway::MANIFEST,
    targets::gateway::REQUEST,
    targets::gateway::HEADERS,
    targets::gateway::PROOF,
    targets::gateway::PLACE,
    targets::gateway::SENDER,
    targets::gateway::SETTINGS,
    targets::transfer::LINES,
    targets::transfer::OBJECT,
    targets::transfer::CELLS,
    targets::transfer::TABLES,
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Seeds that are text.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Runs `read` where the bytes are text.
fn of_text(bytes: &[u8], read: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(text);
    }
}
