//! `cnasc score FILE…`: the concurrency score of networks and everything it is made of.

mod detail;
pub mod proxy;

use crate::Session;
use crate::cli::ScoreArgs;
use crate::failure::{Exit, Failure, codes};
use crate::model;
use crate::output::{bytes, count, milliseconds, table};
use crate::pipeline;
use cnasc_base::{Diagnostic, Seed};
use cnasc_ir::score::{Exponents, Score, Scoring};
use cnasc_ir::{Architecture, Fleet};
use cnasc_place::score::with_unit;
use cnasc_place::{ScoreOptions, Strategy, energy, plan, score};
use cnasc_search::Counts;
use detail::Detail;
use proxy::{Looker, Told};
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
    /// Absent where the network does not fit the fleet.
    latency_ms: Option<f64>,
    /// Absent where the power of a device that computes is not declared, too.
    energy_mj: Option<f64>,
    params: u64,
    flops: u64,
    macs: u64,
    depth: u64,
    width: u64,
    devices: u32,
    fleet: String,
    u_c: u64,
    score: Score,
    network: String,
    /// What the score was made with.
    #[serde(skip)]
    exponents: Exponents,
    /// Where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Detail>,
    /// Where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Told>,
}

/// Scores every network of every file, relative to the smallest edge of them all.
pub fn run(session: &mut Session, args: &ScoreArgs) -> Result<Exit, Failure> {
    let looker = Looker::new(&args.proxy)?;
    let mut rows = Vec::new();
    let mut fleets: Vec<String> = Vec::new();
    for path in &args.files {
        let draws = if pipeline::is_source(path) { args.count } else { 1 };
        let loaded = model::load(session, path, &args.draw, draws)?;
        let fleet = match (&args.fleet.fleet, args.devices) {
            (Some(name), _) => model::named_fleet(session, name, loaded.program.as_ref())?,
            (None, Some(count)) => model::small_boards(session, count)?,
            (None, None) => match loaded.fleet {
                Some(fleet) => fleet,
                None => model::small_boards(session, 4)?,
            },
        };
        let scoring = scoring(args, loaded.score)?;
        let told = tell(&fleet);
        if !fleets.contains(&told) {
            fleets.push(told);
        }
        for architecture in &loaded.architectures {
            rows.push(row(architecture, &fleet, &scoring, (args.detail, looker.as_ref()))?);
        }
    }
    let unit = rows.iter().map(|row| row.score.unit).min().unwrap_or(1);
    rows.iter_mut().for_each(|row| row.share_unit(unit));
    if session.output.is_json() {
        session.output.json(&rows);
    } else {
        session.output.text(&for_people(&rows, &fleets, unit));
    }
    Ok(Exit::Done)
}

/// How scores are made: as the command line says, else as the search does.
fn scoring(args: &ScoreArgs, search: Scoring) -> Result<Scoring, Failure> {
    let exponents = match args.exponents.as_slice() {
        [] => search.exponents,
        &[a, b, c] => Exponents { a, b, c },
        _ => return Err(refused("`--exponents` takes three numbers, as in `--exponents 1,1.5,1`".to_owned())),
    };
    let scoring = Scoring { exponents, bound: args.bound.or(search.bound) };
    let outside = |value: f64, (least, most): (f64, f64)| !(least..=most).contains(&value);
    let Exponents { a, b, c } = scoring.exponents;
    if [a, b, c].into_iter().any(|exponent| outside(exponent, Scoring::EXPONENT)) {
        let (least, most) = Scoring::EXPONENT;
        return Err(refused(format!("an exponent of `--exponents` may be {least} to {most}")));
    }
    if scoring.bound.is_some_and(|bound| outside(bound, Scoring::BOUND)) {
        let (least, most) = Scoring::BOUND;
        return Err(refused(format!(
            "`--bound` may be {least} to {most}: 1.1 is a tenth more than a device's share of the work"
        )));
    }
    Ok(scoring)
}

fn refused(message: String) -> Failure {
    Failure::usage(Diagnostic::error(codes::OPTION, message))
}

/// Eq. 4 with these exponents.
fn formula(exponents: Exponents) -> String {
    let Exponents { a, b, c } = exponents;
    let factor = |(name, exponent): (&str, f64)| {
        if exponent == 1.0 { name.to_owned() } else { format!("{name}^{exponent}") }
    };
    let factors: Vec<String> = [("δ_w", a), ("Λ′", b), ("η", c)].map(factor).to_vec();
    format!("({})^(1/3)", factors.join(" · "))
}

