//! Changes an input as fuzzers do: bits, bytes, lengths, words of the language, pieces of another input.

use rand::{Rng, RngExt};

/// Numbers at which lengths and counts break.
const EDGES: [u8; 10] = [0x00, 0x01, 0x17, 0x18, 0x1b, 0x5f, 0x7f, 0x80, 0x9f, 0xff];
/// Longest input, in bytes.
const LONGEST: usize = 4_096;

/// A change of `input`; `other` is another input of the same target.
pub fn mutate(input: &[u8], other: &[u8], words: &[&str], rng: &mut impl Rng) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..rng.random_range(1..=6) {
        let at = rng.random_range(0..=out.len());
        let end = (at + rng.random_range(0..=16)).min(out.len());
        match rng.random_range(0..9) {
            0 if at < out.len() => out[at] ^= 1 << rng.random_range(0..8),
            1 if at < out.len() => out[at] = EDGES[rng.random_range(0..EDGES.len())],
            2 => out.insert(at, EDGES[rng.random_range(0..EDGES.len())]),
            3 => drop(out.drain(at..end)),
            4 => {
                let piece = out[at..end].to_vec();
                let times = if rng.random_bool(0.05) { 200 } else { 2 };
                (0..times).for_each(|_| drop(out.splice(at..at, piece.iter().copied())));
            }
            5 if !other.is_empty() => {
                let from = rng.random_range(0..other.len());
                let piece = &other[from..(from + rng.random_range(1..=32)).min(other.len())];
                drop(out.splice(at..end, piece.iter().copied()));
            }
            6 | 7 if !words.is_empty() => {
                let word = words[rng.random_range(0..words.len())];
                drop(out.splice(at..if rng.random_bool(0.5) { end } else { at }, word.bytes()));
            }
            _ => out.truncate(at),
        }
        out.truncate(LONGEST);
    }
    out
}
