//! Which nodes have become slow: what each computed in, over what the plan gave it → by how much less it is to be counted on.
//!
//! A node is compared with itself: with the best that it has shown, because plans are wrong about all nodes by factors of their own. It
//! counts as slow where that holds for [`WINDOW`] answers in a row and the other nodes have not become so in the same time, as they
//! would on a machine that they share. After [`TRUST_AGAIN`] it is taken to be as fast as before, and has to show that it is not.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Answers in a row that tell.
const WINDOW: usize = 8;

/// So many times slower than usual is slow. Plans that give a node other layers change its figure by less.
const SLOW: f64 = 4.0;

/// For how long a node that was slow is counted on less.
pub const TRUST_AGAIN: Duration = Duration::from_secs(30);

/// The most that a node can be taken to be slower.
const MOST: u32 = 64;

/// All nodes of a fleet.
#[derive(Debug)]
pub struct Pace {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    recent: VecDeque<f64>,
    /// The least that a whole window stayed below; absent before the first.
    usual: Option<f64>,
    /// 1, or by how much less it is counted on, and since when.
    slower: (u32, Instant),
}

impl Node {
    /// How much slower than usual all of the window was, once it is full.
    fn slowness(&self) -> Option<f64> {
        let least = self.recent.iter().copied().fold(f64::INFINITY, f64::min);
        (self.recent.len() == WINDOW).then(|| least / self.usual.unwrap_or(least))
    }
}

impl Pace {
    /// Of so many nodes, none of which is slow.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        let node = || Node { recent: VecDeque::with_capacity(WINDOW), usual: None, slower: (1, Instant::now()) };
        Self { nodes: (0..nodes).map(|_| node()).collect() }
    }

    /// By how much less each is to be counted on: 1 for a node that is not slow.
    #[must_use]
    pub fn slower(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.slower.0).collect()
    }

    /// Notes one answer: for each node that computed, seconds over what the plan gave it. Gives whether a node is to be counted on
    /// more or less than before.
    pub fn note(&mut self, ratios: &[(usize, f64)], now: Instant) -> bool {
        for &(node, ratio) in ratios.iter().filter(|(_, ratio)| ratio.is_finite() && *ratio > 0.0) {
            let Some(node) = self.nodes.get_mut(node) else { continue };
            if node.recent.len() == WINDOW {
                node.recent.pop_front();
            }
            node.recent.push_back(ratio);
            let most = node.recent.iter().copied().fold(0.0, f64::max);
            if node.recent.len() == WINDOW {
                node.usual = Some(node.usual.map_or(most, |usual| usual.min(most)));
            }
        }
        let slowness: Vec<Option<f64>> = self.nodes.iter().map(Node::slowness).collect();
        let mut changed = false;
        for at in 0..self.nodes.len() {
            let others = slowness.iter().enumerate().filter(|(other, _)| *other != at).filter_map(|(_, one)| *one);
            let all = median(others.collect()).max(1.0);
            let node = &mut self.nodes[at];
            let (factor, since) = node.slower;
            if let Some(slow) = slowness[at].filter(|slow| slow / all >= SLOW) {
                // To a power of two, so that few different plans are made.
                let slower = (slow / all).log2().round().exp2().min(f64::from(MOST)) as u32;
                if slower != factor {
                    node.slower = (slower, now);
                    node.recent.clear();
                    changed = true;
                }
            } else if factor > 1 && now.saturating_duration_since(since) >= TRUST_AGAIN {
                node.slower = (1, now);
                node.recent.clear();
                changed = true;
            }
        }
        changed
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pace: &mut Pace, answers: usize, ratios: [f64; 3], now: Instant) -> bool {
        let ratios: Vec<(usize, f64)> = ratios.into_iter().enumerate().collect();
        (0..answers).fold(false, |changed, _| pace.note(&ratios, now) || changed)
    }

    #[test]
    fn one_that_becomes_slow_is_found_and_trusted_again() {
        let (mut pace, now) = (Pace::new(3), Instant::now());
        assert!(!after(&mut pace, 20, [1.0, 2.0, 0.5], now), "each has its own usual");
        assert!(!after(&mut pace, WINDOW - 1, [1.0, 20.0, 0.5], now), "not yet");
        assert!(after(&mut pace, 1, [1.0, 20.0, 0.5], now));
        assert_eq!(pace.slower(), [1, 8, 1]);
        assert!(!after(&mut pace, 3, [1.0, 20.0, 0.5], now), "known");
        assert!(after(&mut pace, 1, [1.0, 2.0, 0.5], now + TRUST_AGAIN));
        assert_eq!(pace.slower(), [1, 1, 1]);
    }

    #[test]
    fn a_machine_that_all_share_is_nobodys_fault() {
        let (mut pace, now) = (Pace::new(3), Instant::now());
        after(&mut pace, 20, [1.0; 3], now);
        assert!(!after(&mut pace, 20, [9.0; 3], now));
        assert!(!after(&mut pace, 1, [100.0, 9.0, 9.0], now), "a single late answer tells nothing");
    }

    #[test]
    fn nonsense_is_no_measurement() {
        let (mut pace, now) = (Pace::new(1), Instant::now());
        let ratios = [(0, f64::NAN), (0, -1.0), (0, f64::INFINITY), (0, 0.0), (7, 1.0)];
        assert!((0..20).all(|_| !pace.note(&ratios, now)));
        assert_eq!(pace.slower(), [1]);
    }
}
