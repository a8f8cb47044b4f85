//! Lowering by hand-computed figures, folding against an interpreter, and the pictures as what they are: XML and text.

mod folding;
mod interpret;
mod lowering;
mod networks;
mod pictures;
mod splitting;
