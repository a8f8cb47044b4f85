//! The study as pictures that look like the paper's, its own figures marked in each.

use crate::Study;
use crate::chart::{Axis, Chart, Color, Layer, Mark, Panel};
use crate::published::{self, FAMILIES, UNITS};
use crate::study::{Sample, WORKERS, moments};
use crate::tables::{ROWS, entropy, megabytes, scores, time};

/// One colour a family, told apart by colour-blind readers too.
pub const COLORS: [Color; 5] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#8a8a8a"];

/// Bars of one family have this width, on an axis where groups are 1 apart.
const BAR: f64 = 0.16;

/// File names and charts.
pub fn all(study: &Study) -> Vec<(&'static str, Chart)> {
    let own = |size: usize| {
        let title = format!("{} blocks", [40, 80][size]);
        let theirs = if size == 0 { published::CS_40 } else { published::CS_80 };
        let mut panel = bars(&title, "CS over that of DP at n = 4", &relative(&theirs), |family, unit| {
            let first = scores(study, size, 0, 0, true).0;
            let (mean, spread) = scores(study, size, family, unit, true);
            (mean / first, spread / first)
        });
        panel.y = Axis { from: 0.4, to: 16.0, log: true, ..panel.y };
        panel
    };
    let communication = bars("40 blocks", "communication Λ, MB", &published::COMMUNICATION, |family, unit| {
        megabytes(&study[ROWS[0][family]], unit)
    });
    let computing = bars("40 blocks", "work of the fullest unit over FB's", &published::TIME, |family, unit| {
        time(study, family, unit)
    });
    vec![
        ("figure-7.svg", families("Figure 7: communication", vec![communication])),
        ("figure-8.svg", families("Figure 8: computation time", vec![computing])),
        ("figure-9.svg", families("Figure 9: concurrency score, one U_c for all", vec![own(0), own(1)])),
        ("figure-10.svg", widths(study)),
        ("figure-12.svg", balance(study)),
    ]
}

/// Every score over DP's on the fewest units: absolute ones depend on U_c, which the paper does not print.
fn relative(scores: &[[f64; 5]; 4]) -> [[f64; 5]; 4] {
    scores.map(|row| row.map(|score| score / scores[0][0]))
}

fn families(title: &str, panels: Vec<Panel>) -> Chart {
    let mut legend: Vec<(Mark, String)> =
        FAMILIES.iter().zip(COLORS).map(|(name, color)| (Mark::Bar(color), (*name).to_owned())).collect();
    legend.push((Mark::Whisker, "± s. d.".to_owned()));
    legend.push((Mark::Published, "paper".to_owned()));
    let columns = panels.len();
    Chart { title: title.to_owned(), legend, panels, columns }
}

fn bars(title: &str, label: &str, theirs: &[[f64; 5]; 4], ours: impl Fn(usize, usize) -> (f64, f64)) -> Panel {
    let place = |family: usize, unit: usize| unit as f64 + (family as f64 - 2.0) * BAR;
    let (mut layers, mut whiskers, mut published) = (Vec::new(), Vec::new(), Vec::new());
    for (family, color) in COLORS.into_iter().enumerate() {
        let mut points = Vec::new();
        for (unit, row) in theirs.iter().enumerate() {
            let (x, (mean, spread)) = (place(family, unit), ours(family, unit));
            points.push((x, mean, BAR / 2.0 * 0.92));
            whiskers.push((x, mean, spread));
            published.push((x, row[family], 0.0));
        }
        layers.push(Layer { mark: Mark::Bar(color), points });
    }
    let tops = whiskers.iter().map(|(_, mean, spread)| mean + spread).chain(published.iter().map(|point| point.1));
    let y = Axis::from_zero(label, tops.fold(0.0, f64::max));
    layers.push(Layer { mark: Mark::Whisker, points: whiskers });
    layers.push(Layer { mark: Mark::Published, points: published });
    let words = UNITS.iter().enumerate().map(|(unit, units)| (unit as f64, units.to_string())).collect();
    let x = Axis { label: "units n".to_owned(), from: -0.5, to: 3.5, log: false, words };
    Panel { title: title.to_owned(), x, y, layers }
}

