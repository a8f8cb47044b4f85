//! What is shipped to devices: the folded tensor graph, its weights, the plan and the fleet, and what each device does of it.
//!
//! [`Bundle`] is the whole, made by the compiler; [`Share::of`] cuts out one device's list of actions, which kernels compile and a
//! node executes. [`layout`] fixes the bytes of a tensor, in memory and on the wire, the same on every device.
//! The runtime knows networks through this crate only; it never sees the language.

pub mod layout;
pub mod share;

pub use share::{Action, Share};
