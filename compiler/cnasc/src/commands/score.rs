//! `cnasc score FILE…`: the concurrency score of networks and everything it is made of.

use crate::Session;
use crate::cli::ScoreArgs;
use crate::failure::{Exit, Failure, codes};
use crate::model;
use crate::output::{count, milliseconds, table};
use crate::pipeline;
use cnasc_base::Seed;
use cnasc_ir::score::{Exponents, Score};
use cnasc_ir::{Architecture, Fleet};
use cnasc_place::score::with_unit;
use cnasc_place::{ScoreOptions, Strategy, plan, score};
use cnasc_search::Counts;
use serde::Serialize;

/// One network; the fields of the command line's contract first.
#[derive(Debug, Serialize)]
struct Row {
    seed: u64,
    hash: String,
    nodes: u64,
    cs: f64,
    delta_w: f64,
    lambda: f64,
    eta: f64,
    latency_ms: f64,
    params: u64,
    flops: u64,
    macs: u64,
    depth: u64,
    width: u64,
    score: Score,
    network: String,
}

/// Scores every network of every file, relative to the smallest edge of them all.
pub fn run(session: &mut Session, args: &ScoreArgs) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    let mut devices = String::new();
    for path in &args.files {
        let draws = if path.extension().is_some_and(|ending| ending == "cnas") { args.count } else { 1 };
        let loaded = model::load(session, path, &args.draw, draws)?;
        let fleet = match (&args.fleet.fleet, args.devices) {
            (Some(name), _) => model::named_fleet(session, name, loaded.program.as_ref())?,
            (None, Some(count)) => model::small_boards(session, count)?,
            (None, None) => match loaded.fleet {
                Some(fleet) => fleet,
                None => model::small_boards(session, 4)?,
            },
        };
        devices = format!("{} devices of fleet `{}`", fleet.devices.len(), fleet.name);
        for architecture in &loaded.architectures {
            rows.push(row(architecture, &fleet)?);
        }
    }
    let unit = rows.iter().map(|row| row.score.unit).min().unwrap_or(1);
    rows.iter_mut().for_each(|row| row.share_unit(unit));
    if session.output.is_json() {
        session.output.json(&rows);
    } else {
        session.output.text(&for_people(&rows, &devices, unit));
    }
    Ok(Exit::Done)
}

fn row(architecture: &Architecture, fleet: &Fleet) -> Result<Row, Failure> {
    let (graph, workload) = pipeline::analyse(architecture)?;
    let seed = Seed::new(architecture.provenance.seed);
    let devices = u32::try_from(fleet.devices.len()).expect("a fleet has at most 256 devices");
    let scored = score(&workload, devices, &ScoreOptions::new(seed.child("score")));
    let placed = plan(&workload, fleet, Strategy::Best, &seed.child("place"))
        .map_err(|error| Failure::running(codes::PLACE, error.to_string()))?;
    let counts = Counts::new(&graph, &workload);
    Ok(Row {
        seed: architecture.provenance.seed,
        hash: architecture.hash.clone(),
        nodes: counts.nodes,
        cs: scored.cs,
        delta_w: scored.delta_w,
        lambda: scored.lambda,
        eta: scored.eta,
        latency_ms: placed.latency * 1e3,
        params: counts.params,
        flops: counts.flops,
        macs: counts.macs,
        depth: counts.depth,
        width: counts.width,
        score: scored,
        network: architecture.name.clone(),
    })
}

impl Row {
    fn share_unit(&mut self, unit: u64) {
        self.score = with_unit(&self.score, unit, Exponents::PAPER);
        self.cs = self.score.cs;
        self.delta_w = self.score.delta_w;
        self.lambda = self.score.lambda;
    }
}

fn for_people(rows: &[Row], devices: &str, unit: u64) -> String {
    let headings =
        ["network", "seed", "CS", "δ_w", "Λ′", "η", "sent", "ε", "latency ms", "blocks", "params", "FLOPs", "hash"];
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let floor = if row.score.floored { "*" } else { "" };
            vec![
                row.network.clone(),
                row.seed.to_string(),
                format!("{:.3}", row.cs),
                format!("{:.3}", row.delta_w),
                format!("{:.2}{floor}", row.lambda),
                format!("{:.3}", row.eta),
                format!("{}B", count(row.score.communication)),
                format!("{}", row.score.epsilon),
                milliseconds(row.latency_ms / 1e3),
                row.nodes.to_string(),
                count(row.params),
                count(row.flops),
                row.hash[..12].to_owned(),
            ]
        })
        .collect();
    let mut text = table(&headings, &[0, 12], &cells);
    text.push_str(&format!(
        "\nCS = (δ_w · Λ′^1.5 · η)^(1/3) on {devices}, lower is better; Λ′ = Λ / (U_c · n) with U_c = {unit} B\n"
    ));
    if rows.iter().any(|row| row.score.floored) {
        text.push_str("* nothing is sent: Λ is taken as one smallest edge, so that CS does not vanish\n");
    }
    text
}
