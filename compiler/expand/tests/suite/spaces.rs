//! Search variables: their names and conditions, drawing, binding and findings.

use crate::programs::{binary, choice, expr, int, make, named, program, real};
use cnasc_base::Seed;
use cnasc_expand::{SearchVariable, Setting, bind, expand, sample, variables};
use cnasc_ir::Program;
use cnasc_ir::program::{BinaryOp, Domain, Expr, ExprKind, Make};
use std::collections::{BTreeMap, BTreeSet};

fn ints(low: i64, high: i64, step: i64) -> Expr {
    expr(ExprKind::Domain(Domain::Ints { low, high, step }))
}

fn reals(low: f64, high: f64, step: Option<f64>, log: bool) -> Expr {
    expr(ExprKind::Domain(Domain::Reals { low, high, step, log }))
}

/// A choice between three wirings, two of one family; a choice of widths; a staging with a sum of domains.
fn space(program: &Program) -> Make {
    let wirings = vec![
        make(program, "local", vec![choice(vec![int(16), int(24)]), reals(1.0, 16.0, None, true)]),
        make(program, "ws", vec![int(12), ints(2, 6, 2), reals(0.0, 1.0, Some(0.25), false)]),
        make(program, "ws", vec![int(20), int(4), reals(0.0, 0.5, None, false)]),
        make(program, "chain", vec![int(8)]),
    ];
    let limit = binary(BinaryOp::Add, ints(1, 2, 1), ints(40, 60, 20));
    let args = vec![
        choice(wirings),
        choice(vec![int(16), int(32)]),
        make(program, "sepconv", Vec::new()),
        make(program, "gentle", vec![limit, real(0.5)]),
    ];
    Make { of: named(program, "fashion"), args }
}

