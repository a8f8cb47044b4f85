//! `cnasc tune FILE`: measures in which form each kernel of a network is the fastest on this CPU, and keeps it for the commands to come.

use crate::Session;
use crate::cli::TuneArgs;
use crate::commands::bench::kernels::alone;
use crate::failure::{Exit, Failure, codes};
use crate::images::Input;
use crate::output::table;
use crate::pipeline;
use crate::tuning::Keeper;
use cnasc_bundle::Bundle;
use cnasc_kernels::jit::{Form, Measured, tune};
use cnasc_kernels::tuning::Tuned;
use serde::Serialize;

/// The fields are the command line's contract.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    file: String,
    /// On one thread, in the usual forms.
    usual_ms: f64,
    /// In the best.
    ms: f64,
    kernels: Vec<Row>,
}

/// One kernel, the same calls together.
#[derive(Debug, Serialize)]
struct Row {
    calls: u32,
    #[serde(flatten)]
    tuned: Tuned,
}

/// Measures, keeps, and says what is gained.
pub fn run(session: &mut Session, args: &TuneArgs) -> Result<Exit, Failure> {
    // Before any time is spent.
    let keeper = Keeper::open()?;
    let bundle = alone(session, &args.file, &args.draw, None)?;
    let image = pipeline::prepare(&bundle, &Input::noise(bundle.input(), 0))?;
    let found = tune(&bundle.graph, &bundle.weights, &image)
        .map_err(|error| Failure::running(codes::RUN, error.to_string()))?;
    keeper.add(found.iter().map(|one| (one.key.clone(), one.tuned.clone())))?;
    let report = report(&bundle, found, keeper.path().display().to_string());
    if session.output.is_json() {
        session.output.json(&report);
    } else {
        session.output.text(&for_people(&report));
    }
    Ok(Exit::Done)
}

fn report(bundle: &Bundle, found: Vec<Measured>, file: String) -> Report {
    let all =
        |time: fn(&Tuned) -> f64| found.iter().map(|one| f64::from(one.calls) * time(&one.tuned)).sum::<f64>() / 1e6;
    let (usual_ms, ms) = (all(|tuned| tuned.usual_nanoseconds), all(|tuned| tuned.nanoseconds));
    let mut kernels: Vec<Row> = found.into_iter().map(|one| Row { calls: one.calls, tuned: one.tuned }).collect();
    let time = |row: &Row| f64::from(row.calls) * row.tuned.usual_nanoseconds;
    kernels.sort_by(|a, b| time(b).total_cmp(&time(a)).then_with(|| a.tuned.kernel.cmp(&b.tuned.kernel)));
    Report { model: format!("{}-{}", bundle.name, &bundle.hash[..12]), file, usual_ms, ms, kernels }
}

fn for_people(report: &Report) -> String {
    let row = |row: &Row| {
        let Tuned { kernel, form, nanoseconds, usual_nanoseconds } = &row.tuned;
        vec![
            kernel.clone(),
            row.calls.to_string(),
            format!("{:.2}", usual_nanoseconds / 1e3),
            form.word().to_owned(),
            format!("{:.2}", nanoseconds / 1e3),
            format!("{:.1} %", (1.0 - nanoseconds / usual_nanoseconds) * 1e2),
        ]
    };
    let others: Vec<Vec<String>> = report.kernels.iter().filter(|row| row.tuned.form != Form::Usual).map(row).collect();
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (faster, usual) = if others.is_empty() {
        ("none".to_owned(), String::new())
    } else {
        (others.len().to_string(), format!(" in place of {:.2}", report.usual_ms))
    };
    let mut text = format!(
        "{}: {} measured on one thread, {faster} of them faster in another form than the usual one: {:.2} ms{usual}\n",
        report.model,
        count(report.kernels.len(), "kernel"),
        report.ms
    );
    if !others.is_empty() {
        let headings = ["kernel", "calls", "usual µs", "form", "µs", "saved"];
        text += &format!("\n{}", table(&headings, &[0, 3], &others));
    }
    text + &format!("\nkept in {}\n", report.file)
}
