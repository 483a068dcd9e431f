//! Which resources of a definition a subject has a permission on: from the subject backwards, then each that is not
//! certain by the way there is checked.

use std::collections::{HashMap, HashSet, VecDeque};

use super::answer::Answer;
use super::reach::{Onward, Reach};
use super::{CheckError, MAX_DEPTH, Place, Run, find_definition, find_member};
use crate::schema::MemberId;
use crate::tuples::{Node, Row, Tuples};
use crate::{Found, LookupResources, Permissionship, Timestamp};

impl Tuples {
    /// Every resource of a kind on which the subject has the permission, surely or on conditions. Sorted by id, each
    /// once, none left out.
    ///
    /// # Errors
    /// As [`Tuples::check`], of which this is the sum over all resources.
    pub fn lookup_resources(&self, lookup: &LookupResources, now: Timestamp) -> Result<Vec<Found>, CheckError> {
        let kind = find_definition(self.schema(), &lookup.kind)?;
        let target = find_member(self.schema(), kind, &lookup.permission)?;
        let who = self.who(&lookup.subject)?;
        let reach = self.reach();
        let mut run = Run::new(self, who, &lookup.context, now);
        let mut search =
            Search { relevant: reach.under(target), reach, certain: HashMap::new(), open: VecDeque::new() };
        search.start(&run);
        while let Some((place, steps)) = search.open.pop_front() {
            search.follow(&run, place, steps);
        }
        let mut found: Vec<(Node, Permissionship, Vec<String>)> = Vec::new();
        for (&(member, node), &certain) in &search.certain {
            if member != target {
                continue;
            }
            if certain {
                found.push((node, Permissionship::Yes, Vec::new()));
                continue;
            }
            match run.dispatch((target, node), MAX_DEPTH) {
                Answer::Yes(_) => found.push((node, Permissionship::Yes, Vec::new())),
                Answer::Maybe(names, _) => {
                    found.push((node, Permissionship::Conditional, names.iter().cloned().collect()));
                }
                Answer::No(_) => {}
                Answer::Failed(failure) => return Err(failure.into()),
            }
        }
        let names = self.names().read();
        let name = |node: Node| match node {
            // Only a subject that nothing names can be here without a number: it has itself.
            Node::NOBODY => lookup.subject.object.id.clone(),
            node => names.id(node).to_owned(),
        };
        let mut found: Vec<Found> = found
            .into_iter()
            .map(|(node, permissionship, missing)| Found { id: name(node), permissionship, missing })
            .collect();
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }
}

/// How far the subject has come.
struct Search<'a> {
    reach: &'a Reach,
    /// What the sought permission rests on; the rest is not followed.
    relevant: HashSet<MemberId>,
    /// Each place, and whether the way there is enough.
    certain: HashMap<Place, bool>,
    open: VecDeque<(Place, u8)>,
}

impl Search<'_> {
    fn start(&mut self, run: &Run<'_>) {
        let who = run.who;
        if let Some(member) = who.member {
            self.arrive((member, who.node), true, 1);
        } else {
            let reach = self.reach;
            for &(permission, sure) in reach.itself() {
                if run.schema().member(permission).definition == who.definition {
                    self.arrive((permission, who.node), sure, 1);
                }
            }
        }
        let everyone = run.tuples.objects_of(who.definition);
        let rows = run.tuples.of_subject(run.of(), who.node);
        for row in rows.chain(run.tuples.of_subject(everyone, Node::everyone(who.definition))) {
            self.through(run, row, true, 1, row.0.relation);
        }
    }

    /// A place is reached by `steps` dispatches.
    fn arrive(&mut self, place: Place, sure: bool, steps: u8) {
        if !self.relevant.contains(&place.0) {
            return;
        }
        // A way that is longer than a check may go is no certainty: the check says so.
        let sure = sure && steps <= MAX_DEPTH;
        let known = self.certain.get(&place).copied();
        if known.is_none() || (sure && known == Some(false)) {
            self.certain.insert(place, sure);
            self.open.push_back((place, steps.saturating_add(1)));
        }
    }

    /// Along one relationship, to a member of its resource.
    fn through(&mut self, run: &Run<'_>, (edge, terms): Row<'_>, sure: bool, steps: u8, to: MemberId) {
        match run.row(terms) {
            // A row that does not count leads nowhere.
            None | Some(Answer::No(_)) => {}
            Some(row) => self.arrive((to, edge.resource), sure && row.is_yes(), steps),
        }
    }

    fn follow(&mut self, run: &Run<'_>, (member, node): Place, steps: u8) {
        let sure = self.certain.get(&(member, node)).copied().unwrap_or(false);
        let tuples = run.tuples;
        for row in tuples.of_subject(tuples.members_of(member), node) {
            self.through(run, row, sure, steps, row.0.relation);
        }
        let definition = run.schema().member(member).definition;
        let reach = self.reach;
        for onward in reach.onward(member) {
            match *onward {
                Onward::Permission { to, sure: enough } => self.arrive((to, node), sure && enough, steps),
                Onward::Arrow { over, to, sure: enough } => {
                    if !self.relevant.contains(&to) {
                        continue;
                    }
                    // Whatever relation of the object the row names, it is the object that is walked.
                    for of in tuples.types_of(definition) {
                        for row in tuples.of_subject_in(of, node, over) {
                            self.through(run, row, sure && enough, steps, to);
                        }
                    }
                }
            }
        }
    }
}
