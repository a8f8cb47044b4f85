//! An edge list → a graph: one edge a line as two node numbers from 0, `#` for remarks. One or two lines before the edges may give
//! the numbers of nodes and edges. Further columns, such as weights, are left aside; an edge may stand there in both directions.

use crate::Session;
use crate::failure::{Failure, codes};
use crate::pipeline;
use cnasc_base::{Diagnostic, FileId, Location};
use cnasc_expand::Dag;
use cnasc_expand::audit::graph;
use cnasc_expand::generate::MAX_NODES;
use std::path::Path;

/// Reads a graph; where the file does not say how many nodes it has, it has at least `nodes`.
pub(super) fn read(session: &mut Session, path: &Path, nodes: usize) -> Result<Dag, Failure> {
    let file = pipeline::read_source(&mut session.sources, path)?;
    parse(session.sources.text(file), file, nodes).map_err(Failure::from)
}

fn parse(text: &str, file: FileId, nodes: usize) -> Result<Dag, Diagnostic> {
    let (mut counts, mut edges): (Vec<u32>, Vec<(u32, u32)>) = (Vec::new(), Vec::new());
    let mut start = 0_usize;
    for line in text.split('\n') {
        let here = place(file, start, line);
        start += line.len() + 1;
        let content = line.split(['#', '%']).next().unwrap_or_default();
        let mut words = content.split([' ', '\t', ',', ';', '\r']).filter(|word| !word.is_empty());
        let Some(first) = words.next() else { continue };
        let first = node(first, here)?;
        match words.next() {
            Some(second) => {
                let second = node(second, here)?;
                if first == second {
                    return Err(wrong("an edge joins a node to itself", here));
                }
                edges.push((first.min(second), first.max(second)));
            }
            None if edges.is_empty() && counts.len() < 2 => counts.push(first),
            None => return Err(wrong("an edge has two nodes", here)),
        }
    }
    edges.sort_unstable();
    edges.dedup();
    let whole = Location::new(file, 0, 0);
    let needed = edges.iter().map(|&(_, to)| to as usize + 1).max().unwrap_or(0);
    let nodes = match counts.first() {
        Some(&said) if (said as usize) < needed => {
            return Err(wrong(&format!("it says {said} nodes and has a node {}", needed - 1), whole));
        }
        Some(&said) => said as usize,
        None => nodes.max(needed),
    };
    match counts.get(1) {
        Some(&said) if said as usize != edges.len() => {
            Err(wrong(&format!("it says {said} edges and has {}", edges.len()), whole))
        }
        _ => Ok(graph(nodes, &edges)),
    }
}

/// The line, without the spaces around it.
fn place(file: FileId, start: usize, line: &str) -> Location {
    let from = start + (line.len() - line.trim_start().len());
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Location::new(file, offset(from), offset(from + line.trim().len()))
}

fn node(word: &str, here: Location) -> Result<u32, Diagnostic> {
    match word.parse::<u32>() {
        Ok(number) if (number as usize) <= MAX_NODES => Ok(number),
        Ok(_) => Err(wrong(&format!("a graph has at most {MAX_NODES} nodes"), here)),
        Err(_) => Err(wrong(&format!("`{word}` is no node number"), here)),
    }
}

fn wrong(problem: &str, here: Location) -> Diagnostic {
    Diagnostic::error(codes::FORM, format!("not an edge list: {problem}"))
        .label(here, "")
        .note("an edge list has one edge a line, as two node numbers from 0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(text: &str) -> Result<(usize, Vec<Vec<u32>>), String> {
        let read = parse(text, FileId(0), 3).map_err(|found| found.message)?;
        Ok((read.nodes, read.predecessors))
    }

    #[test]
    fn forms() {
        let path = vec![vec![], vec![0], vec![1]];
        for text in ["0 1\n1 2\n", "3\n2\n0 1\n1 2", "# a path\n0,1\r\n2, 1, 0.5\n1 2\n", "3\n\n1\t0 # back\n1\t2\n"] {
            assert_eq!(edges(text), Ok((3, path.clone())), "{text}");
        }
        assert_eq!(edges("0 4\n").expect("five nodes").0, 5);
        assert_eq!(edges(""), Ok((3, vec![vec![]; 3])));
    }

    #[test]
    fn what_is_none() {
        for (text, expect) in [
            ("0 1\n2\n", "an edge has two nodes"),
            ("a b\n", "`a` is no node number"),
            ("-1 2\n", "`-1` is no node number"),
            ("1 1\n", "an edge joins a node to itself"),
            ("2\n0 2\n", "it says 2 nodes and has a node 2"),
            ("3\n3\n0 1\n", "it says 3 edges and has 1"),
            ("0 999999999\n", "a graph has at most 100000 nodes"),
        ] {
            assert_eq!(edges(text), Err(format!("not an edge list: {expect}")), "{text}");
        }
    }
}
