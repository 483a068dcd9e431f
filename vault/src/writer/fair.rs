//! A queue that is fair to persons: start-time fair queueing over the cost of what they ask.
//!
//! Each person's next request is due when what was served of theirs, counted in bytes, has come round to
//! it; whoever is due first is served first. So somebody who asks for little waits for at most one request
//! of each of the others, however much of theirs waits. Within a person the same holds for flows: their own
//! requests and those of each app, in each space. Whoever had nothing waiting begins where the others are now,
//! and saves nothing up.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

/// What waits at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Requests of all persons; a person who has none waiting is let in beyond it.
    pub requests: usize,
    /// Requests of one person.
    pub requests_each: usize,
    /// Cost of the requests of one person; one request is let in, whatever its cost.
    pub cost_each: u64,
}

/// See the module.
#[derive(Debug)]
pub struct FairQueue<P, F, J> {
    bounds: Bounds,
    persons: HashMap<P, Person<F, J>>,
    /// Those who have something waiting, by when they are due.
    order: BTreeSet<(u64, P)>,
    /// When that which was served last was due.
    clock: u64,
    waiting: usize,
}

#[derive(Debug)]
struct Person<F, J> {
    due: u64,
    clock: u64,
    waiting: usize,
    cost: u64,
    flows: Vec<Flow<F, J>>,
}

#[derive(Debug)]
struct Flow<F, J> {
    name: F,
    due: u64,
    jobs: VecDeque<(u64, J)>,
}