fn row(
    architecture: &Architecture,
    fleet: &Fleet,
    scoring: &Scoring,
    (with_detail, looker): (bool, Option<&Looker>),
) -> Result<Row, Failure> {
    let (graph, workload) = pipeline::analyse(architecture)?;
    let seed = Seed::new(architecture.provenance.seed);
    let devices = u32::try_from(fleet.devices.len()).expect("a fleet has at most 256 devices");
    let options = ScoreOptions::by(scoring, seed.child("score"));
    let scored = score(&workload, devices, &options);
    let placed = plan(&workload, fleet, Strategy::Best, &seed.child("place")).ok();
    let counts = Counts::new(&workload);
    Ok(Row {
        seed: architecture.provenance.seed,
        hash: architecture.hash().to_owned(),
        nodes: counts.nodes,
        cs: scored.cs,
        delta_w: scored.delta_w,
        lambda: scored.lambda,
        eta: scored.eta,
        latency_ms: placed.as_ref().map(|placed| placed.latency * 1e3),
        energy_mj: placed.as_ref().and_then(|placed| energy(placed, fleet)).map(|joules| joules * 1e3),
        params: counts.params,
        flops: counts.flops,
        macs: counts.macs,
        depth: counts.depth,
        width: counts.width,
        devices,
        fleet: fleet.name.clone(),
        u_c: scored.unit,
        score: scored,
        network: architecture.name.clone(),
        exponents: scoring.exponents,
        detail: with_detail.then(|| Detail::new(&workload, devices, &options)),
        proxy: looker.map(|looker| looker.tell(architecture, &graph)).transpose()?,
    })
}

impl Row {
    fn share_unit(&mut self, unit: u64) {
        self.score = with_unit(&self.score, unit, self.exponents);
        self.cs = self.score.cs;
        self.delta_w = self.score.delta_w;
        self.lambda = self.score.lambda;
        self.u_c = unit;
        if let Some(detail) = &mut self.detail {
            detail.choose(self.score.epsilon);
        }
    }
}

/// A fleet in a few words: what a prediction rests on.
pub fn tell(fleet: &Fleet) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for device in &fleet.devices {
        match kinds.iter_mut().find(|(kind, _)| *kind == device.kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((&device.kind, 1)),
        }
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    let mut links = fleet.links.iter().flatten().flatten();
    let link = links.next().map_or_else(String::new, |first| {
        let same = if links.all(|link| link == first) { "" } else { " and others" };
        format!(", {} Mbit/s and {} us{same}", first.rate / 1e6, first.latency * 1e6)
    });
    format!("fleet `{}`: {}{link}", fleet.name, kinds.join(", "))
}

fn for_people(rows: &[Row], fleets: &[String], unit: u64) -> String {
    let headings = [
        "network",
        "seed",
        "n",
        "CS",
        "δ_w",
        "Λ′",
        "η",
        "sent",
        "ε",
        "latency ms",
        "blocks",
        "params",
        "FLOPs",
        "hash",
    ];
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let floor = if row.score.floored { "*" } else { "" };
            vec![
                row.network.clone(),
                row.seed.to_string(),
                row.devices.to_string(),
                format!("{:.3}", row.cs),
                format!("{:.3}", row.delta_w),
                format!("{:.2}{floor}", row.lambda),
                format!("{:.3}", row.eta),
                bytes(row.score.communication),
                format!("{}", row.score.epsilon),
                row.latency_ms.map_or_else(|| "does not fit".to_owned(), |latency| milliseconds(latency / 1e3)),
                row.nodes.to_string(),
                count(row.params),
                count(row.flops),
                row.hash[..12].to_owned(),
            ]
        })
        .collect();
    let mut text = table(&headings, &[0, 13], &cells);
    let mut formulas: Vec<String> = rows.iter().map(|row| formula(row.exponents)).collect();
    formulas.dedup();
    let formulas = formulas.join(" and ");
    text.push_str(&format!("\nCS = {formulas} on n equal devices, lower is better; Λ′ = Λ / (U_c · n).\n"));
    text.push_str(&format!(
        "U_c = {unit} B, the smallest edge of all networks above: compare CS within one table only.\n"
    ));
    text.push_str(&format!("Latency is predicted for the best plan on {}.\n", fleets.join("; ")));
    if rows.iter().any(|row| row.score.floored) {
        text.push_str("* nothing is sent: Λ is taken as one smallest edge, so that CS does not vanish\n");
    }
    for row in rows {
        if let Some(Told { name, value }) = row.proxy {
            let value = value.map_or_else(|| "the least there is".to_owned(), |value| format!("{value:.3}"));
            text.push_str(&format!("{name} of {} {}: {value}\n", row.network, row.seed));
        }
    }
    for row in rows {
        if let Some(detail) = &row.detail {
            text.push_str(&format!("\n{} {} on {} units\n{}", row.network, row.seed, row.devices, detail.for_people()));
        }
    }
    text
}
