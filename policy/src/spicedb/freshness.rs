//! How fresh an answer must be so that it knows every change that this process knows of.

use parking_lot::Mutex;

use crate::{Consistency, Token};

/// What the next read must see at least.
///
/// Tokens cannot be compared. So a change that another one may have overtaken is covered by reading at the head once;
/// the token of that answer covers both, and serves until the next change.
#[derive(Default)]
pub(super) struct Freshness(Mutex<State>);

#[derive(Default)]
struct State {
    /// Counts the changes that became known.
    changes: u64,
    /// A point that has seen them all; `None`: only the head surely has.
    covered: Option<Token>,
}

/// A read or write that began when so many changes were known.
#[derive(Clone, Copy)]
pub(super) struct Began(u64);

impl Freshness {
    pub(super) fn begin(&self) -> Began {
        Began(self.0.lock().changes)
    }

    /// What a read must ask for to see every change that is known now.
    pub(super) fn required(&self) -> Consistency {
        match &self.0.lock().covered {
            Some(token) => Consistency::AtLeast(token.clone()),
            None => Consistency::Full,
        }
    }

    /// A change of elsewhere is known.
    pub(super) fn changed(&self) {
        let mut state = self.0.lock();
        state.changes += 1;
        state.covered = None;
    }

    /// A change of our own was made at `token`. If nothing else became known meanwhile, it is the latest.
    pub(super) fn wrote(&self, began: Began, token: &Token) {
        let mut state = self.0.lock();
        state.covered = (state.changes == began.0).then(|| token.clone());
        state.changes += 1;
    }

    /// A read at the head was answered as of `token`.
    pub(super) fn read(&self, began: Began, token: &Token) {
        let mut state = self.0.lock();
        if state.changes == began.0 {
            state.covered = Some(token.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token(text.to_owned())
    }

    #[test]
    fn the_head_is_read_until_a_point_covers_all_that_is_known() {
        let fresh = Freshness::default();
        assert_eq!(fresh.required(), Consistency::Full, "at the start nothing is known");
        fresh.read(fresh.begin(), &token("r1"));
        assert_eq!(fresh.required(), Consistency::AtLeast(token("r1")));

        fresh.wrote(fresh.begin(), &token("w1"));
        assert_eq!(fresh.required(), Consistency::AtLeast(token("w1")));
        fresh.changed();
        assert_eq!(fresh.required(), Consistency::Full);
    }

    #[test]
    fn what_was_overtaken_covers_nothing() {
        let fresh = Freshness::default();
        let (read, write) = (fresh.begin(), fresh.begin());
        fresh.changed();
        fresh.read(read, &token("old"));
        assert_eq!(fresh.required(), Consistency::Full, "the read may not have seen the change");
        fresh.wrote(write, &token("w"));
        assert_eq!(fresh.required(), Consistency::Full, "the change may be later than the write");
        let (one, two) = (fresh.begin(), fresh.begin());
        fresh.wrote(one, &token("w1"));
        fresh.wrote(two, &token("w2"));
        assert_eq!(fresh.required(), Consistency::Full, "either write may be the later one");
    }
}
