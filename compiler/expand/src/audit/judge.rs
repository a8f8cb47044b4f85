//! What was found and what is expected → rows with p-values.

use super::moments::Moments;
use super::statistics::{binomial_two_sided, chi_square_above, normal_two_sided, poisson_at_least};
use super::theory::Expected;
use super::{Auditor, Report, Row, Table, Tally};

/// The least number that is expected in a cell whose count is taken as normal.
const FEW: f64 = 10.0;

/// The fewest graphs from which a variance is estimated.
const MANY: f64 = 30.0;

/// The most trials of an exact binomial test.
const EXACT_TRIALS: u64 = 100_000;

/// By how much a sure figure may miss its value through rounding of sums, relative to it.
const ROUNDING: f64 = 1e-9;

pub(super) fn report(found: &Auditor<'_>, reference: Option<&Auditor<'_>>) -> Report {
    let mut rows = vec![
        row("nodes", &found.nodes, reference.map(|other| &other.nodes)),
        row("edges", &found.edges, reference.map(|other| &other.edges)),
    ];
    rows.extend(edge_distribution(found));
    rows.extend(off_lattice(found, reference));
    rows.push(row("components", &found.components, reference.map(|other| &other.components)));
    rows.push(row("depth", &found.depth, reference.map(|other| &other.depth)));
    rows.push(row("width", &found.width, reference.map(|other| &other.width)));
    rows.push(distinct(found, reference));
    let tables = [Some(degrees(found, reference)), distances(found)].into_iter().flatten().collect();
    Report { graphs: found.graphs() as u64, rows, tables }
}

/// A figure that each graph has once.
fn row(figure: &'static str, tally: &Tally, reference: Option<&Tally>) -> Row {
    let found = &tally.found;
    let (least, greatest) = found.ends.unwrap_or((0.0, 0.0));
    let spread = Some((found.deviation(), least, greatest));
    let (expected, p) = match (tally.expected, reference) {
        (Some(all), _) => (Some(all.mean / found.count.max(1.0)), Some(against_theory(tally, all))),
        (None, Some(other)) => (Some(other.found.mean()), Some(against_draws(found, &other.found))),
        (None, None) => (None, None),
    };
    Row { figure, mean: found.mean(), spread, expected, p }
}

fn against_theory(tally: &Tally, all: Expected) -> f64 {
    match all.variance {
        _ if tally.broken => 0.0,
        variance if variance > 0.0 => normal_two_sided((tally.found.sum - all.mean) / variance.sqrt()),
        _ => 1.0,
    }
}

/// Against independent graphs of the family: the mean's distance in standard deviations as they have them.
fn against_draws(found: &Moments, reference: &Moments) -> f64 {
    let variance = reference.variance();
    let far = found.mean() - reference.mean();
    if variance > 0.0 {
        let error = variance * (1.0 / found.count.max(1.0) + 1.0 / reference.count.max(1.0));
        return normal_two_sided(far / error.sqrt());
    }
    if found.ends == reference.ends {
        return 1.0;
    }
    // As many draws without exception leave this much room for one, for each graph that is one.
    1.0 / (reference.count + 1.0)
}

/// The distribution of the number of edges among graphs of one family, by χ² over numbers that are expected often enough.
fn edge_distribution(found: &Auditor<'_>) -> Option<Row> {
    let masses = found.last.as_ref().filter(|_| found.one_family)?.1.masses.as_ref()?;
    let graphs = found.graphs();
    let (mut statistic, mut cells) = (0.0, 0.0);
    let (mut expected, mut count) = (0.0, 0.0);
    let mut left = graphs;
    for (edges, mass) in masses.iter().enumerate() {
        expected += mass * graphs;
        count += found.edge_counts.get(&edges).copied().unwrap_or(0) as f64;
        // A cell is closed where both it and what remains are large enough.
        if expected >= FEW && left - expected >= FEW {
            statistic += (count - expected) * (count - expected) / expected;
            cells += 1.0;
            left -= expected;
            (expected, count) = (0.0, 0.0);
        }
    }
    if cells < 1.0 {
        return None;
    }
    statistic += (count - expected) * (count - expected) / expected;
    let p = Some(chi_square_above(statistic, cells));
    let variance: f64 = {
        let mean: f64 = masses.iter().enumerate().map(|(edges, mass)| edges as f64 * mass).sum();
        masses.iter().enumerate().map(|(edges, mass)| (edges as f64 - mean) * (edges as f64 - mean) * mass).sum()
    };
    Some(Row {
        figure: "deviation of edges",
        mean: found.edges.found.deviation(),
        spread: None,
        expected: Some(variance.sqrt()),
        p,
    })
}

/// Of graphs with a lattice, the share of edges that lie off it: those that were rewired, but for a few that came back.
fn off_lattice(found: &Auditor<'_>, reference: Option<&Auditor<'_>>) -> Option<Row> {
    let theory = found.lattice.expected?;
    let lattice = &found.lattice;
    let share = |count: f64, of: u64| if of > 0 { count / of as f64 } else { 0.0 };
    let from_draws = || reference.map(|other| &other.lattice).map(|other| share(other.found as f64, other.edges));
    let expected = theory.map(|sum| share(sum, lattice.edges)).or_else(from_draws);
    let p = expected.map(|expected| {
        if lattice.edges <= EXACT_TRIALS {
            return binomial_two_sided(lattice.found, lattice.edges, expected);
        }
        let edges = lattice.edges as f64;
        let error = (expected * (1.0 - expected) * edges).sqrt();
        let far = lattice.found as f64 - expected * edges;
        if error > 0.0 { normal_two_sided(far / error) } else { f64::from(u8::from(far == 0.0)) }
    });
    let mean = share(lattice.found as f64, lattice.edges);
    Some(Row { figure: "rewired share", mean, spread: None, expected, p })
}

