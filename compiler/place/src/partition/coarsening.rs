//! Coarsening: vertices that share costly nets become one. Input: a hypergraph; output: a smaller one with nearly the same
//! cuts, and for each vertex what it became.
//!
//! In random order each vertex joins the cluster that it is rated highest with: Σ cost / (pins − 1) over the nets that they
//! share, the heavy-edge rating of multilevel partitioners; of equals the lightest. No cluster grows beyond `cap`, or the
//! parts could not be balanced. Nets lose repeated pins, vanish with one pin left, and are one where their pins are the same.
//! (Karypis et al. 1999, Multilevel hypergraph partitioning; Schlag et al. 2016, k-way hypergraph partitioning via n-level
//! recursive bisection.)

use crate::dag::Rows;
use crate::hypergraph::Hypergraph;
use cnasc_base::random::Rng;

/// Nets with more pins say little about which two vertices belong together, and cost much to look at.
const RATED_PINS: usize = 500;

/// Where fewer than this share of the vertices vanish, coarsening has come to its end.
const LEAST_SHRINKING: f64 = 0.05;

/// One step of coarsening.
#[derive(Debug)]
pub(super) struct Level {
    /// The smaller hypergraph.
    pub(super) graph: Hypergraph,
    /// For each vertex of the larger one its vertex in the smaller.
    pub(super) coarse_of: Vec<u32>,
}

impl Level {
    /// The larger hypergraph's assignment that one of the smaller means.
    pub(super) fn project(&self, part_of: &[u32]) -> Vec<u32> {
        self.coarse_of.iter().map(|&coarse| part_of[coarse as usize]).collect()
    }
}

/// One step, in which no cluster becomes heavier than `cap` and no fewer than `least` vertices are left; `None` where hardly anything can be joined.
pub(super) fn coarsen(graph: &Hypergraph, cap: u64, least: usize, rng: &mut Rng) -> Option<Level> {
    let vertices = graph.vertices();
    let mut clusters = Clusters {
        graph,
        cluster_of: (0_u32..).take(vertices).collect(),
        weights: graph.weights().to_vec(),
        joined: vec![false; vertices],
        ratings: vec![0.0; vertices],
        rated: Vec::new(),
        cap,
    };
    let mut order: Vec<u32> = (0_u32..).take(vertices).collect();
    rng.shuffle(&mut order);
    let mut left = vertices;
    for vertex in order {
        if left <= least {
            break;
        }
        left -= usize::from(clusters.join(vertex));
    }
    let shrunk = (vertices - left) as f64;
    (shrunk > 0.0 && shrunk >= LEAST_SHRINKING * vertices as f64).then(|| contract(graph, clusters.cluster_of))
}

struct Clusters<'a> {
    graph: &'a Hypergraph,
    /// For each vertex the vertex that its cluster is named after.
    cluster_of: Vec<u32>,
    weights: Vec<u64>,
    /// Whether others joined the cluster of this name, or it joined another.
    joined: Vec<bool>,
    ratings: Vec<f64>,
    rated: Vec<u32>,
    cap: u64,
}

impl Clusters<'_> {
    /// Lets a vertex that is alone join its best cluster; whether there was one.
    fn join(&mut self, vertex: u32) -> bool {
        let place = vertex as usize;
        if self.joined[place] {
            return false;
        }
        let graph = self.graph;
        for &net in graph.nets_of(place) {
            let pins = graph.pins(net as usize);
            if !(2..=RATED_PINS).contains(&pins.len()) {
                continue;
            }
            let rating = graph.costs()[net as usize] as f64 / (pins.len() - 1) as f64;
            for &pin in pins {
                let cluster = self.cluster_of[pin as usize];
                let rated = &mut self.ratings[cluster as usize];
                if *rated == 0.0 {
                    self.rated.push(cluster);
                }
                // The least number keeps nets without cost in view: their pins may as well be together.
                *rated += rating.max(f64::MIN_POSITIVE);
            }
        }
        let mut best: Option<(f64, u64, u32)> = None;
        for &cluster in &self.rated {
            let rating = std::mem::replace(&mut self.ratings[cluster as usize], 0.0);
            let weight = self.weights[cluster as usize];
            let fits = weight + self.weights[place] <= self.cap;
            let better = best.is_none_or(|(most, lightest, _)| rating > most || (rating == most && weight < lightest));
            if cluster != vertex && fits && better {
                best = Some((rating, weight, cluster));
            }
        }
        self.rated.clear();
        let Some((_, _, cluster)) = best else { return false };
        self.cluster_of[place] = cluster;
        self.weights[cluster as usize] += self.weights[place];
        self.joined[place] = true;
        self.joined[cluster as usize] = true;
        true
    }
}

/// The hypergraph whose vertices are clusters, numbered in the order of their first vertices.
pub(super) fn contract(graph: &Hypergraph, mut cluster_of: Vec<u32>) -> Level {
    let mut number_of = vec![u32::MAX; graph.vertices()];
    let mut weights: Vec<u64> = Vec::new();
    for (vertex, cluster) in cluster_of.iter_mut().enumerate() {
        let number = &mut number_of[*cluster as usize];
        if *number == u32::MAX {
            *number = u32::try_from(weights.len()).expect("no more clusters than vertices");
            weights.push(0);
        }
        weights[*number as usize] += graph.weights()[vertex];
        *cluster = *number;
    }
    let (costs, pins) = contract_nets(graph, &cluster_of);
    Level { graph: Hypergraph::from_sound(weights, costs, pins), coarse_of: cluster_of }
}

fn contract_nets(graph: &Hypergraph, coarse_of: &[u32]) -> (Vec<u64>, Rows) {
    let mut rows = Rows::with_capacity(graph.nets(), 2 * graph.nets());
    let mut kept: Vec<(u64, u32, u64)> = Vec::with_capacity(graph.nets());
    let mut row = Vec::new();
    for (net, &cost) in graph.costs().iter().enumerate() {
        row.clear();
        row.extend(graph.pins(net).iter().map(|&pin| coarse_of[pin as usize]));
        row.sort_unstable();
        row.dedup();
        if row.len() > 1 {
            kept.push((fingerprint(&row), u32::try_from(kept.len()).expect("nets are numbered with 32 bits"), cost));
            rows.push(row.iter().copied());
        }
    }
    // Nets with the same pins stand together where fingerprints are sorted.
    kept.sort_unstable();
    let (mut costs, mut pins) = (Vec::with_capacity(kept.len()), Rows::with_capacity(kept.len(), rows.items()));
    let mut group = 0;
    for (index, &(print, net, cost)) in kept.iter().enumerate() {
        if index == 0 || kept[index - 1].0 != print {
            group = costs.len();
        }
        let same = (group..costs.len()).find(|&other| pins.row(other) == rows.row(net as usize));
        match same {
            Some(other) => costs[other] += cost,
            None => {
                costs.push(cost);
                pins.push(rows.row(net as usize).iter().copied());
            }
        }
    }
    (costs, pins)
}

/// FNV-1a over words.
fn fingerprint(row: &[u32]) -> u64 {
    row.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &pin| (hash ^ u64::from(pin)).wrapping_mul(0x0100_0000_01b3))
}
