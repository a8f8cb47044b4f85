//! The Python environment with other programs to compare with: `onnx` and what reads its files.
//!
//! `.ci/run` makes it in `target/peers` from `tests/peers/requirements.txt`; the variable `CNASC_PEERS` names another one. Tests that need
//! it say so and do nothing where there is none.

use std::path::{Path, PathBuf};

/// The environment's folder, if it is there.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("CNASC_PEERS").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers");
    let folder = named.unwrap_or(usual);
    if folder.join("bin/python").exists() {
        return Some(folder);
    }
    println!(
        "skipped: no Python environment in `{}`. Make it as .ci/run does, or name one by CNASC_PEERS",
        folder.display()
    );
    None
}

/// The files of an installed package.
#[must_use]
pub fn package(name: &str) -> Option<PathBuf> {
    let lib = folder()?.join("lib");
    let versions = std::fs::read_dir(&lib).unwrap_or_else(|error| panic!("`{}`: {error}", lib.display()));
    let found =
        versions.flatten().map(|entry| entry.path().join("site-packages").join(name)).find(|path| path.exists());
    if found.is_none() {
        println!("skipped: the Python environment has no package `{name}`");
    }
    found
}
