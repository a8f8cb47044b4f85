//! What was measured of kernels on a CPU: for each shape the form that was the fastest there, and how long it takes.
//!
//! [`jit::tune`](crate::jit::tune) makes a [`Tuning`], programs keep it as they like, and [`install`] gives it to all shares that
//! a process compiles from then on. Like the instruction set it is a property of the machine, so that it is found out once and not handed from function to function.

use crate::jit::Form;
use crate::jit::kernel::Kernel;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;

static INSTALLED: OnceLock<Tuning> = OnceLock::new();

/// Kernels by all that their code depends on, as a number in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tuning(pub BTreeMap<String, Tuned>);

/// One kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    /// Its kind and shape, for people.
    pub kernel: String,
    /// The form that was the fastest.
    pub form: Form,
    /// Of a call in this form.
    pub nanoseconds: f64,
    /// Of a call in the usual form.
    pub usual_nanoseconds: f64,
}

impl Tuning {
    /// The form that the kernel, in no form yet, is to have: the usual one where it was not measured.
    pub(crate) fn form(&self, kernel: &Kernel) -> Form {
        self.get(kernel).map_or(Form::Usual, |tuned| tuned.form)
    }

    /// How long a call takes; `kernel` is in no form yet.
    pub(crate) fn nanoseconds(&self, kernel: &Kernel) -> Option<f64> {
        self.get(kernel).map(|tuned| tuned.nanoseconds).filter(|time| time.is_finite() && *time >= 0.0)
    }

    fn get(&self, kernel: &Kernel) -> Option<&Tuned> {
        // Most programs know nothing, and need no keys.
        if self.0.is_empty() { None } else { self.0.get(&key(kernel)) }
    }
}

/// Has all shares that are compiled from now on use what was measured; the first call in a process counts.
pub fn install(tuning: Tuning) {
    INSTALLED.get_or_init(|| tuning);
}

/// What was installed; else nothing is known.
pub(crate) fn installed() -> &'static Tuning {
    static NOTHING: Tuning = Tuning(BTreeMap::new());
    INSTALLED.get().unwrap_or(&NOTHING)
}

/// All that a kernel's code depends on, its instruction set among it, as a number in hexadecimal digits. Another version of the code generator, for which
/// the same numbers may say nothing, has other kernels and so other keys.
pub(crate) fn key(kernel: &Kernel) -> String {
    let text = format!("{} {kernel:?}", env!("CARGO_PKG_VERSION"));
    // FNV-1a of 64 bits (Fowler, Noll, Vo; its offset basis and prime).
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
