//! What the next backup of a place has to send. Pure: what the log and the place hold is told.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{Manifest, ScopeEnd, ScopeName, Stored};

/// Segments whose files are smaller than this are put together once there are so many of them.
const SMALL_SEGMENT_BYTES: u64 = 128 << 10;
const SMALL_SEGMENTS: usize = 16;

/// A scope of the log as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub end: ScopeEnd,
    /// At the position where the newest backup ends: the last commit of the row there, if that is there, and how many rows
    /// there are up to it.
    pub then: Option<(Option<[u8; 32]>, u64)>,
}

/// How the file of a segment was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    Whole,
    /// Not there, of another length, or it does not open.
    Lost,
}

/// A scope of which the place holds more than the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    pub scope: ScopeName,
    pub has: u64,
    pub had: u64,
}

/// Why nothing can be added to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It holds what this directory lacks.
    Newer(Vec<Ahead>),
    /// It goes on otherwise than this directory does, from some position on.
    Diverged(ScopeName),
    /// It is of another node, or of another log.
    Another,
}

/// Rows of a scope: those behind `after`, up to `to`.
pub type Rows = (ScopeName, u64, u64);

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Segments that the next backup rests on as they are.
    pub keep: Vec<Stored>,
    /// Those whose files are lost: the same rows are sealed once more, which gives the same file.
    pub again: Vec<Stored>,
    /// What no segment holds yet, in order.
    pub send: Vec<Rows>,
}

/// Compares the newest backup of a place with the log.
///
/// # Errors
/// If the place is ahead of the log, or is not this log's.
pub fn plan(newest: Option<&Manifest>, now: &[Now], found: impl Fn(&Stored) -> Present) -> Result<Plan, Refused> {
    let mut send: BTreeSet<Rows> = BTreeSet::new();
    let Some(newest) = newest else {
        send.extend(now.iter().map(|now| (now.end.scope, 0, now.end.position)));
        return Ok(Plan { send: joined(send), ..Plan::default() });
    };
    let mut scopes: BTreeMap<ScopeName, &Now> = now.iter().map(|now| (now.end.scope, now)).collect();
    let (mut ahead, mut rewritten) = (Vec::new(), BTreeSet::new());
    for had in &newest.scopes {
        let Some(now) = scopes.remove(&had.scope).filter(|now| now.end.position >= had.position) else {
            let has = now.iter().find(|now| now.end.scope == had.scope).map_or(0, |now| now.end.position);
            ahead.push(Ahead { scope: had.scope, has, had: had.position });
            continue;
        };
        match now.then {
            // A position is used once in a log: another row there is another log's.
            Some((Some(commit), _)) if commit != had.commit => return Err(Refused::Diverged(had.scope)),
            Some((Some(_), rows)) if rows == had.rows => {
                if now.end.position > had.position {
                    send.insert((had.scope, had.position, now.end.position));
                }
            }
            // Rows were taken out and written again at the end.
            _ => drop(rewritten.insert(had.scope)),
        }
        if rewritten.contains(&had.scope) {
            send.insert((had.scope, 0, now.end.position));
        }
    }
    if !ahead.is_empty() {
        return Err(Refused::Newer(ahead));
    }
    send.extend(scopes.values().map(|now| (now.end.scope, 0, now.end.position)));
    let small = newest.segments.iter().filter(|stored| stored.bytes < SMALL_SEGMENT_BYTES).count();
    let (mut keep, mut again) = (Vec::new(), Vec::new());
    for stored in &newest.segments {
        let touched = stored.ranges.iter().any(|range| rewritten.contains(&range.scope));
        if touched || (small >= SMALL_SEGMENTS && stored.bytes < SMALL_SEGMENT_BYTES) {
            let others = stored.ranges.iter().filter(|range| !rewritten.contains(&range.scope));
            send.extend(others.map(|range| (range.scope, range.first.saturating_sub(1), range.last)));
        } else if found(stored) == Present::Lost {
            again.push(stored.clone());
        } else {
            keep.push(stored.clone());
        }
    }
    Ok(Plan { keep, again, send: joined(send) })
}

