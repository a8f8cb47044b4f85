//! Text → graph: edge lists and GraphML, as other tools write them.
//!
//! An edge list has an edge a line, two names apart by white space, a comma or both; what follows `#` or `%` is a comment, and
//! further columns (weights) are passed over. Names that are all whole numbers are the nodes' numbers from 0; other names are
//! numbered as they first appear. Of GraphML the nodes, the edges and `edgedefault` are read; the edges of a directed graph
//! must have no circle, and its nodes are numbered in a topological order. Everything else is undirected.
//!
//! Texts are hostile: sizes are bounded, nothing recurses, and no entity but XML's own five is known.

use crate::limits;
use std::collections::BTreeMap;

/// A graph as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    pub(crate) nodes: usize,
    /// The smaller node first, in order, each once.
    pub(crate) edges: Vec<(u32, u32)>,
}

/// Why a text is no graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) message: String,
    /// The bytes of the text that are.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// An edge and the bytes that say it.
type Placed = ((u32, u32), (usize, usize));

type Found<T> = Result<T, Fault>;

fn fault<T>(message: impl Into<String>, (start, end): (usize, usize)) -> Found<T> {
    Err(Fault { message: message.into(), start, end })
}

/// The graph of a text: GraphML where it begins with `<`, else an edge list.
///
/// # Errors
/// The first place that is wrong.
pub(crate) fn read(text: &str) -> Found<Graph> {
    let body = text.trim_start_matches('\u{feff}');
    let graph = if body.trim_start().starts_with('<') { graph_ml(text) } else { edge_list(text) }?;
    if graph.nodes == 0 {
        return fault("there are no nodes", (0, text.len()));
    }
    Ok(graph)
}

/// The names of nodes and their numbers.
#[derive(Default)]
struct Names {
    numbers: BTreeMap<String, u32>,
}

impl Names {
    fn number(&mut self, name: &str, at: (usize, usize)) -> Found<u32> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let next = self.numbers.len();
        if next as i64 >= limits::NODES.most {
            return fault(format!("there are more than {} nodes", limits::NODES.most), at);
        }
        let next = u32::try_from(next).unwrap_or(u32::MAX);
        self.numbers.insert(name.to_owned(), next);
        Ok(next)
    }
}

/// An edge as written: its ends, and the bytes that say it.
struct Line<'t> {
    ends: (&'t str, &'t str),
    at: (usize, usize),
}

fn edge_list(text: &str) -> Found<Graph> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let at = (start, start + line.trim_end().len());
        start += line.len();
        let plain = line.split(['#', '%']).next().unwrap_or_default().trim_start_matches('\u{feff}');
        let mut words =
            plain.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|word| !word.is_empty());
        match (words.next(), words.next()) {
            (Some(from), Some(to)) => lines.push(Line { ends: (from, to), at }),
            (Some(_), None) => return fault("an edge has two ends", at),
            (None, _) => {}
        }
        bounded(lines.len(), at)?;
    }
    let whole = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    if !lines.iter().all(|line| whole(line.ends.0) && whole(line.ends.1)) {
        let mut names = Names::default();
        let mut edges = Vec::with_capacity(lines.len());
        for line in &lines {
            let ends = (names.number(line.ends.0, line.at)?, names.number(line.ends.1, line.at)?);
            edges.push((undirected(ends, line.at)?, line.at));
        }
        return simple(names.numbers.len(), edges);
    }
    let (mut nodes, mut edges) = (0, Vec::with_capacity(lines.len()));
    for line in &lines {
        let number = |word: &str| match word.parse::<u32>() {
            Ok(number) if i64::from(number) < limits::NODES.most => Ok(number),
            _ => fault(format!("a node's number is below {}", limits::NODES.most), line.at),
        };
        let ends = undirected((number(line.ends.0)?, number(line.ends.1)?), line.at)?;
        nodes = nodes.max(ends.1 as usize + 1);
        edges.push((ends, line.at));
    }
    simple(nodes, edges)
}

fn bounded(edges: usize, at: (usize, usize)) -> Found<()> {
    if edges > limits::GRAPH_EDGES {
        return fault(format!("there are more than {} edges", limits::GRAPH_EDGES), at);
    }
    Ok(())
}

