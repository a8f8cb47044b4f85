//! Whole programs: the sample of the language, the standard library, the examples and the explanations compile; wrong programs
//! say what is wrong, once each, and suggestions mend them.

use cnasc_base::{Diagnostics, Severity, Sources, render};
use cnasc_frontend::{CODES, compile, compile_with, explain};
use cnasc_ir::Program;
use cnasc_ir::fleet::Precision;
use cnasc_ir::program::Learning;
use std::path::{Path, PathBuf};

const SAMPLE: &str = include_str!("sample.cnas");

/// Compiles a text, and gives its findings as people read them too.
fn checked(text: &str) -> (Option<Program>, Diagnostics, String) {
    let mut sources = Sources::default();
    let file = sources.add("main.cnas", text);
    let (program, diagnostics) = compile_with(&mut sources, file, &mut load);
    let shown = render::human(&sources, &diagnostics, false);
    (program, diagnostics, shown)
}

/// The text of a file of `tests/files`, as a command line would read it.
fn load(written: &str, from: &str) -> Result<(String, String), String> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let files = root().join("compiler/frontend/tests/files").canonicalize().map_err(|error| error.to_string())?;
    let path = files.join(folder).join(written).canonicalize().map_err(|_| "there is no such file".to_owned())?;
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let name = path.strip_prefix(&files).map_err(|error| error.to_string())?;
    Ok((name.to_string_lossy().into_owned(), text))
}

fn codes(diagnostics: &Diagnostics) -> Vec<&'static str> {
    diagnostics.iter().map(|found| found.code.0).collect()
}

#[track_caller]
fn clean(text: &str) -> Program {
    let (program, diagnostics, shown) = checked(text);
    assert!(diagnostics.is_empty(), "{shown}");
    program.expect("a program without findings")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn cnas_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the repository");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "cnas"));
    files.sort();
    files
}

#[test]
fn the_sample_of_the_language_compiles() {
    let program = clean(SAMPLE);
    let names = |names: Vec<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(names(program.generators.iter().map(|of| &of.name).collect()), "local");
    assert_eq!(names(program.networks.iter().map(|of| &of.name).collect()), "fashion");
    assert_eq!(names(program.tests.iter().map(|of| &of.name).collect()), "local stays local");
    assert_eq!(program.fleets[0].devices[2].name, "pi[2]");
    assert_eq!(program.fleets[0].devices[2].kind, "rpi4");
    program.fleets[0].verify().expect("a whole fleet");
    let link = program.fleets[0].links[0][3].expect("all are joined");
    assert_eq!((link.rate, link.latency), (1e9, 200e-6));
    insta::assert_debug_snapshot!(
        program.searches[0].constraints.iter().map(|of| (of.measure, of.op, of.limit)).collect::<Vec<_>>()
    );
    insta::assert_debug_snapshot!(program.searches[0].strategy);
}

#[test]
fn a_training_says_how_to_learn() {
    let text = "training all {\n data \"images\"\n optimizer sgd(momentum: 0.95)\n rate 1 / 20\n\
        schedule steps(every: 30, factor: 0.1)\n epochs 90\n precision mixed\n batch 2 * 64\n warmup 0.5\n decay 5e-4\n smoothing 0.1\n\
        shift 4\n flip not true\n cutout 8\n mixup 0.2\n edge_drop 0.1\n path_drop 0.3\n dropout 0.2\n clip 5\n average 0.999\n\
        patience 9\n hold_out 5 K\n limit 20 K\n seed 7\n}\n\ntraining nothing {\n}\n";
    let trainings = clean(text).trainings;
    insta::assert_debug_snapshot!(trainings[0].says);
    assert_eq!((trainings[1].name.as_str(), &trainings[1].says), ("nothing", &Learning::default()));
}

#[test]
fn figures_are_in_base_units() {
    let text = "device d {\n compute 2 GFLOP/s\n memory 1 MiB\n cores 2\n backend reference\n}\n\
        device e {\n compute 1.5 TFLOP / 2 s\n memory 8 Gbit\n cores 1 K\n backend burn\n}\n\
        fleet f {\n node a: d\n node b: e\n link a <-> b: 2 MB / 4 s, 1 ms + 1 ms\n}\n";
    let fleet = &clean(text).fleets[0];
    let (first, second) = (&fleet.devices[0], &fleet.devices[1]);
    assert_eq!((first.compute, first.memory, first.cores), (2e9, 1_048_576.0, 2));
    assert_eq!((second.compute, second.memory, second.cores), (0.75e12, 1e9, 1000));
    assert_eq!((first.name.as_str(), first.backend), ("a", cnasc_ir::fleet::Backend::Reference));
    assert_eq!(second.backend, cnasc_ir::fleet::Backend::Burn);
    let link = fleet.links[1][0].expect("both ways");
    assert_eq!((link.rate, link.latency), (4e6, 2e-3));
}

