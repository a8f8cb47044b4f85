//! A search as programs in other languages see it, line by line, so that other optimisers can be tried on the same spaces:
//! `cargo run --release -p cnasc-search --example search_rivals -- FILE space`, `… FILE evaluate` or `… FILE run STRATEGY SEED BUDGET`.
//!
//! `space` says the variables: name, kind, its numbers or alternatives, and `if NAME ALTERNATIVE` where it exists under a choice alone.
//! `evaluate` takes lines `SEED NAME=VALUE …` and answers each by what became of the candidate: `kept` with its objectives, all to be
//! minimised, `missed` with the constraints' violation, or `nothing`. `run` answers the same of each candidate of a whole search. The words
//! `strategy random` in the file stand for the strategy.

use cnasc_base::Sources;
use cnasc_expand::space::{SearchVariable, variables};
use cnasc_ir::Program;
use cnasc_ir::program::{Domain, Search};
use cnasc_search::candidate::Evaluated;
use cnasc_search::{Fate, Guest, Job, Record, Run, Study};
use std::io::BufRead;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [file, "space"] => space(&compile(file, "random")?),
        [file, "evaluate"] => evaluate(&compile(file, "random")?),
        [file, "run", strategy, seed, budget] => run(&compile(file, strategy)?, seed.parse()?, budget.parse()?),
        _ => Err("usage: FILE space | FILE evaluate | FILE run STRATEGY SEED BUDGET".into()),
    }
}

fn compile(file: &str, strategy: &str) -> Result<Program, Failure> {
    let text = std::fs::read_to_string(file)?.replace("strategy random", &format!("strategy {strategy}"));
    let mut sources = Sources::default();
    let id = sources.add(file, text);
    let (program, found) = cnasc_frontend::compile(&mut sources, id);
    let wrong = || found.iter().next().map_or_else(String::new, |found| found.message.clone());
    let program = program.ok_or_else(wrong)?;
    if program.searches.is_empty() { Err("the file declares no search".into()) } else { Ok(program) }
}

fn study(program: &Program, seed: u64) -> Result<(Study<'_>, &Search), Failure> {
    let search = &program.searches[0];
    let study = Study::new(program, search, seed).map_err(|_| "this release can't run the search")?;
    Ok((study, search))
}

fn space(program: &Program) -> Result<(), Failure> {
    let all = variables(program, &program.searches[0].over);
    for SearchVariable { name, domain, choices, condition, .. } in &all {
        let kind = match domain {
            Domain::Choice(_) => format!("choice {}", choices.join(" ")),
            Domain::Ints { low, high, step } => format!("int {low} {high} {step}"),
            Domain::Reals { low, high, step, log } => {
                format!("real {low} {high} {} {log}", step.map_or_else(|| "-".to_owned(), |step| step.to_string()))
            }
        };
        let under = condition.map_or_else(String::new, |under| {
            let variable = &all[under.variable];
            format!(" if {} {}", variable.name, variable.choices[under.choice])
        });
        println!("{name} {kind}{under}");
    }
    Ok(())
}

fn evaluate(program: &Program) -> Result<(), Failure> {
    let (study, search) = study(program, 0)?;
    let all = variables(program, &search.over);
    let mut answers: Vec<String> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let seed = words.next().ok_or("a line begins with a seed")?.parse()?;
        let mut settings = std::collections::BTreeMap::new();
        for word in words {
            let (name, value) = word.split_once('=').ok_or("a setting is NAME=VALUE")?;
            let variable = all.iter().find(|variable| variable.name == name).ok_or("no such variable")?;
            settings.insert(name.to_owned(), variable.read(value).map_err(|found| found.message)?);
        }
        // One run each: a run is over where it has nothing to judge.
        let mut run = Run::new(&study, 0, 1);
        run.invite(vec![Guest { name: 0, seed: Some(seed), settings, edits: Vec::new() }]);
        // It is drawn, and, where its network is a new one, judged.
        let mut records = Vec::new();
        while records.is_empty() {
            let done = run.ask().into_iter().map(Job::run).collect();
            run.tell(done);
            records = run.take_records();
        }
        for record in &records {
            answer(search, record, &mut answers);
            println!("{}", answers[answers.len() - 1]);
        }
    }
    Ok(())
}

fn run(program: &Program, seed: u64, budget: u64) -> Result<(), Failure> {
    let (study, search) = study(program, seed)?;
    let mut run = Run::new(&study, budget, 1);
    let mut answers = Vec::new();
    loop {
        let jobs = run.ask();
        // The last request completes the figures of the best.
        if jobs.is_empty() || answers.len() as u64 == budget {
            break;
        }
        run.tell(jobs.into_iter().map(Job::run).collect());
        run.take_records().iter().for_each(|record| answer(search, record, &mut answers));
    }
    answers.iter().for_each(|answer| println!("{answer}"));
    Ok(())
}

/// What became of the next candidate.
fn answer(search: &Search, record: &Record, answers: &mut Vec<String>) {
    let answer = match &record.fate {
        Fate::Judged(Evaluated::Feasible(candidate)) => {
            let values = search.objectives.iter().map(|objective| {
                let value = candidate.figures.value(objective.measure).unwrap_or(f64::INFINITY);
                format!(" {}", if objective.maximize { -value } else { value })
            });
            format!("kept{}", values.collect::<String>())
        }
        Fate::Judged(Evaluated::Infeasible { violation, .. }) => format!("missed {violation}"),
        Fate::Judged(Evaluated::Impossible(_)) => "nothing".to_owned(),
        Fate::Duplicate(first) => answers[usize::try_from(*first).expect("a candidate of this run")].clone(),
    };
    answers.push(answer);
}