fn undirected((from, to): (u32, u32), at: (usize, usize)) -> Found<(u32, u32)> {
    if from == to { fault("an edge joins two different nodes", at) } else { Ok((from.min(to), from.max(to))) }
}

/// The edges in order; one that is there twice is one.
fn simple(nodes: usize, edges: Vec<Placed>) -> Found<Graph> {
    let mut edges: Vec<(u32, u32)> = edges.into_iter().map(|(ends, _)| ends).collect();
    edges.sort_unstable();
    edges.dedup();
    Ok(Graph { nodes, edges })
}

/// A tag of XML: its name without a prefix, its attributes' text, whether it closes, and where it is.
struct Tag<'t> {
    name: &'t str,
    attributes: &'t str,
    closes: bool,
    at: (usize, usize),
}

/// The tags of a text, one after the other.
struct Tags<'t> {
    text: &'t str,
    next: usize,
}

impl<'t> Tags<'t> {
    fn tag(&mut self) -> Found<Option<Tag<'t>>> {
        loop {
            let Some(start) = self.text[self.next..].find('<').map(|at| at + self.next) else { return Ok(None) };
            let rest = &self.text[start..];
            let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
            if let Some((open, close)) = skipped.into_iter().find(|(open, _)| rest.starts_with(open)) {
                let Some(length) = rest[open.len()..].find(close) else {
                    return fault(format!("`{open}` is never closed"), (start, start + open.len()));
                };
                self.next = start + open.len() + length + close.len();
                continue;
            }
            if rest.starts_with("<!") {
                return fault("a document type is not read", (start, start + 2));
            }
            let Some(length) = end_of_tag(rest) else {
                return fault("this tag is never closed", (start, start + 1));
            };
            self.next = start + length + 1;
            let inner = rest[1..length].trim_end_matches('/');
            let (closes, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
            let (name, attributes) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
            let name = name.rsplit(':').next().unwrap_or(name);
            return Ok(Some(Tag { name, attributes, closes, at: (start, self.next) }));
        }
    }
}

/// The place of the `>` that ends a tag, outside its attributes' values.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

impl Tag<'_> {
    /// The value of an attribute, with XML's five entities resolved.
    fn attribute(&self, wanted: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, after) = after[1..].split_once(quote)?;
            if name.trim() == wanted {
                let plain = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
                return Some(plain.replace("&apos;", "'").replace("&amp;", "&"));
            }
            rest = after;
        }
    }

    fn needed(&self, wanted: &str) -> Found<String> {
        self.attribute(wanted).map_or_else(|| fault(format!("`{}` needs its `{wanted}`", self.name), self.at), Ok)
    }
}

fn graph_ml(text: &str) -> Found<Graph> {
    let mut tags = Tags { text, next: 0 };
    let (mut names, mut directed, mut graphs) = (Names::default(), false, 0);
    let mut edges: Vec<Placed> = Vec::new();
    let mut written = Vec::new();
    while let Some(tag) = tags.tag()? {
        match tag.name {
            _ if tag.closes => {}
            "graph" => {
                graphs += 1;
                if graphs > 1 {
                    return fault("a file holds one graph, with none inside it", tag.at);
                }
                directed = tag.attribute("edgedefault").as_deref() == Some("directed");
            }
            "node" => drop(names.number(&tag.needed("id")?, tag.at)?),
            "edge" => {
                written.push((tag.needed("source")?, tag.needed("target")?, tag.at));
                bounded(written.len(), tag.at)?;
            }
            "hyperedge" => return fault("an edge joins two nodes", tag.at),
            _ => {}
        }
    }
    if graphs == 0 {
        return fault("there is no `graph`", (0, text.len().min(1)));
    }
    for (from, to, at) in &written {
        let number = |name: &String| match names.numbers.get(name) {
            Some(number) => Ok(*number),
            None => fault(format!("there is no node `{name}`"), *at),
        };
        edges.push(((number(from)?, number(to)?), *at));
    }
    let nodes = names.numbers.len();
    if directed {
        let numbers = topological(nodes, &edges)?;
        for ((from, to), _) in &mut edges {
            (*from, *to) = (numbers[*from as usize], numbers[*to as usize]);
        }
    }
    for (ends, at) in &mut edges {
        *ends = undirected(*ends, *at)?;
    }
    simple(nodes, edges)
}

