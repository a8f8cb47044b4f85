//! `cnasc search`: what it finds does not depend on who looks, what it says of fidelities and constraints, and who tells accuracy.

use super::{file, first_code, json, quickstart, root, text};
use serde_json::Value;

#[test]
fn a_search_for_accuracy_says_who_tells_it() {
    let sample = std::fs::read_to_string(root().join("grammar/tests/sample.cnas")).expect("the sample");
    let (_folder, path) = file("sample.cnas", &sample);
    json(0, &["check", &path]);
    assert_eq!(first_code(&json(1, &["search", &path])), "E0616");
    let told =
        |way: &str| sample.replace("    maximize accuracy\n", &format!("    maximize accuracy\n    accuracy {way}\n"));
    let (_folder, path) = file("sample.cnas", told("command(\"no-such-judge\")"));
    assert_eq!(first_code(&json(1, &["search", &path])), "E0618");
    if cfg!(not(feature = "train")) {
        let (_folder, path) = file("sample.cnas", told("proxy(synflow)"));
        assert_eq!(first_code(&json(2, &["search", &path])), "E0614");
    }
}

/// A program of the user's: what it tells is what is searched for, and what it fails on is passed over.
#[cfg(unix)]
#[test]
fn a_program_tells_accuracy() {
    let source = std::fs::read_to_string(quickstart()).expect("the example");
    let told = source.replace(
        "    minimize concurrency_score\n",
        "    maximize accuracy\n    accuracy command(\"sh\", \"judge.sh\", within: 1 min)\n",
    );
    assert_ne!(told, source);
    let (folder, path) = file("judged.cnas", &told);
    let judge = "read question\nwidth=${question##*\\\"width\\\":\\\"}\nwidth=${width%%\\\"*}\n\
        [ $width = 32 ] && { echo too wide >&2; exit 1; }\necho \"{\\\"accuracy\\\": 0.$width}\"\n";
    std::fs::write(folder.path().join("judge.sh"), judge).expect("a file beside the source");
    let out = folder.path().join("out").display().to_string();
    let found = json(0, &["search", &path, "--budget", "12", "--top", "1", "-o", &out]);
    let best = &found["front"][0];
    assert_eq!(
        best["values"]["accuracy"].as_f64().map(|told| (told * 100.0).round().to_string()).as_deref(),
        best["params"]["width"].as_str()
    );
    assert_eq!(best["params"]["width"], "16");
    assert!(
        found["impossible"]["`sh` failed (exit status: 1): too wide"].as_u64() > Some(0),
        "{}",
        found["impossible"]
    );
}

/// The best really run: what was measured is in the report, a limit on it holds, and what is kept in a database is not measured again.
#[test]
fn candidates_are_measured() {
    let source = std::fs::read_to_string(quickstart()).expect("the example");
    let measured = source.replace(
        "    minimize latency\n",
        "    minimize measured_latency\n    where measured_latency <= 10 s\n    where measured_latency > 0 s\n",
    );
    let small = [("{16, 24, 32}", "{4, 6}"), ("{16, 32}", "{4, 8}"), ("pi[4]", "pi[2]")];
    let measured = small.iter().fold(measured, |text, (large, small)| text.replace(large, small));
    let (folder, path) = file("measured.cnas", &measured);
    let path_of = |name: &str| folder.path().join(name).display().to_string();
    let (out, storage) = (path_of("out"), format!("sqlite:///{}", path_of("s.db")));
    let args = ["search", &path, "--budget", "5", "--top", "1", "--storage", &storage, "-o", &out];
    let found = json(0, &args);
    for row in found["front"].as_array().expect("a list") {
        let seconds = row["values"]["measured_latency"].as_f64().unwrap_or_else(|| panic!("it has none: {row}"));
        assert!(seconds > 0.0 && seconds.is_finite());
    }
    assert_eq!(json(0, &args)["front"], found["front"], "no figure of a clock comes twice by itself");
    let seen = json(0, &["search", &path, "--budget", "5", "--storage", &storage, "--watch"]);
    assert!(seen["best"]["measured_latency"].as_f64() > Some(0.0), "{seen}");
    let shown = text(0, &args);
    assert!(shown.contains("measured_latency"), "{shown}");
    let limited = measured.replace("measured_latency <= 10 s", "measured_latency < 1 us");
    let (_folder, path) = file("limited.cnas", limited);
    let none = json(1, &["search", &path, "--budget", "3"]);
    assert_eq!(first_code(&none), "E0609");
    assert!(none.to_string().contains("break the constraint on measured_latency"), "{none}");
}

#[test]
fn a_search_does_not_depend_on_its_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let example = quickstart();
    let search = |workers: &str| {
        json(0, &["search", &example, "--budget", "40", "--top", "1", "--workers", workers, "-o", &out])
    };
    let (one, two) = (search("1"), search("2"));
    assert_eq!(one["front"], two["front"]);
    assert_eq!(one["evaluated"], 40);
    assert!(one["study"].is_string());
    let first = &one["front"][0];
    for field in ["hash", "seed", "values", "params"] {
        assert!(!first[field].is_null(), "{field} is missing: {first}");
    }
    assert!(one["measured"][0]["measured_fleet_ms"].as_f64().is_some_and(|ms| ms > 0.0));
    assert!(one["measured"][0]["difference"].as_f64().is_some_and(|difference| difference <= 1e-4));
    // The winner's seed alone draws it again.
    let seed = first["seed"].to_string();
    assert_eq!(json(0, &["expand", &example, "--seed", &seed])[0]["hash"], first["hash"]);
    assert!(folder.path().join("best.svg").exists());
    assert!(folder.path().join("best.arch.json").exists());
}

