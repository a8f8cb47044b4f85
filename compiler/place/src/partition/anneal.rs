//! Simulated annealing of an assignment that keeps its limits. Input: an assignment with its gains; output: the best of those
//! that it walked through.
//!
//! A step draws a net that is cut and two of its pins, mostly, and proposes that one moves to the part of the other; where most
//! vertices are inside of parts, drawing vertices would waste most steps. Where that part has
//! no room, an exchange with a vertex of that part is proposed instead, since under tight limits hardly anything else is
//! allowed. A proposal that adds d to Λ is taken with probability e^(−d/T), T falling geometrically between two shares of
//! what a part is sent on average. (Kirkpatrick et al. 1983; for partitions Johnson et al. 1989, Operations Research 37.)

use super::state::State;
use cnasc_base::random::Rng;
use std::sync::LazyLock;

/// T at the beginning, in mean costs of what is sent: above it, what the start was good at is lost.
const HOT: f64 = 0.5;

/// T at the end: below it hardly anything is taken, and refinement does the rest.
const COLD: f64 = 0.12;

/// Steps at one temperature.
const PLATEAU: u32 = 256;

/// Resolution of the chances.
const CHANCES: usize = 1024;

/// −ln of so many equally likely numbers, so that a step takes no exponential.
static THRESHOLDS: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..CHANCES).map(|index| -libm::log((index as f64 + 0.5) / CHANCES as f64)).collect());

/// Of 64 proposals those of any vertex to any part; the others are along a net that is cut.
const RANDOM: usize = 10;

/// Vertices that are tried for an exchange.
const PARTNERS: u32 = 3;

/// Walks so many steps from the assignment in `state`, and goes back to the best.
pub(super) fn anneal(state: &mut State, steps: u32, rng: &mut Rng) {
    let graph = state.graph;
    let mut best = state.quality();
    if graph.nets() == 0 || graph.vertices() == 0 {
        return;
    }
    // Moves since the best, each with the part that the vertex left.
    let mut trail: Vec<(u32, u32)> = Vec::new();
    let thresholds = THRESHOLDS.as_slice();
    let mean = state.connectivity as f64 / state.sent().max(1) as f64;
    let cooling = libm::pow(COLD / HOT, f64::from(PLATEAU) / f64::from(steps.max(PLATEAU)));
    let mut temperature = HOT * mean;
    let mut members = Members::new(state);
    let mut rng = Quick(rng.bits());
    for step in 0..steps {
        if step % PLATEAU == PLATEAU - 1 {
            temperature *= cooling;
        }
        let mut draw = Draw(rng.next());
        let Some((vertex, part)) = propose(state, &mut draw) else { continue };
        let home = state.part_of[vertex] as usize;
        let allowed = thresholds[draw.below(CHANCES, 10)] * temperature;
        let exchanged = if state.has_room(vertex, part) {
            None
        } else {
            match partner(state, &members, vertex, part, &mut rng) {
                None => continue,
                partner => partner,
            }
        };
        let mut gain = state.gain(vertex, part);
        if let Some(other) = exchanged {
            // Nets of both only make it less, and are looked for only where it could be taken.
            gain += state.gain(other, home);
            if -(gain as f64) <= allowed {
                gain -= state.shared(vertex, other);
            }
        }
        if -(gain as f64) > allowed {
            continue;
        }
        if let Some(other) = exchanged {
            trail.push((index(other), index(part)));
            members.change(other, part, home);
            state.apply(other, home, None);
        }
        trail.push((index(vertex), index(home)));
        members.change(vertex, home, part);
        state.apply(vertex, part, None);
        if state.connectivity < best.connectivity || best.excess > 0 {
            let quality = state.quality();
            if quality < best {
                best = quality;
                trail.clear();
            }
        }
    }
    for (vertex, from) in trail.into_iter().rev() {
        state.apply(vertex as usize, from as usize, None);
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).expect("vertices are numbered with 32 bits")
}

/// A draw of 64 bits, taken apart.
struct Draw(u64);

impl Draw {
    /// A number below `count`, from so many bits; uniform but for the rounding, which a walk does not mind.
    fn below(&mut self, count: usize, bits: u32) -> usize {
        let low = self.0 & ((1 << bits) - 1);
        self.0 >>= bits;
        ((low * count as u64) >> bits) as usize
    }
}

/// A vertex and another part for it.
fn propose(state: &State, draw: &mut Draw) -> Option<(usize, usize)> {
    let graph = state.graph;
    let cut = state.cut();
    if cut.is_empty() || draw.below(64, 6) < RANDOM {
        let (vertex, part) = (draw.below(graph.vertices(), 24), draw.below(state.parts(), 12));
        return (part != state.part_of[vertex] as usize).then_some((vertex, part));
    }
    let pins = graph.pins(cut[draw.below(cut.len(), 24)] as usize);
    let one = draw.below(pins.len(), 12);
    let other = (one + 1 + draw.below(pins.len() - 1, 12)) % pins.len();
    let (vertex, part) = (pins[one] as usize, state.part_of[pins[other] as usize] as usize);
    (part != state.part_of[vertex] as usize).then_some((vertex, part))
}

/// A vertex of `part` such that both parts keep their limits when it changes places with `vertex`.
fn partner(state: &State, members: &Members, vertex: usize, part: usize, rng: &mut Quick) -> Option<usize> {
    let own = &members.of[part];
    let mut draw = Draw(rng.next());
    (0..PARTNERS).filter(|_| !own.is_empty()).find_map(|_| {
        let other = own[draw.below(own.len(), 21)] as usize;
        state.can_swap(vertex, other).then_some(other)
    })
}

/// The vertices of each part, so that one of them can be drawn.
struct Members {
    of: Vec<Vec<u32>>,
    /// For each vertex where it stands in its part's list.
    place_of: Vec<u32>,
}

impl Members {
    fn new(state: &State) -> Self {
        let mut members = Self { of: vec![Vec::new(); state.parts()], place_of: vec![0; state.part_of.len()] };
        for (vertex, &part) in (0_u32..).zip(&state.part_of) {
            members.place_of[vertex as usize] = index(members.of[part as usize].len());
            members.of[part as usize].push(vertex);
        }
        members
    }

    fn change(&mut self, vertex: usize, from: usize, to: usize) {
        let place = self.place_of[vertex];
        self.of[from].swap_remove(place as usize);
        if let Some(&last) = self.of[from].get(place as usize) {
            self.place_of[last as usize] = place;
        }
        self.place_of[vertex] = index(self.of[to].len());
        self.of[to].push(index(vertex));
    }
}

/// A generator for a walk that draws more than it does anything else: SplitMix64 from one draw of the seed's stream.
/// (Steele et al. 2014, Fast splittable pseudorandom number generators.)
struct Quick(u64);

impl Quick {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