/// Ranges that follow each other, made one.
fn joined(rows: BTreeSet<Rows>) -> Vec<Rows> {
    let mut all: Vec<Rows> = Vec::new();
    for (scope, after, to) in rows.into_iter().filter(|(_, after, to)| to > after) {
        match all.last_mut().filter(|last| last.0 == scope && last.2 >= after) {
            Some(last) => last.2 = last.2.max(to),
            None => all.push((scope, after, to)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{StoredRange, example};
    use crate::seal::DataName;

    /// The log as the example's backup found it, and with more rows.
    fn log(more: u64) -> Vec<Now> {
        let now = |had: &ScopeEnd| {
            let (position, rows) = (had.position + more, had.rows + more);
            Now { end: ScopeEnd { position, rows, ..*had }, then: Some((Some(had.commit), had.rows)) }
        };
        example().scopes.iter().map(now).collect()
    }

    fn whole(_: &Stored) -> Present {
        Present::Whole
    }

    #[test]
    fn the_first_backup_sends_everything_and_the_next_what_is_new() {
        let first = plan(None, &log(0), whole).unwrap();
        assert_eq!(first.send, [([0; 17], 0, 9), ([1; 17], 0, 20)]);
        let again = plan(Some(&example()), &log(0), whole).unwrap();
        assert_eq!((again.keep, again.send), (example().segments, vec![]));
        let mut grown = log(2);
        grown.push(Now { end: ScopeEnd { scope: [2; 17], position: 3, rows: 3, commit: [1; 32] }, then: None });
        let next = plan(Some(&example()), &grown, whole).unwrap();
        assert_eq!(next.send, [([0; 17], 9, 11), ([1; 17], 20, 22), ([2; 17], 0, 3)]);
        assert_eq!(next.keep, example().segments);
    }

    #[test]
    fn a_lost_segment_is_sent_again_with_the_same_rows() {
        let next = plan(Some(&example()), &log(1), |_| Present::Lost).unwrap();
        assert_eq!((next.keep, next.again), (vec![], example().segments));
        assert_eq!(next.send, [([0; 17], 9, 10), ([1; 17], 20, 21)]);
    }

    #[test]
    fn a_place_that_is_ahead_or_goes_on_otherwise_takes_nothing() {
        let mut behind = log(0);
        behind[1].end.position = 12;
        behind[1].then = Some((None, 12));
        let ahead = Ahead { scope: [1; 17], has: 12, had: 20 };
        assert_eq!(plan(Some(&example()), &behind, whole).unwrap_err(), Refused::Newer(vec![ahead]));
        let gone = Ahead { scope: [0; 17], has: 0, had: 9 };
        assert_eq!(plan(Some(&example()), &log(0)[1..], whole).unwrap_err(), Refused::Newer(vec![gone]));
        let mut other = log(5);
        other[0].then = Some((Some([0; 32]), 9));
        assert_eq!(plan(Some(&example()), &other, whole).unwrap_err(), Refused::Diverged([0; 17]));
    }

    #[test]
    fn a_scope_that_was_written_again_is_sent_anew_with_what_lay_beside_it() {
        for then in [Some((None, 17)), Some((Some([8; 32]), 17))] {
            let mut now = log(3);
            now[1].then = then;
            let next = plan(Some(&example()), &now, whole).unwrap();
            assert_eq!(next.keep, []);
            assert_eq!(next.send, [([0; 17], 0, 12), ([1; 17], 0, 23)]);
        }
    }

    #[test]
    fn many_small_segments_become_one_and_large_ones_stay() {
        let mut manifest = example();
        manifest.segments = (0..20)
            .map(|n| Stored {
                name: DataName([n; 32]),
                bytes: if n < 18 { 100 } else { SMALL_SEGMENT_BYTES },
                ranges: vec![StoredRange { scope: [1; 17], first: u64::from(n) + 1, last: u64::from(n) + 1, rows: 1 }],
            })
            .collect();
        manifest.scopes[1].rows = 20;
        let mut now = log(1);
        now[1].then = Some((Some([8; 32]), 20));
        let next = plan(Some(&manifest), &now, whole).unwrap();
        assert_eq!(next.keep.len(), 2);
        assert_eq!(next.send, [([0; 17], 9, 10), ([1; 17], 0, 18), ([1; 17], 20, 21)]);
    }
}
