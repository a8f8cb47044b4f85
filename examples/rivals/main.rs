//! Our kernels beside other engines, on networks of the literature and randomly wired ones: the page `docs/rivals.md`.
//!
//! `cargo run --release --example rivals -- docs/rivals.md` needs the Python environment that `cnasc explain E0642` makes,
//! and a machine with nothing else to do, for a quarter of an hour. Words after the file choose the networks that have one of them in
//! their names; `runs=N` counts N inferences of each engine. `alone WORDS`, with the words of `cnasc bench`, is how it calls itself to learn what
//! ours takes in a process of its own.

use clap::Parser;
use cnasc::cli::{Cli, Command, Engine};
use cnasc::failure::{Failure, codes};
use cnasc::output::{Output, write_file};
use cnasc::rivals::{self, Match, Preparation, Row};
use cnasc::{Session, model};
use cnasc_base::{Sources, render};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Declares the randomly wired networks.
const NETWORKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/rivals/networks.cnas");

/// Inferences of each engine that are counted, where nothing else is said.
const RUNS: u32 = 30;

/// The others, in the order of the table's columns.
const AGAINST: [Engine; 4] = [Engine::Onnxruntime, Engine::Openvino, Engine::Ncnn, Engine::Tract];

/// Threads of each table.
const THREADS: [u32; 2] = [1, 2];

