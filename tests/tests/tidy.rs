//! Habits that a machine can hold us to: module headers, file sizes, the direction of dependencies, the README's commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Lines of a file beyond which it is asking to be two. Tests and tables of data may be longer.
const MAX_LINES: usize = 600;

/// What each crate may depend on, of the project's own crates (style: the direction of the arrows is not negotiable).
const EDGES: &[(&str, &[&str])] = &[
    ("cnasc-grammar", &[]),
    ("cnasc-base", &[]),
    ("cnasc-ir", &["base"]),
    ("cnasc-frontend", &["grammar", "base", "ir"]),
    ("cnasc-expand", &["base", "ir"]),
    ("cnasc-lower", &["base", "ir"]),
    ("cnasc-place", &["base", "ir"]),
    ("cnasc-onnx", &["base", "ir"]),
    ("cnasc-search", &["base", "ir", "expand", "place"]),
    ("cnasc-bundle", &["base", "ir"]),
    ("cnasc-kernels", &["base", "bundle", "ir"]),
    ("cnasc-transport", &["base", "bundle", "ir"]),
    ("cnasc-burn", &["base", "bundle", "ir", "kernels"]),
    ("cnasc-train", &["base", "ir"]),
    ("cnasc-node", &["bundle", "burn", "ir", "kernels", "transport"]),
    ("cnasc-fleet", &["bundle", "ir", "kernels", "node", "place", "transport"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

/// Every Rust file below the folders of the workspace.
fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["grammar", "compiler", "runtime", "examples", "tests"].iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn report(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let headless = |path: &PathBuf| !std::fs::read_to_string(path).expect("a source file").starts_with("//!");
    let findings: Vec<String> =
        rust_files().iter().filter(|path| headless(path)).map(|path| path.display().to_string()).collect();
    report(&findings);
}

#[test]
fn no_file_is_two() {
    let mut findings = Vec::new();
    for path in rust_files() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if ["mod.rs", "util.rs", "utils.rs", "misc.rs", "common.rs", "helpers.rs"].contains(&name.as_str()) {
            findings.push(format!("{}: a name that says nothing", path.display()));
        }
        let lines = std::fs::read_to_string(&path).expect("a source file").lines().count();
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        if lines > MAX_LINES && !is_test {
            findings.push(format!("{}: {lines} lines", path.display()));
        }
    }
    report(&findings);
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut findings = Vec::new();
    for folder in ["grammar".to_owned()].into_iter().chain(crates("compiler")).chain(crates("runtime")) {
        let text = std::fs::read_to_string(root().join(&folder).join("Cargo.toml")).expect("a manifest");
        let name = text.lines().find_map(|line| line.strip_prefix("name = ")).unwrap_or_default().trim_matches('"');
        let Some(allowed) = allowed.get(name) else {
            assert_eq!(name, "cnasc", "{folder}: name the crate's edges in this test");
            continue;
        };
        let dependencies = text.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines().filter_map(|line| line.strip_prefix("cnasc-")) {
            let other = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !allowed.contains(&other) {
                findings.push(format!("{name} depends on cnasc-{other}"));
            }
        }
    }
    report(&findings);
}

fn crates(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).expect("a folder of the workspace") {
        let path = entry.expect("an entry").path();
        if path.join("Cargo.toml").exists() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.push(format!("{folder}/{name}"));
        }
    }
    found.sort();
    found
}

#[test]
fn every_library_used_is_in_the_workspace_table() {
    let mut findings = Vec::new();
    for folder in
        ["grammar".to_owned(), "tests".to_owned()].into_iter().chain(crates("compiler")).chain(crates("runtime"))
    {
        let text = std::fs::read_to_string(root().join(&folder).join("Cargo.toml")).expect("a manifest");
        for section in text.split("\n[").filter(|section| section.contains("dependencies]")) {
            let own = section.lines().skip(1).filter(|line| line.contains('=') && !line.contains("workspace = true"));
            findings.extend(own.map(|line| format!("{folder}: {line}")));
        }
    }
    report(&findings);
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    for command in ["cargo run --release -- search examples/quickstart.cnas", "cargo test --release --workspace"] {
        assert!(readme.contains(command), "README.md does not say `{command}`");
    }
}

#[test]
fn the_projects_own_programs_are_in_canonical_form() {
    let mut findings = Vec::new();
    for folder in [
        "stdlib",
        "examples",
        "examples/paper",
        "examples/training",
        "compiler/cnasc/src/commands/profile",
        "compiler/cnasc/src/commands/fleet",
    ] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "cnas") {
                let text = std::fs::read_to_string(&path).expect("a program");
                if cnasc_grammar::format(&text).ok().as_deref() != Some(text.as_str()) {
                    findings.push(format!("{}: run `cnasc fmt` on it", path.display()));
                }
            }
        }
    }
    report(&findings);
}
