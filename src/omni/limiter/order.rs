//! Whose turn it is: classes by weight, first come first served in each. Pure.

use std::collections::VecDeque;

use crate::ports::Urgency;

/// What a turn costs each class: the inverse of its weight, so that of 15 turns that all classes wait for the first
/// gets 8, the next 4, 2 and 1.
const COSTS: [u64; Urgency::ALL.len()] = [1, 2, 4, 8];

/// Who waits. Each class has a clock that its turns move on; the class whose clock is furthest behind is next.
#[derive(Debug, Default)]
pub(super) struct Order {
    classes: [Class; Urgency::ALL.len()],
    /// The clock of the class that had the last turn: where a class that nobody waited in begins again, so that it
    /// saves no turns up.
    now: u64,
    next: u64,
}

#[derive(Debug, Default)]
struct Class {
    waiting: VecDeque<u64>,
    clock: u64,
}

impl Order {
    /// Takes a place at the end of a class, and returns its name.
    pub(super) fn join(&mut self, urgency: Urgency) -> u64 {
        self.next += 1;
        let class = &mut self.classes[urgency as usize];
        if class.waiting.is_empty() {
            class.clock = class.clock.max(self.now);
        }
        class.waiting.push_back(self.next);
        self.next
    }

    /// Who is next.
    pub(super) fn first(&self) -> Option<u64> {
        let waiting = self.classes.iter().filter(|class| !class.waiting.is_empty());
        // The first of equals, so that the more important goes.
        let class = waiting.min_by_key(|class| class.clock)?;
        class.waiting.front().copied()
    }

    /// This one had its turn.
    pub(super) fn served(&mut self, urgency: Urgency, who: u64) {
        let class = &mut self.classes[urgency as usize];
        self.now = self.now.max(class.clock);
        class.clock += COSTS[urgency as usize];
        self.leave(urgency, who);
    }

    /// This one waits no longer.
    pub(super) fn leave(&mut self, urgency: Urgency, who: u64) {
        self.classes[urgency as usize].waiting.retain(|it| *it != who);
    }

    /// How many wait in a class.
    pub(super) fn waiting(&self, urgency: Urgency) -> usize {
        self.classes[urgency as usize].waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turns(order: &mut Order, who: &[(Urgency, u64)]) -> Vec<(Urgency, u64)> {
        std::iter::from_fn(|| {
            let first = order.first()?;
            let (urgency, _) = *who.iter().find(|(_, it)| *it == first).unwrap();
            order.served(urgency, first);
            Some((urgency, first))
        })
        .collect()
    }

    #[test]
    fn fifteen_turns_are_shared_eight_four_two_one() {
        let mut order = Order::default();
        let mut who = Vec::new();
        for urgency in Urgency::ALL {
            for _ in 0..100 {
                who.push((urgency, order.join(urgency)));
            }
        }
        let turns = turns(&mut order, &who);
        for (urgency, share) in Urgency::ALL.into_iter().zip([8, 4, 2, 1]) {
            let had = turns[..150].iter().filter(|(it, _)| *it == urgency).count();
            assert!(had.abs_diff(share * 10) <= 2, "{urgency:?}: {had}");
        }
        assert_eq!(turns[0].0, Urgency::Unstick);
    }

    #[test]
    fn a_class_that_comes_late_goes_soon_and_has_saved_nothing_up() {
        let mut order = Order::default();
        let mut who: Vec<_> = (0..100).map(|_| (Urgency::Check, order.join(Urgency::Check))).collect();
        for _ in 0..50 {
            let first = order.first().unwrap();
            order.served(Urgency::Check, first);
        }
        who.extend((0..100).map(|_| (Urgency::Unstick, order.join(Urgency::Unstick))));
        let turns = turns(&mut order, &who);
        assert_eq!(turns[0].0, Urgency::Unstick);
        let checks = turns[..90].iter().filter(|(it, _)| *it == Urgency::Check).count();
        assert!((9..=11).contains(&checks), "{checks}");
    }

    proptest! {
        /// Each gets its turn once, in the order of its class, and nobody waits for more than 15 turns at the head of
        /// its class.
        #[test]
        fn nobody_starves_and_nobody_overtakes_in_its_class(classes in proptest::collection::vec(0_usize..4, 1..200)) {
            let mut order = Order::default();
            let who: Vec<_> = classes
                .iter()
                .map(|class| (Urgency::ALL[*class], order.join(Urgency::ALL[*class])))
                .collect();
            let turns = turns(&mut order, &who);
            prop_assert_eq!(turns.len(), who.len());
            for urgency in Urgency::ALL {
                let places: Vec<_> = turns.iter().enumerate().filter(|(_, it)| it.0 == urgency).collect();
                let mut before = 0;
                let mut at = 0;
                for (place, (_, name)) in places {
                    prop_assert!(*name > before);
                    prop_assert!(place - at <= 16, "{urgency:?} waits from {at} to {place}");
                    (before, at) = (*name, place);
                }
            }
        }
    }
}