#[test]
fn conditional_variables_are_nested_domains() {
    let text = SAMPLE.replace(
        "local(n: in {16, 24, 32}, reach: in log 1.0 .. 16.0)",
        "in {local(n: in {16, 24}, reach: 2.0), er(n: 16, p: in 0.1 .. 0.3), distance(n: 24)}",
    );
    let text =
        text.replace("use std::devices", "use std::generators::er\nuse std::generators::distance\nuse std::devices");
    let program = clean(&text);
    insta::assert_debug_snapshot!(
        program.searches[0].over.args.iter().map(|arg| strip(&format!("{arg:?}"))).collect::<Vec<_>>()
    );
}

/// Without the places, which say nothing here.
fn strip(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(", location: Location {") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
        rest = &rest[end..];
    }
    out + rest
}

#[test]
fn the_standard_library_has_no_findings() {
    let files = cnas_files(&root().join("stdlib"));
    assert!(files.len() >= 4);
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a module");
        clean(&text);
        assert!(text.starts_with("//! "), "{} says what it is for", path.display());
    }
}

#[test]
fn every_declaration_of_the_standard_library_can_be_used() {
    for path in cnas_files(&root().join("stdlib")) {
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let (tree, _) = cnasc_grammar::parse(&std::fs::read_to_string(&path).expect("a module"));
        for item in &tree.items {
            let name = match &item.kind {
                cnasc_grammar::tree::ItemKind::Block { name, .. } => name,
                cnasc_grammar::tree::ItemKind::Declaration(declaration) => &declaration.name,
                _ => continue,
            };
            assert!(!item.docs.is_empty(), "std::{module}::{} is documented", name.text);
            let (program, diagnostics, shown) = checked(&format!("use std::{module}::{}\n", name.text));
            assert_eq!(codes(&diagnostics), ["E0204"], "{shown}");
            assert!(program.is_some(), "a warning does not forbid a program");
        }
    }
}

/// Every example of the manual is a whole program in canonical form, which nothing is to be said against.
#[test]
fn the_manual_is_made_of_programs() {
    let manual = include_str!("../../../grammar/README.md");
    let blocks: Vec<&str> = manual.split("\n```").filter_map(|block| block.strip_prefix("cnas")).collect();
    assert!(blocks.len() >= 12, "{} examples", blocks.len());
    for block in blocks {
        let text = block.strip_prefix('\n').expect("an example has no other tag").to_owned() + "\n";
        clean(&text);
        assert_eq!(cnasc_grammar::format(&text).as_ref(), Ok(&text));
    }
}

#[test]
fn examples_have_no_findings() {
    let files = cnas_files(&root().join("examples"));
    assert!(!files.is_empty());
    for path in files {
        clean(&std::fs::read_to_string(path).expect("an example"));
    }
}

#[test]
fn explanations_fail_and_mend_as_they_say() {
    for (code, page) in CODES {
        let title = page.lines().next().unwrap_or_default();
        assert!(title.starts_with(&format!("# {code}: ")), "{code}: {title}");
        assert_eq!(explain(code.0), Some(*page));
        let blocks: Vec<&str> =
            page.split("```cnas\n").skip(1).map(|block| block.split("```").next().unwrap_or_default()).collect();
        // A file that is too large does not fit a page.
        if code.0 == "E0118" {
            assert!(blocks.is_empty());
            continue;
        }
        let [wrong, mended] = blocks.as_slice() else { panic!("{code} has a failing and a mended example") };
        let (_, diagnostics, shown) = checked(wrong);
        assert_eq!(codes(&diagnostics), [code.0], "{shown}");
        let (_, diagnostics, shown) = checked(mended);
        assert!(diagnostics.is_empty(), "{code}\n{shown}");
    }
    assert_eq!(explain("E9999"), None);
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let (program, diagnostics, _) = checked(&" ".repeat((4 << 20) + 1));
    assert!(program.is_none());
    assert_eq!(codes(&diagnostics), ["E0118"]);
}

/// Every wrong program, as its user sees it. Each has one mistake, but for those called `many_…`.
#[test]
fn wrong_programs() {
    let several = std::cell::RefCell::new(Vec::new());
    insta::glob!("wrong/*.cnas", |path| {
        let text = std::fs::read_to_string(path).expect("a program");
        let (program, diagnostics, shown) = checked(&text);
        assert!(program.is_none() || !diagnostics.has_errors());
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if !name.starts_with("many_") && diagnostics.iter().count() != 1 {
            several.borrow_mut().push(format!("{name}\n{shown}"));
        }
        insta::assert_snapshot!(shown);
    });
    assert!(several.borrow().is_empty(), "{}", several.borrow().join("\n"));
}

