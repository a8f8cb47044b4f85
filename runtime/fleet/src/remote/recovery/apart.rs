//! Nodes that reach the coordinator and not each other: pairs of them → which nodes to leave out, so that all that are left reach each other.
//!
//! The node with the most of such pairs goes first, the last one of several. That is not always the fewest nodes, but a fleet has few such
//! pairs. After [`TRUST_AGAIN`] all are taken to reach each other again, and have to show that they don't.

use super::super::RemoteError;
use super::pace::TRUST_AGAIN;
use std::collections::BTreeSet;
use std::time::Instant;

/// What is known of a fleet's links.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// Members by their places, the lower first.
    pairs: BTreeSet<(usize, usize)>,
    /// When the first of them was found.
    since: Option<Instant>,
}

impl Apart {
    /// Notes whom a node could not reach; gives whether that is what the error says.
    pub(super) fn note(&mut self, error: &RemoteError, members: &[String], now: Instant) -> bool {
        let RemoteError::Refused { node, refusal } = error else { return false };
        let place = |name: &String| members.iter().position(|member| member == name);
        let Some(node) = place(node) else { return false };
        let others = refusal.unreachable.iter().filter_map(place).filter(|&other| other != node);
        let pairs: Vec<(usize, usize)> = others.map(|other| (node.min(other), node.max(other))).collect();
        if !pairs.is_empty() {
            self.since.get_or_insert(now);
        }
        self.pairs.extend(&pairs);
        !pairs.is_empty()
    }

    /// Forgets everything once that was long ago.
    pub(super) fn forget(&mut self, now: Instant) {
        if self.since.is_some_and(|since| now.saturating_duration_since(since) >= TRUST_AGAIN) {
            *self = Self::default();
        }
    }

    /// Those of the `present` that reach each other.
    pub(super) fn without(&self, mut present: Vec<bool>) -> Vec<bool> {
        loop {
            let between = |&&(a, b): &&(usize, usize)| present.get(a) == Some(&true) && present.get(b) == Some(&true);
            let mut count = vec![0_u32; present.len()];
            for &(a, b) in self.pairs.iter().filter(between) {
                count[a] += 1;
                count[b] += 1;
            }
            match (0..count.len()).max_by_key(|&node| count[node]) {
                Some(most) if count[most] > 0 => present[most] = false,
                _ => return present,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::protocol::{Refusal, RefusalKind};
    use super::*;

    fn names() -> Vec<String> {
        ["a", "b", "c", "d"].map(str::to_owned).to_vec()
    }

    fn refused(node: &str, others: &[&str]) -> RemoteError {
        let unreachable = others.iter().map(|&other| other.to_owned()).collect();
        let refusal = Refusal { unreachable, ..Refusal::new(RefusalKind::Start, "can't reach some") };
        RemoteError::Refused { node: node.to_owned(), refusal }
    }

    #[test]
    fn who_is_left_reaches_all_that_are() {
        let (mut apart, now) = (Apart::default(), Instant::now());
        assert_eq!(apart.without(vec![true; 4]), [true; 4]);
        assert!(apart.note(&refused("b", &["a"]), &names(), now));
        assert_eq!(apart.without(vec![true; 4]), [true, false, true, true], "the last of two alike");
        assert_eq!(
            apart.without(vec![false, true, true, true]),
            [false, true, true, true],
            "one of the pair is not there"
        );
        assert!(apart.note(&refused("a", &["c", "d"]), &names(), now));
        assert_eq!(apart.without(vec![true; 4]), [false, true, true, true], "all that is wrong is with a");
        apart.forget(now);
        assert_eq!(apart.pairs.len(), 3);
        apart.forget(now + TRUST_AGAIN);
        assert_eq!(apart.without(vec![true; 4]), [true; 4]);
    }

    #[test]
    fn nonsense_is_nobody() {
        let mut apart = Apart::default();
        for error in
            [refused("x", &["a"]), refused("a", &["a", "x"]), refused("a", &[]), RemoteError::Lost("a".to_owned())]
        {
            assert!(!apart.note(&error, &names(), Instant::now()), "{error}");
        }
        assert_eq!(apart.without(vec![true, false, true, true]), [true, false, true, true]);
    }
}
