//! The networks of `std::networks` against the figures that their papers print, and the page that shows both.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_ir::Program;
use cnasc_place::Workload;
use cnasc_tests::program::{drawn, searching};
use std::fmt::Write;
use std::path::Path;

/// A figure as printed, as a number, and within what of it ours lies.
type Printed = (&'static str, f64, f64);

/// A network, what its arguments are, and what is printed of it.
struct Row {
    path: &'static str,
    arguments: &'static str,
    /// How many are drawn.
    draws: u64,
    /// Parameters as printed, and within what of it ours lie.
    params: Option<Printed>,
    /// Multiply-adds likewise.
    macs: Option<Printed>,
    /// Who prints it, and why ours differ where they do.
    remark: &'static str,
}

fn rows() -> Vec<Row> {
    let mut rows = published();
    // Family, arguments; parameters on Flower-102 with a deviation that covers ours; multiply-adds on CIFAR-10 likewise.
    let families: [(&str, Printed, Printed); 4] = [
        ("wiring: distance(n: 40)", ("26.69 M ± 3.05", 26.69e6, 7e6), ("16.8 M", 16.8e6, 1.0e6)),
        ("wiring: er(n: 40, p: 0.2)", ("46.03 M ± 2.70", 46.03e6, 9.5e6), ("16.5 M", 16.5e6, 4.5e6)),
        ("wiring: ba(n: 40, m: 5)", ("45.63 M ± 4.41", 45.63e6, 4.5e6), ("16.7 M", 16.7e6, 3.5e6)),
        ("wiring: ws(n: 40, k: 4, p: 0.25)", ("36.44 M ± 3.52", 36.44e6, 4.5e6), ("16.8 M", 16.8e6, 3.5e6)),
    ];
    let row = |path, arguments, params, macs, remark| Row { path, arguments, draws: 40, params, macs, remark };
    for (arguments, params, _) in families {
        let remark = "Hadidi et al., table IV, probabilistic; it prints no constants, so ours are near at best; means of 40 draws";
        rows.push(row("concurrent::flower", arguments, Some(params), None, remark));
    }
    for (arguments, _, macs) in families {
        let remark = "the same, table V: accuracy over accuracy per parameter, which fits CifarNet's multiply-adds, not its parameters";
        rows.push(row("concurrent::cifar", arguments, None, Some(macs), remark));
    }
    rows
}

/// The networks of which one table prints all that there is to know.
fn published() -> Vec<Row> {
    let row = |path, params, macs, remark| Row { path, arguments: "", draws: 1, params, macs, remark };
    vec![
        row(
            "cifarnet::cifarnet",
            Some(("797.97 k", 797.97e3, 0.02e3)),
            Some(("14.79 M", 14.79e6, 0.11e6)),
            "LCP paper, table II; with its biases and pools ours are 14.78 M",
        ),
        row("resnet::resnet18", None, Some(("1.8 G", 1.8e9, 0.05e9)), "He et al., table 1"),
        row(
            "resnet::resnet50",
            Some(("25.6 M", 25.6e6, 0.05e6)),
            Some(("3.8 G", 3.8e9, 0.06e9)),
            "He et al., table 1, whose digits are cut off, not rounded; parameters as the concurrent-architecture paper has them",
        ),
        row(
            "vgg::vgg16",
            Some(("138 M", 138e6, 0.5e6)),
            Some(("15.3 G", 15.3e9, 0.2e9)),
            "Simonyan and Zisserman, table 2; multiply-adds from He et al., who leave out the linear layers: ours without them are 15.35 G",
        ),
        row(
            "mobilenet::mobilenet_v2",
            Some(("3.4 M", 3.4e6, 0.11e6)),
            Some(("300 M", 300e6, 2e6)),
            "Sandler et al., table 4; ours without batch norm are 3.47 M, of which the paper prints two digits",
        ),
        row(
            "densenet::densenet121",
            Some(("7.98 M", 7.98e6, 0.005e6)),
            Some(("2.83 G", 2.83e9, 0.01e9)),
            "the authors' table of models",
        ),
        row(
            "inception::inception_v1",
            Some(("6.8 M", 6.7977e6, 0.21e6)),
            Some(("1.5 G", 1.502e9, 0.1e9)),
            "Szegedy et al., sums of table 1, whose units are 1,024 and whose first rows leave kernels out",
        ),
        row("squeezenet::squeezenet", Some(("1,248,424", 1_248_424.0, 0.5)), None, "Iandola et al., table 1"),
        Row {
            arguments: "wiring: ws(n: 32, k: 4, p: 0.75)",
            draws: 40,
            ..row(
                "randwire::randwire_small",
                Some(("5.6 M ± 0.1", 5.6e6, 0.1e6)),
                Some(("583 M ± 6.2", 583e6, 6.2e6)),
                "Xie et al., table 3, WS(4, 0.75); ours are means of 40 draws",
            )
        },
        Row {
            arguments: "wiring: ws(n: 32, k: 4, p: 0.75), half: ws(n: 16, k: 4, p: 0.75), width: 109",
            draws: 20,
            ..row(
                "randwire::randwire_regular",
                Some(("31.9 M", 31.9e6, 0.4e6)),
                Some(("4.0 G", 4.0e9, 0.1e9)),
                "Xie et al., table 4, C = 109, one network; ours are means of 20 draws",
            )
        },
        Row {
            arguments: "wiring: ws(n: 32, k: 4, p: 0.75), half: ws(n: 16, k: 4, p: 0.75), width: 154",
            draws: 20,
            ..row(
                "randwire::randwire_regular",
                Some(("61.5 M", 61.5e6, 0.8e6)),
                Some(("7.9 G", 7.9e9, 0.1e9)),
                "the same, C = 154",
            )
        },
    ]
}

/// A program whose only search is over the network of a row.
fn program(row: &Row) -> Program {
    let (module, network) = row.path.split_once("::").expect("a module and a network");
    let families = ["ba", "distance", "er", "ws"].iter();
    let used = families.filter(|family| row.arguments.contains(&format!(" {family}(")));
    let wiring: String = used.map(|family| format!("use std::generators::{family}\n")).collect();
    let text = format!("use std::networks::{module}::{network}\n{wiring}");
    searching(&text, &format!("{network}({})", row.arguments), 1)
}

/// Mean parameters and multiply-adds of a row's draws.
fn counted(row: &Row) -> (f64, f64) {
    let program = program(row);
    let (mut params, mut macs) = (0.0, 0.0);
    for seed in 0..row.draws {
        let architecture = drawn(&program, seed);
        let graph = cnasc_lower::lower(&architecture);
        let workload = Workload::sketch(&architecture);
        assert_eq!(workload, Workload::new(&architecture, &graph), "{}: costs with and without lowering", row.path);
        let counts = cnasc_search::Counts::new(&workload.expect("the network is verified"));
        assert_eq!((counts.params, counts.macs), (graph.total_params(), graph.total_macs()), "{}", row.path);
        params += counts.params as f64;
        macs += counts.macs as f64;
    }
    (params / row.draws as f64, macs / row.draws as f64)
}

/// A count with the digits that people compare.
fn short(count: f64) -> String {
    match count {
        _ if count >= 1e9 => format!("{:.2} G", count / 1e9),
        _ if count >= 1e6 => format!("{:.2} M", count / 1e6),
        _ => format!("{:.2} k", count / 1e3),
    }
}

fn table() -> String {
    let mut text = String::from(
        "| network | arguments | parameters | printed | multiply-adds | printed | printed where, and why ours differ where they do |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows() {
        let (params, macs) = counted(&row);
        for (found, printed) in [(params, row.params), (macs, row.macs)] {
            let Some((printed, wanted, within)) = printed else { continue };
            assert!((found - wanted).abs() <= within, "{}: {found} where {printed} is printed", row.path);
        }
        let printed = |figure: Option<Printed>| figure.map_or("", |(printed, ..)| printed);
        let arguments = if row.arguments.is_empty() { String::new() } else { format!("`{}`", row.arguments) };
        writeln!(
            text,
            "| `std::networks::{}` | {arguments} | {} | {} | {} | {} | {} |",
            row.path,
            short(params),
            printed(row.params),
            short(macs),
            printed(row.macs),
            row.remark
        )
        .expect("a string takes any text");
    }
    text
}

#[test]
fn the_networks_have_the_sizes_that_their_papers_print() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/networks.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let table = table();
    if std::env::var_os("CNASC_UPDATE_DOCS").is_some() {
        let head = page.split("| network |").next().unwrap_or_default();
        std::fs::write(&path, format!("{head}{table}")).expect("the page can be written");
        return;
    }
    assert!(page.ends_with(&table), "docs/networks.md is not what is counted; it should end with\n{table}");
}