#[test]
fn suggestions_mend() {
    let files = cnas_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong"));
    let (mut applied, mut failures) = (0, Vec::new());
    for path in &files {
        let text = std::fs::read_to_string(path).expect("a program");
        let (_, before, _) = checked(&text);
        for found in before.iter() {
            let Some(suggestion) = &found.suggestion else { continue };
            let mut mended = text.clone();
            mended.replace_range(suggestion.location.range(), &suggestion.replacement);
            let (_, after, shown) = checked(&mended);
            let (count, left) = (before.iter().count(), after.iter().count());
            applied += 1;
            if left + 1 != count {
                failures.push(format!("{}: {}\n{shown}", path.display(), found.message));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(applied >= 30, "only {applied} suggestions were tried");
}

#[test]
fn ten_mistakes_are_ten_errors() {
    let (_, diagnostics, shown) = checked(include_str!("wrong/many_mistakes.cnas"));
    let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    assert_eq!(errors, 10, "{shown}");
    let places: Vec<_> = diagnostics.iter().map(|found| found.labels[0].location).collect();
    assert!(places.is_sorted(), "findings are in the order of their places");
}

#[test]
fn there_is_a_wrong_program_for_every_rule_of_the_checker() {
    let mut seen = std::collections::BTreeSet::new();
    for path in cnas_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong")) {
        let (_, diagnostics, _) = checked(&std::fs::read_to_string(path).expect("a program"));
        seen.extend(codes(&diagnostics));
    }
    // The parser's own tests have its mistakes; here one of each kind of bracket and literal is enough.
    let missing: Vec<&str> =
        CODES.iter().map(|(code, _)| code.0).filter(|code| *code >= "E0200" && !seen.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn files_are_used_by_relative_paths_and_once() {
    let text = "use \"common.cnas\"::local\nuse \"./more/../common.cnas\"::rings\nuse \"more/deep.cnas\"::twice\n\
        network f {\n    input image(1, 8, 8)\n    body local(n: 4, reach: 1.0) of twice\n    body rings(n: 2) of twice\n}\n\
        test \"of this file\" {\n    sample 2 of rings(n: 3) seed 1\n    expect snapshot\n}\n";
    let program = clean(text);
    let names = |names: Vec<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(names(program.generators.iter().map(|of| &of.name).collect()), "local rings near");
    assert_eq!(names(program.blocks.iter().map(|of| &of.name).collect()), "twice node");
    assert_eq!(names(program.tests.iter().map(|of| &of.name).collect()), "of this file");
}

#[test]
fn without_a_loader_other_files_are_not_read() {
    let mut sources = Sources::default();
    let file = sources.add("main.cnas", "use \"common.cnas\"::local\n");
    let (program, diagnostics) = compile(&mut sources, file);
    assert!(program.is_none());
    assert_eq!(codes(&diagnostics), ["E0226"]);
}

#[test]
fn graphs_are_read_from_files() {
    let program = clean("generator a {\n    graph \"square.txt\"\n}\ngenerator b {\n    graph \"three.graphml\"\n}\n");
    let edges = |index: usize| match &program.generators[index].wiring {
        cnasc_ir::program::Wiring::Given(edges) => edges.clone(),
        _ => Vec::new(),
    };
    assert_eq!(edges(0), [(0, 1), (0, 3), (1, 2), (2, 3)]);
    // In topological order: in, middle, out.
    assert_eq!(edges(1), [(0, 1), (0, 2), (1, 2)]);
}

#[test]
fn a_link_of_the_library_has_its_figures() {
    let text = "use std::devices::rpi4\nuse std::links::wifi\n\nfleet f {\n    node pi[2]: rpi4\n    link pi <-> pi: wifi\n}\n";
    let link = clean(text).fleets[0].links[0][1].expect("they are joined");
    assert_eq!((link.rate, link.latency), (62.24e6, 8.83e-3));
}

#[test]
fn a_fleet_says_how_tensors_travel() {
    let with = |entry: &str| {
        let head = "use std::devices::rpi4\nuse std::links::wifi\n\nfleet f {\n    node pi[2]: rpi4\n    link pi <-> pi: wifi\n";
        format!("{head}{entry}}}\n")
    };
    let fleet = |entry: &str| clean(&with(entry)).fleets[0].transfer;
    assert_eq!(fleet(""), Precision::F32);
    assert_eq!(fleet("    transfer f32\n"), Precision::F32);
    assert_eq!(fleet("    transfer f16\n"), Precision::F16);
    let wrong = |entry: &str| checked(&with(entry)).2;
    let shown = wrong("    transfer f61\n");
    assert!(shown.contains("error[E0218]: `transfer` does not know `f61`"), "{shown}");
    assert!(shown.contains("expected `f32` or `f16`"), "{shown}");
    let shown = wrong("    transfer f16\n    transfer f32\n");
    assert!(shown.contains("`transfer` is given twice"), "{shown}");
}

#[test]
fn the_whole_language_in_one_program() {
    clean(include_str!("whole.cnas"));
}
