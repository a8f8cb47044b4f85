//! Every operator and whole networks, generated code against the oracle; shares that exchange tensors; wrong input.

mod elementwise;
mod image;
mod layout;
mod net;
mod operators;
mod oracle;
mod shares;
mod wrong;

pub use net::{Net, conv, depthwise, difference, expected, image, infer};
