//! Directed acyclic graphs as flat arrays: the form that every algorithm of this crate walks.
//!
//! Input: edges between vertices that are numbered in a topological order. Output: for each vertex its inputs and its
//! consumers, ascending, each in one contiguous slice.

/// Lists of numbers, one a row, in one allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { starts: vec![0], items: Vec::new() }
    }
}

impl Rows {
    /// No rows yet, with room for `rows` of them and `items` in all.
    #[must_use]
    pub fn with_capacity(rows: usize, items: usize) -> Self {
        let mut starts = Vec::with_capacity(rows + 1);
        starts.push(0);
        Self { starts, items: Vec::with_capacity(items) }
    }

    /// Appends one row.
    ///
    /// # Panics
    /// Beyond 2³² items in all, which the bounds on networks exclude.
    pub fn push(&mut self, row: impl IntoIterator<Item = u32>) {
        self.items.extend(row);
        self.starts.push(u32::try_from(self.items.len()).expect("networks have far fewer than 2^32 edges"));
    }

    /// The row at `index`.
    #[must_use]
    pub fn row(&self, index: usize) -> &[u32] {
        &self.items[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of items in all rows.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|pair| &self.items[pair[0] as usize..pair[1] as usize])
    }

    /// Row j of the result lists, ascending, the rows in which j stands. Every item must be below `rows`.
    #[must_use]
    pub fn transposed(&self, rows: usize) -> Self {
        let mut starts = vec![0_u32; rows + 1];
        for &item in &self.items {
            starts[item as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut items = vec![0; self.items.len()];
        for (index, row) in (0_u32..).zip(self.iter()) {
            for &item in row {
                items[next[item as usize] as usize] = index;
                next[item as usize] += 1;
            }
        }
        Self { starts, items }
    }
}

/// A graph whose vertices `0..len` stand in a topological order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dag {
    inputs: Rows,
    consumers: Rows,
}

impl Dag {
    /// The graph in which vertex i takes the outputs of `inputs.row(i)`.
    ///
    /// # Errors
    /// Where an input is not an earlier vertex, or a row is not ascending without repetition.
    pub fn new(inputs: Rows) -> Result<Self, String> {
        for (vertex, row) in (0_u32..).zip(inputs.iter()) {
            if row.iter().any(|&from| from >= vertex) {
                return Err(format!("vertex {vertex} has an input that is not an earlier vertex"));
            }
            if !row.windows(2).all(|pair| pair[0] < pair[1]) {
                return Err(format!("the inputs of vertex {vertex} are not ascending, or one stands there twice"));
            }
        }
        let consumers = inputs.transposed(inputs.len());
        Ok(Self { inputs, consumers })
    }

    /// The graph of `vertices` vertices with these (from, to) edges; the same edge given twice is one.
    ///
    /// # Errors
    /// Where an edge does not lead from a smaller to a larger vertex below `vertices`.
    pub fn from_edges(vertices: u32, edges: &[(u32, u32)]) -> Result<Self, String> {
        if let Some((from, to)) = edges.iter().find(|(_, to)| *to >= vertices) {
            return Err(format!("edge {from} → {to} leaves the {vertices} vertices"));
        }
        let mut sorted: Vec<(u32, u32)> = edges.iter().map(|&(from, to)| (to, from)).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut inputs = Rows::with_capacity(vertices as usize, sorted.len());
        let mut rest = sorted.as_slice();
        for vertex in 0..vertices {
            let (row, after) = rest.split_at(rest.partition_point(|&(to, _)| to == vertex));
            inputs.push(row.iter().map(|&(_, from)| from));
            rest = after;
        }
        Self::new(inputs)
    }

    /// Number of vertices.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is no vertex.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The vertices whose outputs `vertex` takes, ascending.
    #[must_use]
    pub fn inputs(&self, vertex: usize) -> &[u32] {
        self.inputs.row(vertex)
    }

    /// The vertices that take the output of `vertex`, ascending.
    #[must_use]
    pub fn consumers(&self, vertex: usize) -> &[u32] {
        self.consumers.row(vertex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_agree() {
        let dag = Dag::from_edges(4, &[(0, 2), (0, 1), (1, 3), (2, 3), (0, 1)]).expect("edges ascend");
        assert_eq!((dag.inputs(3), dag.consumers(0)), ([1, 2].as_slice(), [1, 2].as_slice()));
        assert_eq!((dag.inputs(0), dag.consumers(3)), ([].as_slice(), [].as_slice()));
    }

    #[test]
    fn wrong_edges_are_refused() {
        assert!(Dag::from_edges(2, &[(1, 0)]).is_err());
        assert!(Dag::from_edges(2, &[(1, 1)]).is_err());
        assert!(Dag::from_edges(2, &[(0, 2)]).is_err());
    }
}
