//! `cnasc explain CODE`: the rest about a diagnostic.

use crate::Session;
use crate::cli::ExplainArgs;
use crate::failure::{Exit, Failure, codes};
use crate::pages;
use cnasc_base::Diagnostic;

/// Prints a code's page, or the list of all codes.
pub fn run(session: &mut Session, args: &ExplainArgs) -> Result<Exit, Failure> {
    let Some(code) = &args.code else {
        let all: Vec<(&str, &str)> = pages::all().map(|page| (page.code, page.title())).collect();
        if session.output.is_json() {
            session.output.json(&all);
        } else {
            all.iter().for_each(|(code, title)| session.output.text(&format!("{code}  {title}\n")));
        }
        return Ok(Exit::Done);
    };
    let wanted = code.to_ascii_uppercase();
    let Some(page) = pages::all().find(|page| page.code == wanted) else {
        let message = format!("there is no code `{code}`");
        let note = "`cnasc explain` alone lists all codes";
        return Err(Failure::usage(Diagnostic::error(codes::OPTION, message).note(note)));
    };
    if session.output.is_json() {
        session.output.json(&serde_json::json!({ "code": page.code, "title": page.title(), "text": page.text }));
    } else {
        session.output.text(page.text);
    }
    Ok(Exit::Done)
}
