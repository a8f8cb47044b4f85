//! Hypergraphs as hMETIS files, which most partitioners read: text ↔ [`Hypergraph`].
//!
//! The first line has the numbers of nets and of vertices and a format: 1 where nets have costs, 10 where vertices have
//! weights, 11 for both, nothing or 0 for neither. A line a net follows, its cost first, its vertices counted from 1; then a
//! line a vertex with its weight. Lines that begin with `%` are remarks. What a file leaves out counts 1.
//! (hMETIS manual, version 1.5.3, section 4.1.)

use super::Hypergraph;
use crate::dag::Rows;
use std::fmt::Write;

/// The most vertices or nets of a file: what a header claims is allocated before it is seen.
const MAX_COUNT: usize = 1 << 24;

/// What is wrong with a file, and on which line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct HmetisError {
    /// The line.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// Writes both costs and weights. A weight or cost of 0 stays 0.
#[must_use]
pub fn write(graph: &Hypergraph) -> String {
    let mut text = String::new();
    let mut line = |arguments: std::fmt::Arguments| text.write_fmt(arguments).expect("a string takes everything");
    line(format_args!("{} {} 11\n", graph.nets(), graph.vertices()));
    for (net, cost) in graph.costs().iter().enumerate() {
        line(format_args!("{cost}"));
        for &pin in graph.pins(net) {
            line(format_args!(" {}", u64::from(pin) + 1));
        }
        line(format_args!("\n"));
    }
    for weight in graph.weights() {
        line(format_args!("{weight}\n"));
    }
    text
}

/// Reads a file. A vertex that stands in a net several times counts once there.
///
/// # Errors
/// Where the text has not the form above, a number is too large, or lines are missing or left over.
pub fn read(text: &str) -> Result<Hypergraph, HmetisError> {
    let mut lines = Lines { rest: text.lines(), line: 0 };
    let header = lines.numbers("a header `nets vertices [format]`")?;
    let (nets, vertices, format) = match header[..] {
        [nets, vertices] => (nets, vertices, 0),
        [nets, vertices, format @ (0 | 1 | 10 | 11)] => (nets, vertices, format),
        [_, _, _] => return lines.fail("the format must be 0, 1, 10 or 11"),
        _ => return lines.fail("a header has two or three numbers: `nets vertices [format]`"),
    };
    let (Some(nets), Some(vertices)) = (count(nets), count(vertices)) else {
        return lines.fail(format!("more than {MAX_COUNT} nets or vertices"));
    };
    let (with_costs, with_weights) = (format % 10 == 1, format >= 10);
    let (mut costs, mut pins) = (Vec::new(), Rows::default());
    for _ in 0..nets {
        let mut numbers = lines.numbers("a net")?;
        costs.push(if with_costs { numbers.remove(0) } else { 1 });
        let mut row = Vec::with_capacity(numbers.len());
        for number in numbers {
            match u32::try_from(number) {
                Ok(pin) if pin >= 1 && pin as usize <= vertices => row.push(pin - 1),
                _ => return lines.fail(format!("there is no vertex {number}: vertices count from 1 to {vertices}")),
            }
        }
        row.sort_unstable();
        row.dedup();
        pins.push(row);
    }
    let mut weights = vec![1; vertices];
    if with_weights {
        for weight in &mut weights {
            match lines.numbers("a vertex's weight")?[..] {
                [number] => *weight = number,
                _ => return lines.fail("a vertex has one weight"),
            }
        }
    }
    if lines.next().is_some() {
        return lines.fail("there are more lines than the header says");
    }
    Hypergraph::new(weights, costs, pins).or_else(|problem| lines.fail(problem))
}

fn count(number: u64) -> Option<usize> {
    usize::try_from(number).ok().filter(|count| *count <= MAX_COUNT)
}

struct Lines<'a> {
    rest: std::str::Lines<'a>,
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line that is neither empty nor a remark.
    fn next(&mut self) -> Option<&'a str> {
        loop {
            let text = self.rest.next()?.trim();
            self.line += 1;
            if !text.is_empty() && !text.starts_with('%') {
                return Some(text);
            }
        }
    }

    /// The numbers of the next line, at least one.
    fn numbers(&mut self, wanted: &str) -> Result<Vec<u64>, HmetisError> {
        let Some(text) = self.next() else { return self.fail(format!("the file ends where {wanted} should stand")) };
        let words = text.split_ascii_whitespace();
        words.map(str::parse).collect::<Result<_, _>>().or_else(|_| self.fail(format!("{wanted} is whole numbers")))
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, HmetisError> {
        Err(HmetisError { line: self.line.max(1), message: message.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use cnasc_base::random::Seed;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn the_manuals_forms_are_read() {
        let plain = read("% a remark\n2 3\n1 2\n\n3 2 1 2\n").expect("nets alone");
        assert_eq!((plain.weights(), plain.costs(), plain.pins(1)), (&[1, 1, 1][..], &[1, 1][..], &[0, 1, 2][..]));
        let costs = read("1 3 1\n7 1 3").expect("with costs");
        assert_eq!((costs.costs(), costs.pins(0)), (&[7][..], &[0, 2][..]));
        let weights = read("1 2 10\n1 2\n5\n6").expect("with weights");
        assert_eq!((weights.costs(), weights.weights()), (&[1][..], &[5, 6][..]));
    }

    #[test]
    fn what_is_written_is_read() {
        let graph = Hypergraph::of_nodes(&sample::workload(&Seed::new(4), 30));
        let text = write(&graph);
        assert_eq!(text.lines().next(), Some("29 30 11"));
        assert_eq!(read(&text), Ok(graph));
    }

    #[test]
    fn hostile_files_are_refused_with_their_line() {
        let messages: Vec<String> = [
            "",
            "1",
            "1 2 3",
            "1 99999999999999999999",
            "1 4000000000\n1",
            "1 2\n1 3",
            "1 2\n0 1",
            "1 2 1\n",
            "1 2 11\n5 1 2\n1",
            "1 2 11\n5 1 2\n1 1\n1",
            "1 2\n1 2\n1 2",
            "1 2\n1 -2",
            "1 2 10\n1 2\n18446744073709551615\n1",
        ]
        .iter()
        .map(|text| read(text).expect_err("it is wrong").to_string())
        .collect();
        insta::assert_snapshot!(messages.join("\n"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_survives_writing(text in "[0-9% \n]{0,60}") {
            if let Ok(graph) = read(&text) {
                prop_assert_eq!(read(&write(&graph)), Ok(graph));
            }
        }
    }
}
