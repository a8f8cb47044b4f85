//! What is shipped to devices: the folded tensor graph, its weights, the plan and the fleet, and what each device does of it.
//!
//! [`Bundle`] is the whole, made by the compiler; [`file`](mod@file) is its bytes on disk. [`Share::of`] cuts out one device's list of
//! actions, which kernels compile and a node executes; [`verify`] shows before anything runs that the shares of all devices together
//! compute the network and can't wait for each other forever. [`layout`] fixes the bytes of a tensor, in memory and on the wire, the
//! same on every device, and [`image`] brings pixels into it.
//! [`Part`] is what one device of several machines gets: the whole plan, and the weights of its own share.
//! The runtime knows networks through this crate only; it never sees the language.

pub mod layout;
pub mod share;

mod alone;
pub mod bundle;
pub mod file;
pub mod image;
pub mod part;
pub mod verify;

#[cfg(any(test, feature = "sample"))]
pub mod sample;

pub use bundle::{Bundle, BundleError};
pub use image::{ImageError, prepare};
pub use part::Part;
pub use share::{Action, Share};