/// How many different graphs there are. Among independent draws one graph hardly ever comes twice.
fn distinct(found: &Auditor<'_>, reference: Option<&Auditor<'_>>) -> Row {
    let graphs = found.graphs();
    let pairs = |graphs: f64| graphs * (graphs - 1.0) / 2.0;
    let theory = found.last.as_ref().filter(|_| found.one_family).and_then(|(_, theory)| theory.coincidence);
    let from_draws = reference.map(|other| {
        let same: f64 = other.identities.values().map(|&count| pairs(count as f64)).sum();
        (same + 1.0) / pairs(other.graphs()).max(1.0)
    });
    let coincidence = theory.or(from_draws);
    let repeated = found.repeated() as f64;
    let p = coincidence.map(|chance| poisson_at_least(repeated, chance.min(1.0) * pairs(graphs)));
    Row { figure: "different graphs", mean: graphs - repeated, spread: None, expected: None, p }
}

fn degrees(found: &Auditor<'_>, reference: Option<&Auditor<'_>>) -> Table {
    let (degrees, graphs) = (&found.degrees, found.graphs());
    let nodes = found.nodes.found.sum.max(1.0);
    let drawn = reference.filter(|_| degrees.expected.is_none());
    let known = degrees.found.len().max(drawn.map_or(0, |other| other.degrees.found.len()));
    let of = |all: &[Moments], degree: usize, seen: f64| {
        all.get(degree).copied().unwrap_or(Moments::default().with_zeros(seen))
    };
    let mut shares = Vec::new();
    let mut least: Option<f64> = None;
    let mut looked = 0.0;
    for degree in 0..known {
        let here = of(&degrees.found, degree, graphs);
        let (expected, p) = match (&degrees.expected, drawn) {
            (Some(sums), _) => {
                let sum = sums.get(degree).copied().unwrap_or(0.0);
                let spread = reference.map_or_else(
                    || of(&degrees.off, degree, graphs).variance(),
                    |other| of(&other.degrees.off, degree, other.graphs()).variance(),
                );
                let enough = reference.map_or(graphs, Auditor::graphs) >= MANY;
                (Some(sum / nodes), count_against(here.sum, sum, enough.then_some(spread * graphs)))
            }
            (None, Some(other)) => {
                let there = of(&other.degrees.found, degree, other.graphs());
                let p = (there.sum >= FEW).then(|| against_draws(&here, &there));
                (Some(there.sum / other.nodes.found.sum.max(1.0)), p)
            }
            (None, None) => (None, None),
        };
        if let Some(p) = p {
            looked += 1.0;
            least = Some(least.map_or(p, |least| least.min(p)));
        }
        shares.push((degree, here.sum / nodes, expected));
    }
    while shares.last().is_some_and(|(_, found, expected)| *found == 0.0 && expected.unwrap_or(0.0) < 5e-5) {
        shares.pop();
    }
    // The counts of one graph's degrees depend on each other: the clearest of them counts, times how many were looked at.
    let p = least.map(|least| (least * looked).min(1.0));
    Table { figure: "degree", of: "nodes", shares, p }
}

/// A count against its expectation: normal where it is expected often and its variance is known; where it is hardly ever
/// expected only too many are told.
fn count_against(found: f64, expected: f64, variance: Option<f64>) -> Option<f64> {
    if expected < FEW {
        return (found > 0.0).then(|| poisson_at_least(found, expected));
    }
    let variance = variance?;
    let far = found - expected;
    if variance > ROUNDING * expected {
        Some(normal_two_sided(far / variance.sqrt()))
    } else {
        Some(f64::from(u8::from(far.abs() <= ROUNDING * expected)))
    }
}

/// Of families with independent edges: how often pairs of each ring distance are joined, by χ².
fn distances(found: &Auditor<'_>) -> Option<Table> {
    let expected = found.expected_distances.as_ref().filter(|all| !all.is_empty())?;
    let mut shares = Vec::new();
    let (mut statistic, mut freedom, mut broken) = (0.0, 0.0, false);
    let (mut rest, mut rest_expected) = (0.0, Expected::default());
    for (at, (pairs, theory)) in expected.iter().enumerate() {
        let count = found.distances.get(at).copied().unwrap_or(0) as f64;
        let all = (*pairs as f64).max(1.0);
        shares.push((at + 1, count / all, Some(theory.mean / all)));
        if theory.variance >= FEW {
            statistic += (count - theory.mean) * (count - theory.mean) / theory.variance;
            freedom += 1.0;
        } else if theory.variance > 0.0 {
            rest += count;
            rest_expected.add(*theory);
        } else {
            broken |= (count - theory.mean).abs() > ROUNDING * all;
        }
    }
    // Distances beyond all that the family has pairs of.
    broken |= found.distances.iter().skip(expected.len()).any(|&count| count > 0);
    if rest_expected.variance >= FEW {
        statistic += (rest - rest_expected.mean) * (rest - rest_expected.mean) / rest_expected.variance;
        freedom += 1.0;
    }
    let p = match freedom {
        _ if broken => 0.0,
        0.0 => 1.0,
        freedom => chi_square_above(statistic, freedom),
    };
    Some(Table { figure: "ring distance", of: "pairs", shares, p: Some(p) })
}
