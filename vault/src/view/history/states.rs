//! The states of a document along its commits: each is the one before it with one commit more, so that all of them
//! together cost what the last one does. Only where writers met again is the state folded anew.

use cid::Cid;
use hashbrown::{HashMap, HashSet};
use vault_core::crdt::DocumentState;
use vault_core::document::DocumentCommit;

use crate::view::ReadError;
use crate::view::watch::Watch;

/// So many states are kept for commits that go on from them; those that go on from others fold anew.
const KEPT: usize = 32;

/// The commits of a document, parents before children, and who follows whom.
struct Line<'c> {
    commits: &'c [DocumentCommit],
    parents: Vec<Vec<usize>>,
    /// Commits that go on from this one alone, and were not reached yet.
    followers: Vec<usize>,
}

impl<'c> Line<'c> {
    fn new(commits: &'c [DocumentCommit]) -> Self {
        let index: HashMap<Cid, usize> = commits.iter().enumerate().map(|(i, commit)| (commit.cid, i)).collect();
        let known = |commit: &DocumentCommit| -> Vec<usize> {
            let mut known: Vec<usize> = commit.parents.iter().filter_map(|parent| index.get(parent).copied()).collect();
            known.sort_unstable();
            known.dedup();
            known
        };
        let parents: Vec<Vec<usize>> = commits.iter().map(known).collect();
        let mut followers = vec![0; commits.len()];
        for parents in &parents {
            if let [one] = parents[..] {
                followers[one] += 1;
            }
        }
        Line { commits, parents, followers }
    }

    /// The state at `at`, from its commits.
    fn fold(&self, at: usize, watch: &Watch) -> Result<DocumentState, ReadError> {
        let mut seen: HashSet<usize> = HashSet::new();
        let mut open = vec![at];
        while let Some(i) = open.pop() {
            if seen.insert(i) {
                watch.step(0)?;
                open.extend(&self.parents[i]);
            }
        }
        let mut seen: Vec<usize> = seen.into_iter().collect();
        seen.sort_unstable();
        let state = DocumentState::fold(seen.iter().map(|&i| &self.commits[i]));
        watch.look()?;
        Ok(state)
    }
}

/// What `of` says of the state at each commit, by its place. It is also told what it said of the commit before, where
/// this one changes nothing of the document.
pub(super) fn along<T>(
    commits: &[DocumentCommit],
    watch: &Watch,
    mut of: impl FnMut(usize, &DocumentState, Option<&T>) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let mut line = Line::new(commits);
    let mut kept: HashMap<usize, DocumentState> = HashMap::new();
    let mut all: Vec<T> = Vec::with_capacity(commits.len());
    for (at, commit) in commits.iter().enumerate() {
        watch.step(0)?;
        let before = match line.parents[at][..] {
            [] => Some(DocumentState::default()),
            [parent] if parent < at => {
                line.followers[parent] -= 1;
                if line.followers[parent] == 0 { kept.remove(&parent) } else { kept.get(&parent).cloned() }
            }
            _ => None,
        };
        let next = before.and_then(|mut state| state.apply_linear(commit).then_some(state));
        let state = match next {
            Some(state) => state,
            None => line.fold(at, watch)?,
        };
        let same = match line.parents[at][..] {
            [parent] if commit.deltas.is_empty() && commit.status.is_none() => all.get(parent),
            _ => None,
        };
        let said = of(at, &state, same)?;
        all.push(said);
        if line.followers[at] > 0 && kept.len() < KEPT {
            kept.insert(at, state);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use vault_core::document::Status;

    use super::*;
    use crate::view::tests::{BOOK, PAGES, TITLE, cid, commit, doc, int, text};

    /// Commits of which each follows some of those before it.
    fn graph(steps: &[(Vec<usize>, u8)]) -> Vec<DocumentCommit> {
        let mut all: Vec<DocumentCommit> = Vec::new();
        for (n, (parents, kind)) in steps.iter().enumerate() {
            let mut parents: Vec<usize> = parents.iter().filter(|_| n > 0).map(|parent| parent % n.max(1)).collect();
            parents.sort_unstable();
            parents.dedup();
            let values = match kind % 4 {
                0 => vec![(TITLE, text(&format!("t{n}")))],
                1 => vec![(PAGES, int(n as i64)), (TITLE, text("same"))],
                2 => vec![(PAGES, int(n as i64))],
                _ => vec![],
            };
            let names: Vec<String> = parents.iter().map(|parent| format!("c{parent}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut one = commit(BOOK, doc(1), &format!("c{n}"), &names, values);
            one.height = parents.iter().map(|&parent| all[parent].height + 1).max().unwrap_or(0);
            one.status = match kind / 4 {
                3 => Some(Status::Deleted),
                4 => Some(Status::Undeleted),
                _ => None,
            };
            all.push(one);
        }
        all.sort_by_key(|commit| (commit.height, commit.cid));
        all
    }

    fn before(commits: &[DocumentCommit], at: usize) -> Vec<DocumentCommit> {
        let (mut seen, mut open) = (vec![at], vec![at]);
        while let Some(i) = open.pop() {
            for parent in &commits[i].parents {
                let parent = commits.iter().position(|commit| commit.cid == *parent).unwrap();
                if !seen.contains(&parent) {
                    seen.push(parent);
                    open.push(parent);
                }
            }
        }
        seen.into_iter().map(|i| commits[i].clone()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// Each state is the fold of the commits that its commit saw, however they branch and meet.
        #[test]
        fn a_state_along_the_way_is_the_fold_of_what_was_before_it(
            steps in proptest::collection::vec((proptest::collection::vec(0..60usize, 0..3), 0..20u8), 1..60),
        ) {
            let commits = graph(&steps);
            let watch = Watch::new(Duration::from_secs(300));
            let states = along(&commits, &watch, |_, state, _: Option<&DocumentState>| Ok(state.clone())).unwrap();
            for (at, state) in states.iter().enumerate() {
                prop_assert_eq!(state, &DocumentState::fold(&before(&commits, at)), "at {}", at);
            }
        }
    }

    #[test]
    fn the_clock_is_looked_at_along_the_way() {
        let steps: Vec<(Vec<usize>, u8)> = (0..1_000usize).map(|n| (vec![n.saturating_sub(1)], 0)).collect();
        let commits = graph(&steps);
        let count = |_: usize, _: &DocumentState, _: Option<&()>| Ok(());
        assert!(matches!(along(&commits, &Watch::new(Duration::ZERO), count), Err(ReadError::Time(_))));
        assert_eq!(along(&commits, &Watch::new(Duration::from_secs(60)), count).unwrap().len(), 1_000, "control");
        assert_eq!(commits[999].parents, [cid("c998")], "control: one behind the other");
    }
}