/// For each node its number in a topological order, of those that may come next always the one that was first in the file.
fn topological(nodes: usize, edges: &[Placed]) -> Found<Vec<u32>> {
    let mut inputs = vec![0_usize; nodes];
    let mut outputs: Vec<Vec<u32>> = vec![Vec::new(); nodes];
    for ((from, to), _) in edges {
        inputs[*to as usize] += 1;
        outputs[*from as usize].push(*to);
    }
    let mut ready: std::collections::BTreeSet<u32> =
        (0..).zip(&inputs).filter_map(|(node, inputs)| (*inputs == 0).then_some(node)).collect();
    let mut numbers = vec![u32::MAX; nodes];
    let mut next = 0;
    while let Some(node) = ready.pop_first() {
        numbers[node as usize] = next;
        next += 1;
        for &to in &outputs[node as usize] {
            inputs[to as usize] -= 1;
            if inputs[to as usize] == 0 {
                ready.insert(to);
            }
        }
    }
    let inside =
        edges.iter().find(|((from, to), _)| numbers[*from as usize] == u32::MAX && numbers[*to as usize] == u32::MAX);
    inside.map_or(Ok(numbers), |(_, at)| fault("the edges of this directed graph go round in a circle", *at))
}

#[cfg(test)]
mod tests {
    use super::{Graph, read};

    fn graph(nodes: usize, edges: &[(u32, u32)]) -> Graph {
        Graph { nodes, edges: edges.to_vec() }
    }

    #[test]
    fn edge_lists_are_read_as_tools_write_them() {
        assert_eq!(read("# a\n0 1\n2, 1 0.5\n1\t0\n"), Ok(graph(3, &[(0, 1), (1, 2)])));
        assert_eq!(read("b a\na c\n"), Ok(graph(3, &[(0, 1), (1, 2)])));
        assert_eq!(read("0 4"), Ok(graph(5, &[(0, 4)])));
    }

    #[test]
    fn graph_ml_keeps_directions_where_there_are_some() {
        let text = |kind: &str| {
            format!(
                "<?xml version=\"1.0\"?><!-- > --><graphml><graph id='g' edgedefault='{kind}'><node id=\"c\"/>\
                 <node id=\"a&amp;b\"><data key=\"x\">1 > 0</data></node><edge source=\"a&amp;b\" target=\"c\"/>\
                 </graph></graphml>"
            )
        };
        assert_eq!(read(&text("undirected")), Ok(graph(2, &[(0, 1)])));
        let three = "<graphml><graph edgedefault=\"directed\"><node id=\"z\"/><node id=\"y\"/><node id=\"x\"/>\
            <edge source=\"y\" target=\"z\"/><edge source=\"x\" target=\"y\"/></graph></graphml>";
        // In topological order x, y, z are 0, 1, 2.
        assert_eq!(read(three), Ok(graph(3, &[(0, 1), (1, 2)])));
        assert_eq!(read(&text("directed")), Ok(graph(2, &[(0, 1)])));
    }

    #[test]
    fn hostile_texts_are_faults() {
        let message = |text: &str| read(text).expect_err("no graph").message;
        for (text, part) in [
            ("", "no nodes"),
            ("0\n", "two ends"),
            ("1 1", "different nodes"),
            ("0 99999999999", "below 100000"),
            ("<graphml>", "no `graph`"),
            ("<!DOCTYPE lolz [<!ENTITY a \"b\">]><graph/>", "document type"),
            ("<graph><node/></graph>", "needs its `id`"),
            ("<graph><node id=\"a\"/><edge source=\"a\" target=\"b\"/></graph>", "no node `b`"),
            ("<graph><node id=\"a\"><graph/></node></graph>", "one graph"),
            ("<graph", "never closed"),
            ("<!-- ", "never closed"),
            (
                "<graph edgedefault=\"directed\"><node id=\"a\"/><node id=\"b\"/><edge source=\"a\" target=\"b\"/>\
                 <edge source=\"b\" target=\"a\"/></graph>",
                "circle",
            ),
        ] {
            assert!(message(text).contains(part), "{text}: {}", message(text));
        }
    }
}