fn widths(study: &Study) -> Chart {
    let panels = (0..5).map(|family| shape(family, &study[ROWS[0][family]])).collect();
    let mark = "#555";
    let legend = vec![
        (Mark::Line(mark), "mean width".to_owned()),
        (Mark::Band(mark), "± s. d.".to_owned()),
        (Mark::Published, "paper's sample (DP, ER: by depth; others: deepest, widest)".to_owned()),
    ];
    Chart { title: "Figure 10: blocks at each depth, 40 blocks".to_owned(), legend, panels, columns: 3 }
}

/// Mean and spread of the width at each depth; a network that has ended is 0 wide. Depth 1 is the input vertex.
fn shape(family: usize, samples: &[Sample]) -> Panel {
    let (their_depth, their_width) = published::SHAPES[family];
    let deepest = samples.iter().map(|sample| sample.widths.len()).max().unwrap_or(0);
    let at = |depth: usize| {
        moments(samples.iter().map(move |sample| f64::from(sample.widths.get(depth).copied().unwrap_or(0))))
    };
    let figures: Vec<(f64, (f64, f64))> = (0..deepest).map(|depth| (depth as f64 + 2.0, at(depth))).collect();
    // Beyond where nearly all networks have ended the line is 0.
    let figures: Vec<_> = figures.into_iter().take_while(|(_, (mean, _))| *mean > 0.02).collect();
    let band = figures.iter().map(|&(x, (mean, spread))| (x, (mean - spread).max(0.0), mean + spread)).collect();
    let line = figures.iter().map(|&(x, (mean, _))| (x, mean, 0.0)).collect();
    let known = published::WIDTHS.iter().find(|(name, _)| *name == FAMILIES[family]);
    let theirs = match known {
        Some((_, widths)) => {
            widths.iter().enumerate().map(|(depth, &width)| (depth as f64 + 1.0, width, 0.0)).collect()
        }
        None => vec![(their_depth, their_width, 0.0)],
    };
    let top = figures.iter().map(|(_, (mean, spread))| mean + spread).fold(their_width, f64::max);
    let end = figures.last().map_or(1.0, |(depth, _)| *depth).max(their_depth);
    let color = COLORS[family];
    Panel {
        title: FAMILIES[family].to_owned(),
        x: Axis::from_zero("depth, 1 is the input", end),
        y: Axis::from_zero("blocks", top),
        layers: vec![
            Layer { mark: Mark::Band(color), points: band },
            Layer { mark: Mark::Line(color), points: line },
            Layer { mark: Mark::Published, points: theirs },
        ],
    }
}

/// Medians and first percentiles, ours as bars and theirs as marks.
fn balance(study: &Study) -> Chart {
    let panel = |title: &str, ours: fn((f64, f64)) -> f64, theirs: fn(&(u32, f64, f64)) -> f64| {
        let points =
            (0..WORKERS.len()).map(|index| (index as f64, ours(entropy(&study["dp_40"], index)), 0.3)).collect();
        let marks =
            published::ENTROPY.iter().enumerate().map(|(index, row)| (index as f64, theirs(row), 0.0)).collect();
        let words = WORKERS.iter().enumerate().map(|(index, workers)| (index as f64, workers.to_string())).collect();
        Panel {
            title: title.to_owned(),
            x: Axis { label: "units".to_owned(), from: -0.5, to: 3.5, log: false, words },
            y: Axis::from_zero("entropy of the loads", 1.0),
            layers: vec![Layer { mark: Mark::Bar(COLORS[0]), points }, Layer { mark: Mark::Published, points: marks }],
        }
    };
    Chart {
        title: "Figure 12: balance of the paper's own placement, DP, 40 blocks".to_owned(),
        legend: vec![(Mark::Bar(COLORS[0]), "DP".to_owned()), (Mark::Published, "paper".to_owned())],
        panels: vec![
            panel("median", |both| both.0, |row| row.1),
            panel("first percentile", |both| both.1, |row| row.2),
        ],
        columns: 2,
    }
}