impl<P: Copy + Eq + Hash + Ord, F: Copy + Eq, J> FairQueue<P, F, J> {
    pub fn new(bounds: Bounds) -> Self {
        FairQueue { bounds, persons: HashMap::new(), order: BTreeSet::new(), clock: 0, waiting: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Queues a request of this cost, or gives it back: then its person has too much waiting, or everybody.
    pub fn push(&mut self, person: P, flow: F, cost: u64, job: J) -> Result<(), J> {
        let cost = cost.max(1);
        let held = self.persons.get(&person).map_or((0, 0), |held| (held.waiting, held.cost));
        let full = held.0 >= self.bounds.requests_each || held.1.saturating_add(cost) > self.bounds.cost_each;
        if held.0 > 0 && (full || self.waiting >= self.bounds.requests) {
            return Err(job);
        }
        let clock = self.clock;
        let entry = self.persons.entry(person).or_insert_with(|| Person {
            due: clock,
            clock: 0,
            waiting: 0,
            cost: 0,
            flows: Vec::new(),
        });
        if entry.waiting == 0 {
            entry.due = entry.due.max(clock);
            self.order.insert((entry.due, person));
        }
        entry.waiting += 1;
        entry.cost = entry.cost.saturating_add(cost);
        self.waiting += 1;
        match entry.flows.iter_mut().find(|known| known.name == flow) {
            Some(known) => known.jobs.push_back((cost, job)),
            None => {
                let jobs = VecDeque::from([(cost, job)]);
                entry.flows.push(Flow { name: flow, due: entry.clock, jobs });
            }
        }
        Ok(())
    }

    /// Takes the request that is due first among those that `may` allows; it is asked of the first of each flow.
    pub fn take(&mut self, mut may: impl FnMut(&F, &J) -> bool) -> Option<(P, F, J)> {
        let mut found = None;
        for (due, person) in &self.order {
            let Some(held) = self.persons.get(person) else { continue };
            let mut flows: Vec<usize> = (0..held.flows.len()).collect();
            flows.sort_by_key(|at| held.flows[*at].due);
            let allowed = |at: &usize| {
                let flow = &held.flows[*at];
                flow.jobs.front().is_some_and(|(_, job)| may(&flow.name, job))
            };
            if let Some(at) = flows.into_iter().find(allowed) {
                found = Some((*due, *person, at));
                break;
            }
        }
        let (due, person, at) = found?;
        let held = self.persons.get_mut(&person)?;
        let flow = &mut held.flows[at];
        let (name, (cost, job)) = (flow.name, flow.jobs.pop_front()?);
        held.clock = held.clock.max(flow.due);
        flow.due = flow.due.saturating_add(cost);
        if flow.jobs.is_empty() {
            held.flows.swap_remove(at);
        }
        self.clock = self.clock.max(due);
        self.order.remove(&(due, person));
        held.due = due.saturating_add(cost);
        held.waiting -= 1;
        held.cost -= cost;
        self.waiting -= 1;
        if held.waiting > 0 {
            self.order.insert((held.due, person));
        }
        self.forget();
        Some((person, name, job))
    }

    /// What is first in a flow.
    pub fn first(&self, person: P, flow: &F) -> Option<&J> {
        let flow = self.persons.get(&person)?.flows.iter().find(|known| known.name == *flow)?;
        flow.jobs.front().map(|(_, job)| job)
    }

    /// What a request came to cost beyond what was thought when it was queued.
    pub fn charge(&mut self, person: P, cost: u64) {
        let Some(held) = self.persons.get_mut(&person) else { return };
        let waits = self.order.remove(&(held.due, person));
        held.due = held.due.saturating_add(cost);
        if waits {
            self.order.insert((held.due, person));
        }
    }

    /// Everything that waits, in no order.
    pub fn drain(&mut self) -> Vec<J> {
        self.order.clear();
        self.waiting = 0;
        let all = std::mem::take(&mut self.persons).into_values().flat_map(|person| person.flows);
        all.flat_map(|flow| flow.jobs).map(|(_, job)| job).collect()
    }

    /// Persons who have nothing waiting and owe nothing need no entry. Looked at when there are many.
    fn forget(&mut self) {
        if self.persons.len() > 2 * self.order.len() + 64 {
            let clock = self.clock;
            self.persons.retain(|_, held| held.waiting > 0 || held.due > clock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIDE: Bounds = Bounds { requests: usize::MAX, requests_each: usize::MAX, cost_each: u64::MAX };

    proptest! {
        /// Of persons who all have something waiting none is ahead of another by more than a request of each.
        #[test]
        fn served_costs_stay_within_one_request_of_each(
            jobs in proptest::collection::vec((0u8..5, 0u8..3, 1u64..2_000), 1..300),
            late in proptest::collection::vec((0u8..5, 1u64..500), 0..40),
        ) {
            let mut queue = FairQueue::new(WIDE);
            let mut left = [0usize; 5];
            for (n, (person, flow, cost)) in jobs.iter().enumerate() {
                queue.push(*person, *flow, *cost, (n, *cost)).unwrap();
                left[*person as usize] += 1;
            }
            let largest = 2_000;
            let mut late = late.into_iter().enumerate();
            let mut served = [0u64; 5];
            // Counted only among those who have waited all the time so far.
            let mut always: Vec<usize> = (0..5).filter(|person| left[*person] > 0).collect();
            let mut seen = std::collections::BTreeMap::<(u8, u8), usize>::new();
            let (mut taken, mut pushed) = (0, jobs.len());
            while let Some((person, flow, (n, cost))) = queue.take(|_, _| true) {
                taken += 1;
                let before = seen.insert((person, flow), n);
                prop_assert!(before.is_none_or(|before| before < n), "in order within a flow");
                served[person as usize] += cost;
                left[person as usize] -= 1;
                for a in &always {
                    for b in &always {
                        prop_assert!(served[*a].abs_diff(served[*b]) <= 2 * largest, "{served:?}");
                    }
                }
                always.retain(|person| left[*person] > 0);
                if let Some((m, (person, cost))) = late.next()
                    && (left[person as usize] > 0 || !always.contains(&(person as usize)))
                {
                    queue.push(person, 9, cost, (jobs.len() + m, cost)).unwrap();
                    left[person as usize] += 1;
                    pushed += 1;
                }
            }
            prop_assert_eq!(taken, pushed, "everything comes out once");
            prop_assert!(queue.is_empty());
        }

        /// Whoever comes to a queue full of one person's requests waits for at most one of them.
        #[test]
        fn a_newcomer_waits_for_one_request_of_a_hog(n in 1usize..200, before in 0usize..200, cost in 1u64..1_000_000) {
            let mut queue = FairQueue::new(WIDE);
            for _ in 0..n {
                queue.push("hog", 0, cost, "much").unwrap();
            }
            for _ in 0..before.min(n - 1) {
                queue.take(|_, _| true).unwrap();
            }
            queue.push("neighbour", 0, 1, "little").unwrap();
            let first: Vec<_> = (0..2).filter_map(|_| queue.take(|_, _| true)).map(|(_, _, job)| job).collect();
            prop_assert!(first.contains(&"little"), "{first:?}");
        }
    }

    #[test]
    fn a_full_share_is_full_for_its_person_alone() {
        let bounds = Bounds { requests: 5, requests_each: 3, cost_each: 100 };
        let mut queue = FairQueue::new(bounds);
        queue.push("hog", 0, 1_000, 0).unwrap();
        assert_eq!(queue.push("hog", 0, 1, 1), Err(1), "one request is let in, whatever its cost, and no second");
        for n in 0..3 {
            queue.push("many", 0, 1, n).unwrap();
        }
        assert_eq!(queue.push("many", 1, 1, 3), Err(3), "requests are counted over all flows");
        queue.push("one", 0, 1, 4).unwrap();
        assert_eq!(queue.push("one", 0, 1, 5), Err(5), "everybody's requests are bounded");
        queue.push("new", 0, 1, 6).unwrap();
        assert_eq!(std::iter::from_fn(|| queue.take(|_, _| true)).count(), 6);
    }

    #[test]
    fn what_may_not_go_now_holds_up_nobody_and_what_cost_more_is_paid_for() {
        let mut queue = FairQueue::new(WIDE);
        for n in 0..3 {
            queue.push("a", 1, 10, n).unwrap();
            queue.push("b", 2, 10, 10 + n).unwrap();
        }
        let of = |queue: &mut FairQueue<_, _, _>, flow| queue.take(|name, _| *name == flow).map(|(_, _, job)| job);
        assert_eq!((of(&mut queue, 2), of(&mut queue, 2)), (Some(10), Some(11)));
        assert_eq!(queue.take(|_, _| true), Some(("a", 1, 0)));
        queue.charge("a", 1_000);
        assert_eq!(queue.take(|_, _| true), Some(("b", 2, 12)));
        queue.push("b", 2, 10, 13).unwrap();
        assert_eq!(queue.take(|_, _| true), Some(("b", 2, 13)), "a still pays");
        assert_eq!(queue.take(|_, _| true), Some(("a", 1, 1)));
    }

    #[test]
    fn an_app_takes_turns_with_its_person() {
        let mut queue = FairQueue::new(WIDE);
        for n in 0..20 {
            queue.push("a", "app", 10, n).unwrap();
        }
        queue.push("a", "in person", 10, 100).unwrap();
        let first: Vec<_> = (0..2).filter_map(|_| queue.take(|_, _| true)).map(|(_, _, job)| job).collect();
        assert!(first.contains(&100), "{first:?}");
    }
}