/// A network, and what `cnasc bench` is told to draw it.
struct Entry {
    name: String,
    words: Vec<String>,
    /// Whether the geometric means are over it.
    random: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse_from(["cnasc", "check", "unused"]);
    let mut session = Session { sources: Sources::default(), output: Output::new(&cli.output) };
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((first, words)) if first == "alone" => alone(&mut session, words),
        _ => run(&mut session, words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{}", render::human(&session.sources, &failure.diagnostics, false));
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Prints what ours takes for the network.
fn alone(session: &mut Session, words: &[String]) -> Result<(), Failure> {
    let cli = bench(words);
    let Command::Bench(args) = &cli.command else { unreachable!("the words are of `bench`") };
    let found = rivals::prepare_alone(session, args)?;
    session.output.text(&serde_json::to_string(&found).expect("numbers can be written"));
    Ok(())
}

/// The same from a process of its own, which ends with it.
fn prepared(entry: &Entry) -> Result<Preparation, Failure> {
    let failed = |why: String| Failure::running(codes::RUN, format!("`{}` in a process of its own: {why}", entry.name));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let output = std::process::Command::new(program).arg("alone").args(&entry.words).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| failed(format!("{error}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// The command line of `cnasc bench` with these words.
fn bench(words: &[String]) -> Cli {
    Cli::parse_from(["cnasc", "bench"].iter().copied().chain(words.iter().map(String::as_str)))
}

fn run(session: &mut Session, words: Vec<String>) -> Result<(), Failure> {
    let (options, words): (Vec<String>, Vec<String>) = words.into_iter().partition(|word| word.contains('='));
    let runs = options.iter().find_map(|word| word.strip_prefix("runs=")?.parse().ok()).unwrap_or(RUNS);
    let (file, chosen) = words.split_first().map_or((None, &[][..]), |(file, rest)| (Some(PathBuf::from(file)), rest));
    let mut found = Vec::new();
    for entry in entries() {
        if chosen.is_empty() || chosen.iter().any(|word| entry.name.contains(word.as_str())) {
            let rows = measure(session, &entry, runs)?;
            session.output.remark(&format!("{}\n{}", entry.name, rivals::for_people(&rows)));
            found.push((entry, rows));
            // After each, so that a run that is ended early leaves what it has found.
            if let Some(path) = &file {
                write_file(path, page(&found, runs).as_bytes())?;
            }
        }
    }
    if file.is_none() {
        session.output.text(&page(&found, runs));
    }
    Ok(())
}

fn measure(session: &mut Session, entry: &Entry, runs: u32) -> Result<Vec<Row>, Failure> {
    let cli = bench(&entry.words);
    let Command::Bench(args) = &cli.command else { unreachable!("the words are of `bench`") };
    let (architecture, _) = model::load_one(session, &args.file, &args.draw)?;
    let mut rows = Vec::new();
    let Preparation { ready_ms, memory_mib } = prepared(entry)?;
    for threads in THREADS {
        let given = Match { architecture: &architecture, weights: None, against: &AGAINST, threads, runs };
        // The peak is measured each time: what a busy machine takes from it, it takes from the engines.
        rows.extend(rivals::compare(session, given, rivals::peak())?);
    }
    // The first row is ours on one thread.
    (rows[0].ready_ms, rows[0].memory_mib) = (ready_ms, memory_mib);
    Ok(rows)
}

fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for (family, shown) in [("er", "ER"), ("ba", "BA"), ("ws", "WS"), ("distance", "distance")] {
        for (item, width) in [("small", 78), ("small", 80), ("regular", 109), ("regular", 154), ("tiny", 32)] {
            let size = if item == "tiny" { ", 32×32" } else { "" };
            let words = [NETWORKS, "--item", &format!("{item}_{family}"), "--set", &format!("width={width}")];
            let words = words.map(str::to_owned).to_vec();
            entries.push(Entry { name: format!("RandWire {shown}, C = {width}{size}"), words, random: true });
        }
    }
    for (name, path) in [
        ("ResNet-50", "resnet::resnet50"),
        ("MobileNetV2", "mobilenet::mobilenet_v2"),
        ("SqueezeNet", "squeezenet::squeezenet"),
    ] {
        let words = vec![format!("std::networks::{path}")];
        entries.push(Entry { name: name.to_owned(), words, random: false });
    }
    entries
}

fn page(found: &[(Entry, Vec<Row>)], runs: u32) -> String {
    let mut text = format!(
        "# Our kernels beside other engines\n\n\
         Written by `cargo run --release --example rivals -- docs/rivals.md`; `cnasc bench FILE --threads 1,2 --against onnxruntime,openvino,ncnn,tract` \
         does the same for one network. An earlier table is of a Xeon: [`rivals-xeon.md`](rivals-xeon.md).\n\n\
         Medians of {runs} single inferences, batch 1, fp32, warm. All engines run in the same minutes and in turns of a few inferences, each in a process of its own; \
         the other engines read the model as `--emit onnx --fold` writes it, with batch norm and gates computed into the layers, so that none of them has to do this. \
         A ratio is the other engine's median over ours: above 1 ours is sooner. *Of peak* is the share of what that many cores did at most when measured in the same minute, multiply-adds on registers alone. \
         Where a cell is empty the engine can't run the network or that number of threads. Other programs ran on the machine at times: ratios say more than milliseconds.\n\n\
         Machine: {}. Engines: {}.\n",
        machine(),
        versions(found)
    );
    for threads in THREADS {
        let title = if threads == 1 { "One thread".to_owned() } else { format!("{threads} threads") };
        write!(text, "\n## {title}\n\n{}", table(found, threads)).expect("a string takes any text");
    }
    text.push_str(&preparations(found));
    let missing: Vec<String> = entries()
        .into_iter()
        .map(|entry| entry.name)
        .filter(|name| found.iter().all(|(entry, _)| entry.name != *name))
        .collect();
    if !missing.is_empty() {
        write!(text, "\nNot measured in this run: {}.\n", missing.join("; ")).expect("a string takes any text");
    }
    let lost = losses(found);
    let lost = if lost.is_empty() { "Nowhere on this machine.\n".to_owned() } else { lost };
    write!(text, "\n## Where ours is slower than the best of them\n\n{lost}").expect("a string takes any text");
    text
}

/// Name and cores of the processor, where the system tells.
fn machine() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or("unknown", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {cores} cores, {}", std::env::consts::ARCH)
}

fn versions(found: &[(Entry, Vec<Row>)]) -> String {
    let all = found.iter().flat_map(|(_, rows)| rows).filter(|row| row.backend != "jit");
    let short = |row: &Row| row.version.split(['-', '+']).next().unwrap_or_default().to_owned();
    let versions: BTreeMap<&str, String> = all.map(|row| (row.backend.as_str(), short(row))).collect();
    versions.iter().map(|(engine, version)| format!("{engine} {version}")).collect::<Vec<_>>().join(", ")
}

/// Ours and the others on so many threads.
fn of_threads(rows: &[Row], threads: u32) -> (Option<&Row>, Vec<&Row>) {
    let rows = rows.iter().filter(|row| row.threads == threads);
    let (ours, others): (Vec<&Row>, Vec<&Row>) = rows.partition(|row| row.backend == "jit");
    (ours.first().copied(), others)
}

/// What all take to be ready, and in memory.
fn preparations(found: &[(Entry, Vec<Row>)]) -> String {
    let engines: Vec<&str> = AGAINST.iter().map(|&engine| rivals::name(engine)).collect();
    let mut text = format!(
        "\n## Ready to run, and memory\n\n\
         On one thread. *ms*: ours from the source, which is checked and drawn, to machine code with weights in their places; the others from their model's file, once their library is loaded. \
         ncnn's conversion by pnnx is not counted. *MiB*: what the process grew by at most, from before it read the network to the end of its first inferences; code that an engine \
         loads only then is among it, Python and what it imports is not.\n\n\
         | network | ours ms | MiB |{}\n| --- | --: | --: |{}\n",
        engines.iter().map(|engine| format!(" {engine} ms | MiB |")).collect::<String>(),
        " --: | --: |".repeat(engines.len())
    );
    let cells = |row: &Row| {
        let memory = row.memory_mib.map_or_else(String::new, |memory| format!("{memory:.0}"));
        format!("{:.0} | {memory} |", row.ready_ms)
    };
    for (entry, rows) in found {
        let (Some(ours), others) = of_threads(rows, 1) else { continue };
        let of = |engine: &&str| others.iter().find(|row| row.backend == **engine).map(|row| cells(row));
        let others: Vec<String> =
            engines.iter().map(|engine| of(engine).unwrap_or_else(|| " | |".to_owned())).collect();
        let line = format!("| {} | {} {}\n", entry.name, cells(ours), others.join(" "));
        text.push_str(&line);
    }
    text
}

fn best<'a>(others: &[&'a Row]) -> Option<&'a Row> {
    others.iter().copied().min_by(|a, b| a.ratio.total_cmp(&b.ratio))
}

fn table(found: &[(Entry, Vec<Row>)], threads: u32) -> String {
    let engines: Vec<&str> = AGAINST.iter().map(|&engine| rivals::name(engine)).collect();
    let mut text = format!(
        "| network | ours ms | GFLOP/s | of peak | {} | best |\n| --- | --: | --: | --: |{} --: |\n",
        engines.join(" | "),
        " --: |".repeat(engines.len())
    );
    for (entry, rows) in found {
        let (Some(ours), others) = of_threads(rows, threads) else { continue };
        let cells: Vec<String> = engines
            .iter()
            .map(|engine| {
                let row = others.iter().find(|row| row.backend == *engine);
                row.map_or_else(String::new, |row| format!("{:.2}", row.ratio))
            })
            .collect();
        let peak = ours.share_of_peak.map_or_else(String::new, |share| format!("{:.0} %", share * 1e2));
        let best = best(&others).map_or_else(String::new, |row| format!("**{:.2}**", row.ratio));
        let (ms, rate) = (ours.median_ms, ours.gflops);
        let line = format!("| {} | {ms:.2} | {rate:.1} | {peak} | {} | {best} |\n", entry.name, cells.join(" | "));
        text.push_str(&line);
    }
    text.push_str(&means(found, threads));
    text
}

/// The geometric mean of the ratios to the best of the others over the randomly wired networks, and how far answers were apart.
fn means(found: &[(Entry, Vec<Row>)], threads: u32) -> String {
    let random = found.iter().filter(|(entry, _)| entry.random);
    let ratios: Vec<f64> =
        random.filter_map(|(_, rows)| Some(libm::log(best(&of_threads(rows, threads).1)?.ratio))).collect();
    let apart = found.iter().flat_map(|(_, rows)| rows).filter(|row| row.threads == threads);
    let apart = apart.map(|row| row.difference).fold(0.0, f64::max);
    let mut text = String::new();
    if !ratios.is_empty() {
        let mean = libm::exp(ratios.iter().sum::<f64>() / ratios.len() as f64);
        text = format!("\nRandomly wired networks, geometric mean against the best of each: {mean:.2}.");
    }
    text + &format!(" Answers of all engines are within {apart:.0e} of the largest output of ours.\n")
}

fn losses(found: &[(Entry, Vec<Row>)]) -> String {
    let mut text = String::new();
    for (entry, rows) in found {
        for threads in THREADS {
            if let Some(row) = best(&of_threads(rows, threads).1).filter(|row| row.ratio < 1.0) {
                let line = format!(
                    "- {}, threads: {threads}: {} takes {:.2} of our time\n",
                    entry.name, row.backend, row.ratio
                );
                text.push_str(&line);
            }
        }
    }
    text
}
