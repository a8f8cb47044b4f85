//! Architectures as pictures: Graphviz text for other tools, and a drawing of our own that needs none.

mod dot;
mod svg;

pub use dot::dot;
pub use svg::svg;
