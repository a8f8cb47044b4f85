//! `cnasc check FILE…`: diagnostics only.

use crate::Session;
use crate::cli::CheckArgs;
use crate::failure::{Exit, Failure};
use crate::pipeline;
use cnasc_base::Diagnostics;

/// Checks every file and prints all findings; as JSON, one list for all.
pub fn run(session: &mut Session, args: &CheckArgs) -> Result<Exit, Failure> {
    let mut findings = Diagnostics::default();
    for path in &args.files {
        let file = pipeline::read_source(&mut session.sources, path)?;
        let (_, found) = pipeline::compile_source(&mut session.sources, file);
        findings.extend(found);
    }
    session.output.findings(&session.sources, &findings);
    if findings.has_errors() {
        return Ok(Exit::Input);
    }
    if !session.output.is_json() && findings.is_empty() {
        let files = args.files.len();
        session.output.remark(&format!("checked {files} file{}: nothing found", if files == 1 { "" } else { "s" }));
    }
    Ok(Exit::Done)
}