#[test]
fn variables_are_named_by_their_paths() {
    let program = program();
    let line = |variable: &SearchVariable| {
        let condition =
            variable.condition.map_or_else(String::new, |it| format!(" if {} is {}", it.variable, it.choice));
        format!("{}{condition}: {:?}", variable.name, variable.choices)
    };
    let text: Vec<String> = variables(&program, &space(&program)).iter().map(line).collect();
    insta::assert_snapshot!(text.join("\n"), @r#"
    wiring: ["local", "ws", "ws#2", "chain(n: 8)"]
    wiring.local.n if 0 is 0: ["16", "24"]
    wiring.local.reach if 0 is 0: []
    wiring.ws.k if 0 is 1: []
    wiring.ws.p if 0 is 1: []
    wiring.ws.p#2 if 0 is 2: []
    width: ["16", "32"]
    staging.limit: []
    staging.limit#2: []
    "#);
}

#[test]
fn samples_are_networks_of_the_space() {
    let program = program();
    let over = space(&program);
    let mut seen = BTreeMap::<String, BTreeSet<String>>::new();
    for seed in 0..400 {
        let seed = Seed::new(seed);
        let sampled = sample(&program, &over, &seed).expect("the domains have values");
        assert_eq!(sampled, sample(&program, &over, &seed).expect("as before"), "the seed decides");
        assert!(sampled.settings.keys().eq(sampled.arguments.keys()));
        assert_eq!(sampled.settings.contains_key("wiring.ws.k"), sampled.arguments["wiring"] == "ws");
        for (name, text) in sampled.arguments {
            seen.entry(name).or_default().insert(text);
        }
        if seed.number().is_multiple_of(8) {
            expand(&program, &sampled.network, &seed).expect("every network of the space fits");
        }
    }
    assert_eq!(seen["wiring"].len(), 4);
    assert_eq!(seen["wiring.ws.k"].iter().collect::<Vec<_>>(), ["2", "4", "6"]);
    assert_eq!(seen["wiring.ws.p"].iter().collect::<Vec<_>>(), ["0.0", "0.25", "0.5", "0.75", "1.0"]);
    assert_eq!(seen["staging.limit#2"].iter().collect::<Vec<_>>(), ["40", "60"]);
}

/// Uniform over alternatives, and in the logarithm where that is asked for: half of 1 … 16 lies below 4.
#[test]
fn draws_follow_their_domains() {
    let program = program();
    let args = vec![int(8), reals(1.0, 16.0, None, true)];
    let over = Make { of: named(&program, "local"), args };
    let samples = 4_000;
    let below = (0..samples)
        .filter(|&seed| {
            let sampled = sample(&program, &over, &Seed::new(seed)).expect("the domain has values");
            let Setting::Real(reach) = sampled.settings["reach"] else { panic!("a real domain gives reals") };
            assert!((1.0..=16.0).contains(&reach));
            reach < 4.0
        })
        .count() as f64;
    let (expect, error) = (samples as f64 / 2.0, (samples as f64).sqrt() / 2.0);
    assert!((below - expect).abs() < 5.0 * error, "{below} of {samples}");
}

#[test]
fn settings_fix_single_variables() {
    let program = program();
    let over = space(&program);
    let all = variables(&program, &over);
    let read = |name: &str, text: &str| {
        let variable = all.iter().find(|variable| variable.name == name).expect("the space has it");
        (name.to_owned(), variable.read(text).expect("the text is in its domain"))
    };
    let settings = BTreeMap::from([read("wiring", "local"), read("wiring.local.n", "24"), read("width", "32")]);
    let mut reaches = BTreeSet::new();
    for seed in 0..20 {
        let seed = Seed::new(seed);
        let bound = bind(&program, &over, &settings, &seed).expect("the settings are in their domains");
        assert_eq!((bound.arguments["wiring.local.n"].as_str(), bound.arguments["width"].as_str()), ("24", "32"));
        reaches.insert(bound.arguments["wiring.local.reach"].clone());
        // Each variable has a stream of its own: what is not fixed stays as it was.
        let free = sample(&program, &over, &seed).expect("the domains have values");
        assert_eq!(bound.arguments["staging.limit"], free.arguments["staging.limit"]);
        assert_eq!(bind(&program, &over, &free.settings, &Seed::new(99)), Ok(free), "its own settings give it again");
    }
    assert_eq!(reaches.len(), 20);
}

#[test]
fn settings_outside_are_findings() {
    let program = program();
    let over = space(&program);
    let all = variables(&program, &over);
    let mut lines = Vec::new();
    for (name, text) in [
        ("wiring", "er"),
        ("width", "17"),
        ("wiring.ws.k", "3"),
        ("wiring.ws.k", "many"),
        ("wiring.ws.p", "0.3"),
        ("wiring.local.reach", "0.5"),
        ("wiring.local.reach", "NaN"),
    ] {
        let variable = all.iter().find(|variable| variable.name == name).expect("the space has it");
        let finding = variable.read(text).expect_err("the text is outside its domain");
        lines.push(format!("{} {}", finding.code, finding.message));
    }
    let unknown = BTreeMap::from([("depth".to_owned(), Setting::Int(1))]);
    let finding = bind(&program, &over, &unknown, &Seed::new(0)).expect_err("the space has no depth");
    lines.push(format!("{} {}; {}", finding.code, finding.message, finding.notes.join("; ")));
    let wrong = BTreeMap::from([("width".to_owned(), Setting::Int(17))]);
    let finding = bind(&program, &over, &wrong, &Seed::new(0)).expect_err("17 is no alternative");
    lines.push(format!("{} {}", finding.code, finding.message));
    insta::assert_snapshot!("settings_outside", lines.join("\n"));
}

#[test]
fn empty_domains_are_findings() {
    let program = program();
    for domain in [
        choice(Vec::new()),
        ints(3, 2, 1),
        ints(0, 9, 0),
        reals(2.0, 1.0, None, false),
        reals(0.0, 1.0, None, true),
        reals(0.0, f64::INFINITY, None, false),
        reals(0.0, 1.0, Some(0.0), false),
        reals(0.0, 1.0, Some(1e-300), false),
        reals(0.0, 1.0, Some(f64::NAN), false),
    ] {
        let over = Make { of: named(&program, "chain"), args: vec![domain] };
        let finding = sample(&program, &over, &Seed::new(0)).expect_err("the domain is empty");
        assert_eq!(finding.code.0, "E0532");
        for setting in [Setting::Choice(0), Setting::Int(1), Setting::Real(1.0)] {
            let settings = BTreeMap::from([("n".to_owned(), setting)]);
            assert!(bind(&program, &over, &settings, &Seed::new(0)).is_err() || matches!(setting, Setting::Int(_)));
        }
    }
}

/// What a choice reads: its text, or the same number written otherwise.
#[test]
fn reading_is_forgiving_about_numbers() {
    let program = program();
    let over = Make { of: named(&program, "er"), args: vec![ints(4, 8, 1), choice(vec![real(0.5), real(0.25)])] };
    let all = variables(&program, &over);
    assert_eq!(all[1].read(".25"), Ok(Setting::Choice(1)));
    assert_eq!(all[1].read("0.5"), Ok(Setting::Choice(0)));
    assert_eq!(all[1].check(Setting::Real(0.25)), Ok(Setting::Choice(1)));
    assert_eq!(all[0].read(" 5 "), Ok(Setting::Int(5)));
    assert!(all[0].read("9").is_err());
}
