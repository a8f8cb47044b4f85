//! The structural half of the paper, drawn anew: Figures 7, 8, 9, 10 and 12 and Table IV, each beside the printed figures.
//!
//! `cargo run --release --example paper` draws 1,000 networks of each search of `paper.cnas`, prints a table for each figure,
//! and writes the tables and the pictures into `docs/paper`. `-- N DIR` draws N and writes into DIR. `-- fit` shows which constants
//! come near the figures, `-- latency` what predicts the latency of the networks of `latency.cnas`, and `-- accuracy` (with the feature
//! `train`) trains those of `accuracy/*.cnas`; `-- kept` tells of what it has kept so far, and `-- proxies` what would have predicted it.

#[cfg(feature = "train")]
mod accuracy;
mod chart;
mod figures;
mod fit;
mod latency;
mod published;
mod statistics;
mod study;
mod tables;

use chart::Chart;
use cnasc::failure::Failure;
use cnasc::output::{make_folder, write_file};
use cnasc_base::{Sources, render};
use cnasc_ir::Program;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use study::Sample;

/// The program that declares every network.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/paper/paper.cnas");

/// The program of `-- latency`.
const MIXED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/paper/latency.cnas");

/// Where tables and pictures go.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/paper");

/// The samples of each search, by its name.
pub type Study = BTreeMap<&'static str, Vec<Sample>>;

/// The searches, in the order in which they are drawn.
const SEARCHES: [&str; 13] = [
    "dp_40",
    "er_40",
    "ba_40",
    "ws_40",
    "fb",
    "dp_80",
    "er_80",
    "ba_80",
    "ws_80",
    "dp_greedy",
    "er_greedy",
    "ba_greedy",
    "ws_greedy",
];

fn main() -> ExitCode {
    let mut sources = Sources::default();
    match run(&mut sources) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{}", render::human(&sources, &failure.diagnostics, false));
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(sources: &mut Sources) -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("fit") => {
            print!("{}", fit::table(&check(sources, PROGRAM)?)?);
            Ok(())
        }
        Some("latency") => {
            let (tables, chart) = latency::study(&check(sources, MIXED)?)?;
            write(Path::new(FOLDER), "latency.md", &tables, [("latency.svg", chart)].into_iter())
        }
        Some(word @ ("accuracy" | "kept" | "proxies")) => accuracy(sources, word, &words[1..]),
        _ => figures(&check(sources, PROGRAM)?, &words),
    }
}

#[cfg(feature = "train")]
fn accuracy(sources: &mut Sources, word: &str, words: &[String]) -> Result<(), Failure> {
    let extent = accuracy::Extent::read(words);
    match word {
        "accuracy" => accuracy::study(sources, &extent),
        "kept" => accuracy::so_far(sources, &extent),
        _ => accuracy::proxies::study(sources, &extent),
    }
}

/// Says that this program was built without it.
#[cfg(not(feature = "train"))]
fn accuracy(_: &mut Sources, _: &str, _: &[String]) -> Result<(), Failure> {
    let message = "this program was built without training";
    let note = "run it with `--features train`";
    Err(Failure::usage(cnasc_base::Diagnostic::error(cnasc::failure::codes::ABSENT, message).note(note)))
}

fn check(sources: &mut Sources, path: &str) -> Result<Program, Failure> {
    Ok(cnasc::pipeline::check(sources, Path::new(path))?.0)
}

fn figures(program: &Program, words: &[String]) -> Result<(), Failure> {
    let count = words.first().and_then(|word| word.parse().ok()).unwrap_or(1000);
    let folder = Path::new(words.get(1).map_or(FOLDER, String::as_str));
    let started = Instant::now();
    let mut study = Study::new();
    for name in SEARCHES {
        study.insert(name, study::samples(program, name, count)?);
        eprintln!("{name}: {count} networks, {:.0} s so far", started.elapsed().as_secs_f64());
    }
    write(folder, "tables.md", &tables::all(&study), figures::all(&study).into_iter())
}

/// Prints the tables, and writes them and the pictures.
fn write(
    folder: &Path,
    name: &str,
    tables: &str,
    charts: impl Iterator<Item = (&'static str, Chart)>,
) -> Result<(), Failure> {
    print!("{tables}");
    make_folder(folder)?;
    write_file(&folder.join(name), tables.as_bytes())?;
    for (name, chart) in charts {
        write_file(&folder.join(name), chart::svg(&chart).as_bytes())?;
    }
    Ok(())
}
