//! `cnasc audit FILE --item NAME`: many graphs of a generator, or given ones, against the theory of their family.

mod edge_list;
mod item;
mod show;

use crate::Session;
use crate::cli::AuditArgs;
use crate::failure::{Exit, Failure, codes};
use cnasc_base::{Diagnostic, Seed};
use cnasc_expand::audit::{Auditor, Report, Subject};
use cnasc_expand::draw;
use cnasc_ir::Program;
use std::path::PathBuf;

/// One audit.
struct Audited {
    family: String,
    /// The files of given graphs; empty where graphs were drawn.
    given: Vec<PathBuf>,
    report: Report,
}

/// Audits each generator that is meant; exits with 1 where one is doubted.
pub fn run(session: &mut Session, args: &AuditArgs) -> Result<Exit, Failure> {
    let (program, subjects) = item::find(session, args)?;
    let audited = if args.graphs.is_empty() {
        let audit = |subject: &Subject| -> Result<Audited, Failure> {
            let report = drawn(&program, subject, args)?.report(None);
            Ok(Audited { family: subject.title.clone(), given: Vec::new(), report })
        };
        subjects.iter().map(audit).collect::<Result<Vec<_>, Failure>>()?
    } else {
        vec![given(session, args, &program, &subjects)?]
    };
    show::print(session, args, &audited);
    Ok(if audited.iter().all(|one| one.report.doubts().is_empty()) { Exit::Done } else { Exit::Input })
}

/// An auditor that saw as many draws as asked for.
fn drawn<'a>(program: &'a Program, subject: &Subject, args: &AuditArgs) -> Result<Auditor<'a>, Failure> {
    let seed = Seed::new(args.seed).child("audit");
    let mut auditor = Auditor::new(program);
    for index in 0..args.count {
        let seed = seed.nth(index);
        let family = subject.draw(program, &seed)?;
        auditor.add(&family, &draw(program, &family, &seed.child("wiring"))?)?;
    }
    Ok(auditor)
}

/// Given graphs against one family, by theory and by draws of it.
fn given(session: &mut Session, args: &AuditArgs, program: &Program, subjects: &[Subject]) -> Result<Audited, Failure> {
    let [subject] = subjects else {
        let titles: Vec<&str> = subjects.iter().map(|subject| subject.title.as_str()).collect();
        let found = Diagnostic::error(codes::ITEM, "given graphs are held against one family: name it by --item")
            .note(format!("there are: {}", titles.join("; ")));
        return Err(Failure::usage(found));
    };
    if !subject.is_fixed(program) {
        let message =
            format!("the arguments of {} are open: name a generator with its arguments by --item", subject.title);
        return Err(Failure::usage(Diagnostic::error(codes::ITEM, message)));
    }
    let reference = drawn(program, subject, args)?;
    let family = subject.draw(program, &Seed::new(args.seed))?;
    // The draws have shown that the family's numbers are within bounds.
    let nodes = draw(program, &family, &Seed::new(args.seed))?.nodes;
    let mut auditor = Auditor::new(program);
    for path in &args.graphs {
        auditor.add(&family, &edge_list::read(session, path, nodes)?)?;
    }
    let report = auditor.report(Some(&reference));
    Ok(Audited { family: subject.title.clone(), given: args.graphs.clone(), report })
}
