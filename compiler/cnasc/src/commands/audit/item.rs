//! The words of `--item` → a program and the uses of generators in it that are meant.
//!
//! A generator with arguments is added to the source file as a test that samples it, so that it is checked as everything in
//! the file is, and what is wrong with it is told in the same way.

use crate::Session;
use crate::cli::AuditArgs;
use crate::failure::{Failure, codes};
use crate::model::declared;
use crate::pipeline;
use cnasc_base::Diagnostic;
use cnasc_expand::audit::{Subject, subjects};
use cnasc_ir::Program;

/// The name of the added test.
const TEST: &str = "--item";

/// Where the library's generators are.
const LIBRARY: &str = "std::generators::";

pub(super) fn find(session: &mut Session, args: &AuditArgs) -> Result<(Program, Vec<Subject>), Failure> {
    let (name, text) = match &args.file {
        Some(path) => {
            let id = pipeline::read_source(&mut session.sources, path)?;
            (path.display().to_string(), session.sources.text(id).to_owned())
        }
        None => ("--item".to_owned(), String::new()),
    };
    let program = declared(session, &name, &text)?;
    let Some(item) = args.item.as_deref().map(str::trim) else {
        let all = subjects(&program)?;
        if all.is_empty() {
            let message = match args.file {
                Some(_) => format!("`{name}` uses no generator"),
                None => "there is nothing to audit".to_owned(),
            };
            let note = "name one by --item, such as `std::generators::ws(n: 32, k: 4, p: 0.75)`";
            return Err(Failure::usage(Diagnostic::error(codes::ITEM, message).note(note)));
        }
        return Ok((program, all));
    };
    let is_name = item.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == ' ');
    if is_name {
        let mut named = subjects(&program)?;
        named.retain(|subject| subject.names.contains(item));
        if !named.is_empty() {
            return Ok((program, named));
        }
    }
    // Without a file, what is named can only be in the library.
    let (name, item) = match args.file {
        Some(_) => (format!("{name} (with --item)"), item.to_owned()),
        None if item.contains("::") => (name, item.to_owned()),
        None => (name, format!("{LIBRARY}{item}")),
    };
    let program = declared(session, &name, &with_item(&text, &item))?;
    let mut added = subjects(&program)?;
    added.retain(|subject| subject.names.contains(TEST));
    Ok((program, added))
}

/// The text with a test that samples `item`. It is added behind all else, so that places in the file stay as they are.
fn with_item(text: &str, item: &str) -> String {
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let item = match item.strip_prefix(LIBRARY) {
        Some(rest) => {
            let end = rest.find('(').unwrap_or(rest.len());
            let used = format!("use {LIBRARY}{}", rest[..end].trim());
            if !text.lines().any(|line| line.trim() == used) {
                text.push_str(&format!("\n{used}\n"));
            }
            rest
        }
        None => item,
    };
    text.push_str(&format!("\ntest \"{TEST}\" {{\n    sample 1 of {item}\n    expect min(nodes) >= 1\n}}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_stands_behind_the_file() {
        insta::assert_snapshot!(with_item("use std::generators::ws", "std::generators::er(n: 8, p: 0.5)"), @r#"
        use std::generators::ws

        use std::generators::er

        test "--item" {
            sample 1 of er(n: 8, p: 0.5)
            expect min(nodes) >= 1
        }
        "#);
        let known = with_item("use std::generators::ws\n", "std::generators::ws(n: 8, k: 4, p: 0.5)");
        assert_eq!(known.matches("use").count(), 1, "{known}");
    }
}