/// What a search changed in a graph is in its report, and draws the network again.
#[test]
fn an_edited_network_is_drawn_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let example = root().join("examples/edited.cnas").display().to_string();
    let search = |workers: &str| json(0, &["search", &example, "--top", "1", "--workers", workers, "-o", &out]);
    let found = search("2");
    assert_eq!(found["front"], search("1")["front"]);
    let mut edited = 0;
    for row in found["front"].as_array().expect("a list") {
        let (seed, list) = (row["seed"].to_string(), |name: &str| row[name].as_array().cloned().unwrap_or_default());
        let edits: Vec<String> = list("edits").iter().map(|edit| edit.as_str().expect("a word").to_owned()).collect();
        let set = row["params"].as_object().expect("an object").iter();
        let set: Vec<String> = set.map(|(name, value)| format!("{name}={}", value.as_str().expect("text"))).collect();
        let mut args = vec!["expand", &example, "--seed", &seed];
        set.iter().for_each(|set| args.extend(["--set", set]));
        edits.iter().for_each(|edit| args.extend(["--edit", edit]));
        assert_eq!(json(0, &args)[0]["hash"], row["hash"]);
        edited += usize::from(!edits.is_empty());
    }
    assert!(edited > 0, "{}", found["front"]);
    let told = text(0, &["search", &example, "--top", "2", "-o", &out]);
    let second: Vec<&str> =
        found["front"][1]["edits"].as_array().expect("it has some").iter().filter_map(Value::as_str).collect();
    assert!(told.contains(&format!("edits    of rank 2: --edit {}\n", second.join(" --edit "))), "{told}");
    // The winner is written as it was found, and other commands take it.
    let best = folder.path().join("best.arch.json").display().to_string();
    assert_eq!(json(0, &["expand", &best])[0]["hash"], found["front"][0]["hash"]);
    assert_eq!(first_code(&json(2, &["expand", &best, "--edit", "move.1"])), "E0603");
}

#[test]
fn a_search_tells_what_each_fidelity_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let example = root().join("examples/fidelity.cnas").display().to_string();
    let args = ["search", &example, "--budget", "300", "--top", "1", "-o", &out];
    let found = json(0, &args);
    let looks: Vec<(u64, Option<u64>)> = found["looks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|look| (look["judged"].as_u64().expect("a count"), look["passed"].as_u64()))
        .collect();
    assert_eq!(looks[1..], [(200, Some(40)), (40, None)]);
    assert_eq!((found["evaluated"].as_u64(), looks[0].1), (Some(300), Some(200)));
    assert!(found["front"].as_array().is_some_and(|front| !front.is_empty() && front.len() <= 40));
    assert!(found["front"][0]["values"]["concurrency_score"].as_f64().is_some_and(|score| score > 0.0));
    let shown = text(0, &args);
    assert!(
        shown.contains("fidelity 2: 200 judged by concurrency_score, flops, 200 keep its constraints, 40 go on"),
        "{shown}"
    );
    assert!(shown.contains("in full: 40 judged by latency, flops"), "{shown}");
}

#[test]
fn constraints_that_nothing_keeps() {
    let program = std::fs::read_to_string(quickstart()).expect("the example").replace("params <= 1.5 M", "params <= 1");
    let (_folder, path) = file("tight.cnas", program);
    let found = json(1, &["search", &path, "--budget", "20"]);
    assert_eq!(first_code(&found), "E0609");
    assert!(found[0]["notes"][0].as_str().is_some_and(|note| note.contains("params")), "{found}");
}

#[test]
fn a_search_says_what_its_scores_are_made_of() {
    let source = std::fs::read_to_string(quickstart()).expect("the example");
    let entry = "    score    cs(a: 2, b: 1, c: 0, bound: 1.2)\n    minimize concurrency_score\n";
    let source = source.replacen("    minimize concurrency_score\n", entry, 1);
    let (folder, path) = file("search.cnas", source);
    let found = json(0, &["search", &path, "--budget", "40", "--top", "1", "-o", &folder.path().display().to_string()]);
    assert!(found["evaluated"].as_u64() >= Some(40), "{found}");
    let by_search = json(0, &["score", &path, "--seed", "3"]);
    let row = &by_search[0];
    let number = |field: &str| row[field].as_f64().unwrap_or_else(|| panic!("{field} is missing: {row}"));
    let cube = number("delta_w") * number("delta_w") * number("lambda");
    assert!((number("cs") - cube.cbrt()).abs() < 1e-9 * number("cs"), "{row}");
    assert_eq!(row["score"]["tried"].as_array().map(Vec::len), Some(1));
    assert_eq!(row["score"]["epsilon"], 1.2);
    let plain = quickstart();
    let by_flags = json(0, &["score", &plain, "--seed", "3", "--exponents", "2,1,0", "--bound", "1.2"]);
    assert_eq!(by_flags[0]["score"], row["score"]);
    assert!(text(0, &["score", &plain, "--exponents", "2,1,0"]).contains("(δ_w^2 · Λ′ · η^0)^(1/3)"));
    for wrong in [["--exponents", "1,2"], ["--exponents", "1,2,11"], ["--bound", "0.9"], ["--bound", "NaN"]] {
        assert_eq!(first_code(&json(2, &["score", &plain, wrong[0], wrong[1]])), "E0606", "{wrong:?}");
    }
}
