//! `cnasc partition FILE.hgr -k N`: parts of any hypergraph in an hMETIS file, of balanced weight, that cut as little as they can.

use crate::Session;
use crate::cli::{EffortArg, PartitionArgs};
use crate::failure::{Exit, Failure, codes};
use crate::output::milliseconds;
use cnasc_base::{Diagnostic, Seed};
use cnasc_place::hypergraph::hmetis;
use cnasc_place::partition::{Request, exact, partition};
use cnasc_place::{Effort, Hypergraph, Partition};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Debug, Serialize)]
struct Document<'a> {
    km1: u64,
    imbalance: f64,
    epsilon: f64,
    proved: bool,
    parts: usize,
    loads: &'a [u64],
    seconds: f64,
    seed: u64,
    vertices: usize,
    nets: usize,
    output: Option<String>,
    part_of: &'a [u32],
}

/// Partitions and prints.
pub fn run(session: &mut Session, args: &PartitionArgs) -> Result<Exit, Failure> {
    let text = std::fs::read_to_string(&args.file).map_err(|error| Failure::unreadable(&args.file, &error))?;
    let graph = hmetis::read(&text)
        .map_err(|error| Diagnostic::error(codes::FORM, format!("`{}`, {error}", args.file.display())))?;
    let shares = shares(args)?;
    if !(args.epsilon >= 0.0 && args.epsilon.is_finite()) {
        return Err(Failure::usage(Diagnostic::error(codes::OPTION, "`--epsilon` is a number from 0, such as 0.03")));
    }
    let effort = match args.effort {
        EffortArg::Fast => Effort::FAST,
        EffortArg::Thorough => Effort::THOROUGH,
    };
    let request = Request { targets: &shares, bound: 1.0 + args.epsilon, effort, known: None };
    let started = Instant::now();
    let mut found = partition(&graph, &request, &Seed::new(args.seed));
    let mut proved = false;
    if let Some(nodes) = args.prove {
        let proof = exact::prove(&graph, &request, &found, nodes);
        (found, proved) = (proof.partition, proof.optimal);
    }
    let seconds = started.elapsed().as_secs_f64();
    if found.bound > request.bound {
        session.output.remark(&format!(
            "no parts within ε = {} were found; these keep ε = {:.4}",
            args.epsilon,
            found.bound - 1.0
        ));
    }
    let output = write_parts(args, shares.len(), &found)?;
    let document = Document {
        km1: found.connectivity,
        imbalance: imbalance(&graph, &shares, &found),
        epsilon: found.bound - 1.0,
        proved,
        parts: shares.len(),
        loads: &found.loads,
        seconds,
        seed: args.seed,
        vertices: graph.vertices(),
        nets: graph.nets(),
        output: output.map(|path| path.display().to_string()),
        part_of: &found.part_of,
    };
    if session.output.is_json() {
        session.output.json(&document);
    } else {
        session.output.text(&for_people(&document, args.prove.is_some()));
    }
    Ok(Exit::Done)
}

/// The parts' shares of the weight, from `--shares` or `-k`.
fn shares(args: &PartitionArgs) -> Result<Vec<f64>, Failure> {
    let wrong = |message: &str| Err(Failure::usage(Diagnostic::error(codes::OPTION, message)));
    if args.shares.iter().any(|share| !(share.is_finite() && *share > 0.0)) {
        return wrong("`--shares` are numbers above 0, such as 1,1,2");
    }
    match (args.parts, args.shares.len()) {
        (Some(parts), 0) => Ok(vec![1.0; parts as usize]),
        (None, 1..) => Ok(args.shares.clone()),
        _ => wrong("say into how many parts: `-k 4`, or `--shares 1,1,2` for unequal ones"),
    }
}

fn imbalance(graph: &Hypergraph, shares: &[f64], found: &Partition) -> f64 {
    let (total, sum) = (graph.total_weight() as f64, shares.iter().sum::<f64>());
    let filled = found.loads.iter().zip(shares).map(|(&load, share)| load as f64 * sum / (total.max(1.0) * share));
    filled.fold(1.0, f64::max) - 1.0
}

/// A line a vertex with its part, where asked for; gives the file's name.
fn write_parts(args: &PartitionArgs, parts: usize, found: &Partition) -> Result<Option<PathBuf>, Failure> {
    let Some(named) = &args.output else { return Ok(None) };
    let path = named.clone().unwrap_or_else(|| {
        let mut name = args.file.clone().into_os_string();
        name.push(format!(".part.{parts}"));
        PathBuf::from(name)
    });
    let mut text = String::new();
    for part in &found.part_of {
        writeln!(text, "{part}").expect("a string takes everything");
    }
    std::fs::write(&path, text).map_err(|error| Failure::unwritable(&path, &error))?;
    Ok(Some(path))
}

fn for_people(document: &Document, asked: bool) -> String {
    let proof = match (asked, document.proved) {
        (false, _) => "",
        (true, true) => ", proved to be the least",
        (true, false) => ", not proved to be the least",
    };
    let loads: Vec<String> = document.loads.iter().map(u64::to_string).collect();
    let mut text = format!(
        "{} vertices, {} nets, {} parts\nkm1 {}{proof}\nimbalance {:.4}\nloads {}\n{} ms\n",
        document.vertices,
        document.nets,
        document.parts,
        document.km1,
        document.imbalance,
        loads.join(" "),
        milliseconds(document.seconds)
    );
    if let Some(output) = &document.output {
        text += &format!("written to {output}\n");
    }
    text
}
