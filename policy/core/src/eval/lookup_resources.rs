//! Which resources of a definition a subject has a permission on: from the subject backwards, then each that is not
//! certain by the way there is checked.

use std::collections::VecDeque;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::answer::{Answer, Until};
use super::reach::{Onward, Reach};
use super::{CheckError, MAX_DEPTH, ObjectMember, Run, find_definition, find_member};
use crate::permit::earliest;
use crate::schema::MemberId;
use crate::tuples::{ObjectIndex, Row, Tuples};
use crate::{Found, Lookup, LookupResources, Permissionship, Timestamp};

impl Tuples {
    /// Every resource of a kind on which the subject has the permission, surely or on conditions. Sorted by id, each
    /// once, none left out. The list stays as it is until `valid_until` at least.
    ///
    /// # Errors
    /// As [`Tuples::check`], of which this is the sum over all resources.
    pub fn lookup_resources(&self, lookup: &LookupResources, now: Timestamp) -> Result<Lookup, CheckError> {
        let kind = find_definition(self.schema(), &lookup.kind)?;
        let target = find_member(self.schema(), kind, &lookup.permission)?;
        let who = self.who(&lookup.subject)?;
        let reach = self.reach();
        let mut run = Run::new(self, who, &lookup.context, now);
        let mut search = Search { relevant: reach.under(target), reach, ways: HashMap::new(), open: VecDeque::new() };
        search.start(&run);
        while let Some((place, steps)) = search.open.pop_front() {
            search.follow(&run, place, steps);
        }
        let mut found: Vec<(ObjectIndex, Permissionship, Vec<String>)> = Vec::new();
        let mut valid_until = None;
        for (&(member, node), &way) in &search.ways {
            if member != target {
                continue;
            }
            let until = match way {
                Way::Certain(until) => {
                    found.push((node, Permissionship::Yes, Vec::new()));
                    until
                }
                Way::Possible => match run.dispatch((target, node), MAX_DEPTH) {
                    Answer::Yes(until) => {
                        found.push((node, Permissionship::Yes, Vec::new()));
                        until
                    }
                    Answer::Maybe(names, until) => {
                        found.push((node, Permissionship::Conditional, names.iter().cloned().collect()));
                        until
                    }
                    // It may come to be allowed by what lapses.
                    Answer::No(until) => until,
                    Answer::Failed(failure) => return Err((*failure).into()),
                },
            };
            valid_until = earliest(valid_until, until);
        }
        let names = self.names().read();
        let name = |node: ObjectIndex| match node {
            // Only a subject that nothing names can be here without a number: it has itself.
            ObjectIndex::NOBODY => lookup.subject.object.id.clone(),
            node => names.id(node).to_owned(),
        };
        let mut found: Vec<Found> = found
            .into_iter()
            .map(|(node, permissionship, missing)| Found { id: name(node), permissionship, missing })
            .collect();
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(Lookup { found, valid_until })
    }
}

/// What the way to a place says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The subject is there, until then at least.
    Certain(Until),
    /// A check has to say.
    Possible,
}

impl Way {
    /// Further on by a step that is enough, or is not.
    fn onward(self, enough: bool) -> Way {
        if enough { self } else { Way::Possible }
    }
}

/// How far the subject has come.
struct Search<'a> {
    reach: &'a Reach,
    /// What the sought permission rests on; the rest is not followed.
    relevant: Vec<bool>,
    ways: HashMap<ObjectMember, Way>,
    open: VecDeque<(ObjectMember, u8)>,
}

impl Search<'_> {
    fn start(&mut self, run: &Run<'_>) {
        let who = run.who;
        let here = Way::Certain(None);
        if let Some(member) = who.member {
            self.arrive((member, who.node), here, 1);
        } else {
            let reach = self.reach;
            for &(permission, sure) in reach.itself() {
                if run.schema().member(permission).definition == who.definition {
                    self.arrive((permission, who.node), here.onward(sure), 1);
                }
            }
        }
        let everyone = run.tuples.objects_of(who.definition);
        let rows = run.tuples.of_subject(run.of(), who.node);
        for row in rows.chain(run.tuples.of_subject(everyone, ObjectIndex::everyone(who.definition))) {
            self.through(run, row, here, 1, row.0.relation);
        }
    }

    fn relevant(&self, member: MemberId) -> bool {
        self.relevant.get(member.0 as usize).copied().unwrap_or_default()
    }

    /// A place is reached by `steps` dispatches.
    fn arrive(&mut self, place: ObjectMember, way: Way, steps: u8) {
        if !self.relevant(place.0) {
            return;
        }
        // A way that is longer than a check may go is no certainty: the check says so.
        let way = way.onward(steps <= MAX_DEPTH);
        match self.ways.entry(place) {
            Entry::Vacant(place) => drop(place.insert(way)),
            Entry::Occupied(mut known) if *known.get() == Way::Possible && way != Way::Possible => {
                known.insert(way);
            }
            Entry::Occupied(_) => return,
        }
        self.open.push_back((place, steps.saturating_add(1)));
    }

    /// Along one relationship, to a member of its resource.
    fn through(&mut self, run: &Run<'_>, (edge, terms): Row<'_>, way: Way, steps: u8, to: MemberId) {
        if !self.relevant(to) {
            return;
        }
        let way = match run.row(terms) {
            // A row that does not count leads nowhere.
            None | Some(Answer::No(_)) => return,
            Some(Answer::Yes(until)) => match way {
                Way::Certain(before) => Way::Certain(earliest(before, until)),
                Way::Possible => Way::Possible,
            },
            Some(_) => Way::Possible,
        };
        self.arrive((to, edge.resource), way, steps);
    }

    fn follow(&mut self, run: &Run<'_>, (member, node): ObjectMember, steps: u8) {
        let Some(&way) = self.ways.get(&(member, node)) else { return };
        let tuples = run.tuples;
        let reach = self.reach;
        if reach.stands_for(member) {
            for row in tuples.of_subject(tuples.members_of(member), node) {
                self.through(run, row, way, steps, row.0.relation);
            }
        }
        let definition = run.schema().member(member).definition;
        for onward in reach.onward(member) {
            match *onward {
                Onward::Permission { to, sure } => self.arrive((to, node), way.onward(sure), steps),
                Onward::Arrow { over, to, sure } => {
                    if !self.relevant(to) {
                        continue;
                    }
                    // Whatever relation of the object the row names, it is the object that is walked.
                    for of in tuples.types_of(definition) {
                        for row in tuples.of_subject_in(of, node, over) {
                            self.through(run, row, way.onward(sure), steps, to);
                        }
                    }
                }
            }
        }
    }
}
