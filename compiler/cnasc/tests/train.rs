//! `cnasc train` from images on disk to a network that every backend runs alike. Needs the cargo feature `train`, which tests of the whole workspace have.

#![cfg(feature = "train")]
#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use serde_json::Value;
use std::path::Path;
use std::process::Command;

const NETWORK: &str = "use std::blocks::sepconv
use std::generators::ws

network small {
    input image(1, 8, 8)
    stem  conv(3, 6) -> bn -> relu
    body  ws(n: 4, k: 2, p: 0.5) of sepconv
    head  global_avg -> linear(4)
}
";

/// Runs the program, checks the exit status, and gives the JSON document.
#[track_caller]
fn cnasc(exit: i32, folder: &Path, words: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
    let output =
        command.current_dir(folder).args(["--format", "json"]).args(words).output().expect("the binary starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(exit), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// Noisy bars across and down, a checkerboard and a spot, 8×8, as IDX files.
fn write_images(folder: &Path, name: &str, count: u32, mut state: u32) {
    let mut below = |bound: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % bound
    };
    let (mut images, mut labels) = (vec![0, 0, 8, 3], vec![0, 0, 8, 1]);
    [count, 8, 8].iter().for_each(|extent| images.extend(extent.to_be_bytes()));
    labels.extend(count.to_be_bytes());
    for index in 0..count {
        let (class, phase) = (index % 4, below(2));
        labels.push(class as u8);
        for at in 0..64 {
            let (row, column) = (at / 8, at % 8);
            let is_bright = match class {
                0 => (row / 2 + phase).is_multiple_of(2),
                1 => (column / 2 + phase).is_multiple_of(2),
                2 => (row + column + phase).is_multiple_of(2),
                _ => row.abs_diff(4 - phase) + column.abs_diff(4) < 3,
            };
            images.push((below(96) + if is_bright { 159 } else { 0 }) as u8);
        }
    }
    std::fs::write(folder.join(format!("{name}-images-idx3-ubyte")), images).expect("it can be written");
    std::fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), labels).expect("it can be written");
}

/// A folder with a network and images.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("small.cnas"), NETWORK).expect("it can be written");
    write_images(folder.path(), "train", 160, 1);
    write_images(folder.path(), "t10k", 40, 2);
    folder
}

fn first_code(found: &Value) -> &str {
    found[0]["code"].as_str().unwrap_or_default()
}

#[test]
fn a_trained_network_answers_alike_everywhere() {
    let folder = workplace();
    let at = folder.path();
    let train = [
        "train",
        "small.cnas",
        "--seed",
        "3",
        "--data",
        ".",
        "-o",
        "out",
        "--epochs",
        "8",
        "--batch",
        "16",
        "--shift",
        "1",
    ];
    let report = cnasc(0, at, &train);
    let accuracy = report["test_accuracy"].as_f64().expect("a number");
    assert!(accuracy > 0.95, "{report}");
    assert_eq!(report["epochs"].as_array().map(Vec::len), Some(8));
    let metrics = std::fs::read_to_string(at.join("out/metrics.csv")).expect("figures");
    assert_eq!(metrics.lines().count(), 9);

    let files = ["out/small.arch.json", "--weights", "out/small.safetensors"];
    let inputs: Vec<String> = (0..40).map(|index| format!("t10k-images-idx3-ubyte#{index}")).collect();
    let answers = |backend: &[&str]| {
        let mut words = vec!["run"];
        words.extend(files);
        words.extend(backend);
        words.push("--input");
        words.extend(inputs.iter().map(String::as_str));
        let rows = cnasc(0, at, &words);
        let rows = rows.as_array().expect("a row an image").clone();
        rows.iter().map(|row| (row["class"].as_u64(), row["label"].as_u64())).collect::<Vec<_>>()
    };
    let jit = answers(&["--verify"]);
    let right = jit.iter().filter(|(class, label)| class == label).count();
    assert!((right as f64 / 40.0 - accuracy).abs() < 1e-6, "{right} of 40 are right, training says {accuracy}");
    assert_eq!(jit, answers(&["--backend", "reference"]));
    assert_eq!(jit, answers(&["--local", "4", "--strategy", "hypergraph"]));

    // Begun again in the same folder it is done already, and writes the same; as anything else it is refused.
    let before = std::fs::read(at.join("out/small.safetensors")).expect("weights");
    cnasc(0, at, &train);
    assert_eq!(std::fs::read(at.join("out/small.safetensors")).expect("weights"), before);
    let mut other = train.to_vec();
    other.extend(["--rate", "0.05"]);
    assert_eq!(first_code(&cnasc(1, at, &other)), "E0652");

    let mut export = vec!["expand"];
    export.extend(files);
    export.extend(["--emit", "onnx", "-o", "onnx"]);
    cnasc(0, at, &export);
}

#[test]
fn what_is_missing_or_damaged_is_said() {
    let folder = workplace();
    let at = folder.path();
    let train = |data: &str| cnasc(1, at, &["train", "small.cnas", "--data", data, "-o", "out"]);
    let empty = train("nowhere");
    assert_eq!(first_code(&empty), "E0650");
    assert!(empty.to_string().contains("dataset-fashion-mnist"), "{empty}");
    let images = std::fs::read(at.join("t10k-images-idx3-ubyte")).expect("images");
    std::fs::write(at.join("t10k-images-idx3-ubyte"), &images[..images.len() - 1]).expect("it can be written");
    assert_eq!(first_code(&train(".")), "E0650");
    std::fs::remove_file(at.join("t10k-images-idx3-ubyte")).expect("it was there");
    assert_eq!(first_code(&train(".")), "E0650");
}

/// A picture of one colour.
fn picture(colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_pixel(12, 10, image::Rgb(colour));
    picture.write_to(&mut bytes, image::ImageFormat::Png).expect("memory takes it");
    bytes.into_inner()
}

/// The images of both sets, where the folder can be learnt from.
fn learnt(at: &Path, data: &str) -> (Value, Value) {
    let _ = std::fs::remove_dir_all(at.join("out"));
    let report = cnasc(0, at, &["train", "colours.cnas", "--data", data, "-o", "out", "--epochs", "1", "--batch", "4"]);
    (report["train_images"].clone(), report["test_images"].clone())
}

fn colours() -> tempfile::TempDir {
    let folder = workplace();
    let network = NETWORK.replace("image(1, 8, 8)", "image(3, 32, 32)").replace("linear(4)", "linear(102)");
    std::fs::write(folder.path().join("colours.cnas"), network).expect("it can be written");
    folder
}

#[test]
fn pictures_are_learnt_from_by_their_folders() {
    let folder = colours();
    let at = folder.path();
    let put = |path: &str, bytes: &[u8]| {
        let path = at.join(path);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("it can be written");
    };
    for index in 0..10 {
        put(&format!("all/red/{index}.png"), &picture([255, index, 0]));
        put(&format!("all/blue/{index}.png"), &picture([0, index, 255]));
    }
    assert_eq!(learnt(at, "all"), (16.into(), 4.into()), "a fifth is to be judged by");
    for class in ["red", "blue"] {
        put(&format!("two/train/{class}/1.png"), &picture([255, 0, 0]));
        put(&format!("two/val/{class}/1.png"), &picture([255, 0, 0]));
    }
    assert_eq!(learnt(at, "two"), (2.into(), 2.into()));
    put("two/val/green/1.png", &picture([0, 255, 0]));
    let refused = |data: &str| cnasc(1, at, &["train", "colours.cnas", "--data", data, "-o", "out"]);
    let found = refused("two");
    assert!(first_code(&found) == "E0650" && found.to_string().contains("green"), "{found}");
    let whole = picture([255, 0, 0]);
    put("all/red/3.png", &whole[..whole.len() / 2]);
    let found = refused("all");
    assert!(first_code(&found) == "E0650" && found.to_string().contains("3.png"), "{found}");
}

#[test]
fn flowers_are_learnt_from_their_folder_or_archive() {
    /// A row of MATLAB's, as its version 5 writes it unpacked.
    fn row(name: &str, values: &[u8]) -> Vec<u8> {
        let element = |kind: u32, body: &[u8]| {
            let mut bytes = [kind.to_le_bytes(), (body.len() as u32).to_le_bytes()].concat();
            bytes.extend(body);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes
        };
        let extents = [1, 0, 0, 0, values.len() as u8, 0, 0, 0];
        let parts = [element(6, &[9, 0, 0, 0, 0, 0, 0, 0]), element(5, &extents), element(1, name.as_bytes())];
        element(14, &[parts.concat(), element(2, values)].concat())
    }
    let file = |rows: &[Vec<u8>]| [[b' '; 124].as_slice(), b"\x00\x01IM", &rows.concat()].concat();
    let folder = colours();
    let at = folder.path();
    let put = |path: &str, bytes: &[u8]| std::fs::write(at.join(path), bytes).expect("it can be written");
    put("setid.mat", &file(&[row("trnid", &[1, 3]), row("valid", &[2]), row("tstid", &[4])]));
    put("imagelabels.mat", &file(&[row("labels", &[1, 102, 2, 7])]));
    for name in ["train", "t10k"] {
        std::fs::remove_file(at.join(format!("{name}-images-idx3-ubyte"))).expect("it was there");
    }
    let refused = || cnasc(1, at, &["train", "colours.cnas", "--data", ".", "-o", "out"]);
    assert!(refused().to_string().contains("102flowers.tgz"), "{}", refused());
    let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut archive = tar::Builder::new(packer);
    for index in 1..=4 {
        let bytes = picture([index, 0, 0]);
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        let name = format!("jpg/image_{index:05}.jpg");
        archive.append_data(&mut header, name, bytes.as_slice()).expect("memory takes it");
    }
    let packed = archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("memory takes it");
    put("102flowers.tgz", &packed);
    assert_eq!(learnt(at, "."), (3.into(), 1.into()));
    put("102flowers.tgz", &packed[..packed.len() / 2]);
    assert_eq!(first_code(&refused()), "E0650", "cut off");
    std::fs::create_dir(at.join("jpg")).expect("a folder");
    (1..=4).for_each(|index| put(&format!("jpg/image_{index:05}.jpg"), &picture([index, 0, 0])));
    assert_eq!(learnt(at, "."), (3.into(), 1.into()));
    put("imagelabels.mat", &file(&[row("labels", &[1, 103, 2, 7])]));
    assert!(refused().to_string().contains("picture 2"), "{}", refused());
}

#[test]
fn cifar_is_learnt_from_its_archive() {
    let folder = colours();
    let at = folder.path();
    std::fs::create_dir(at.join("cifar")).expect("a folder");
    let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut archive = tar::Builder::new(packer);
    for name in ["test.bin", "train.bin"] {
        let bytes = [[0, 99].as_slice(), &[5; 3072], &[1, 0], &[250; 3072]].concat();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, format!("cifar-100-binary/{name}"), bytes.as_slice()).expect("memory");
    }
    let packed = archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("memory takes it");
    let path = at.join("cifar/cifar-100-binary.tar.gz");
    std::fs::write(&path, &packed).expect("it can be written");
    assert_eq!(learnt(at, "cifar"), (2.into(), 2.into()));
    std::fs::write(&path, &packed[..40]).expect("it can be written");
    let refused = cnasc(1, at, &["train", "colours.cnas", "--data", "cifar", "-o", "out"]);
    assert_eq!(first_code(&refused), "E0650");
}

#[test]
fn what_does_not_fit_is_said() {
    let folder = workplace();
    let at = folder.path();
    let train = |network: &str, options: &[&str]| {
        std::fs::write(at.join("other.cnas"), network).expect("it can be written");
        let mut words = vec!["train", "other.cnas", "--data", ".", "-o", "out"];
        words.extend(options);
        first_code(&cnasc(if options.contains(&"--hold-out") { 2 } else { 1 }, at, &words)).to_owned()
    };
    assert_eq!(train(&NETWORK.replace("linear(4)", "linear(3)"), &[]), "E0651", "too few classes");
    assert_eq!(train(&NETWORK.replace("image(1, 8, 8)", "image(1, 6, 6)"), &[]), "E0607", "too small");
    assert_eq!(train(&NETWORK.replace("global_avg -> linear(4)", "conv(3, 4)"), &[]), "E0651", "no classes");
    assert_eq!(train(NETWORK, &["--smoothing", "1"]), "E0651");
    assert_eq!(train(NETWORK, &["--hold-out", "160"]), "E0606");
}

/// The first epoch's row of `metrics.csv`, and how many there are.
fn figures(folder: &Path, out: &str) -> (Vec<String>, usize) {
    let text = std::fs::read_to_string(folder.join(out).join("metrics.csv")).expect("figures");
    let row = text.lines().nth(1).expect("a row").split(',').map(str::to_owned).collect();
    (row, text.lines().count() - 1)
}

#[test]
fn a_training_of_the_source_says_how() {
    let folder = workplace();
    let at = folder.path();
    let training = "training quick {\n    data \".\"\n    rate 0.05\n    schedule constant\n    warmup 0\n    epochs 2\n    \
        batch 16\n    limit 64\n    hold_out 16\n}\n";
    std::fs::write(at.join("one.cnas"), format!("{NETWORK}\n{training}")).expect("it can be written");
    let report = cnasc(0, at, &["train", "one.cnas", "-o", "said"]);
    assert_eq!((report["train_images"].as_u64(), report["test_images"].as_u64()), (Some(48), Some(40)));
    let (row, epochs) = figures(at, "said");
    assert_eq!((row[1].as_str(), epochs), ("0.05", 2));

    // Options go before it, and what they say is the same run as if the source said nothing.
    let options = ["--rate", "0.02", "--epochs", "1", "--limit", "32", "--hold-out", "0", "--train-seed", "9"];
    let mut words = vec!["train", "one.cnas", "-o", "given"];
    words.extend(options);
    assert_eq!(cnasc(0, at, &words)["train_images"], 32);
    let (row, epochs) = figures(at, "given");
    assert_eq!((row[1].as_str(), epochs), ("0.02", 1));
    let mut words =
        vec!["train", "small.cnas", "-o", "alone", "--data", ".", "--schedule", "constant", "--warmup", "0"];
    words.extend(["--batch", "16"]);
    words.extend(options);
    cnasc(0, at, &words);
    let weights = |out: &str| std::fs::read(at.join(out).join("small.safetensors")).expect("weights");
    assert!(weights("given") == weights("alone"), "options alone come to the same bytes");

    // A rate is meant for the optimizer that it was written for.
    cnasc(0, at, &["train", "one.cnas", "-o", "adam", "--optimizer", "adamw", "--epochs", "1"]);
    assert_eq!(figures(at, "adam").0[1], "0.002");

    std::fs::write(at.join("two.cnas"), format!("{NETWORK}\n{training}\n{}", training.replace("quick", "slow")))
        .expect("it can be written");
    let unsaid = cnasc(1, at, &["train", "two.cnas", "-o", "two"]);
    assert_eq!(first_code(&unsaid), "E0603");
    assert!(unsaid.to_string().contains("`quick`, `slow`"), "{unsaid}");
    assert_eq!(first_code(&cnasc(1, at, &["train", "two.cnas", "-o", "two", "--training", "none"])), "E0603");
    cnasc(0, at, &["train", "two.cnas", "-o", "two", "--training", "slow"]);
}

#[test]
fn a_score_tells_of_untrained_networks() {
    let folder = workplace();
    let at = folder.path();
    let told = |options: &[&str]| {
        let mut words = vec!["score", "small.cnas", "-n", "2", "--data", "."];
        words.extend(options);
        let rows = cnasc(0, at, &words);
        let rows = rows.as_array().expect("a row a network").clone();
        rows.into_iter().map(|row| row["proxy"].clone()).collect::<Vec<Value>>()
    };
    for name in ["grad_norm", "synflow", "naswot", "jacob_cov", "zen"] {
        let rows = told(&[&format!("--proxy={name}")]);
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row["name"] == name && row["value"].is_f64()), "{rows:?}");
        assert_eq!(rows, told(&[&format!("--proxy={name}")]), "it repeats");
    }
    assert!(told(&["--proxy"])[0]["name"].is_string(), "one is usual");
    assert_eq!(first_code(&cnasc(1, at, &["score", "small.cnas", "--proxy", "--data", "nowhere"])), "E0650");
}

#[test]
fn what_the_cpu_has_not_is_refused() {
    let folder = workplace();
    let at = folder.path();
    std::fs::write(at.join("mixed.cnas"), format!("{NETWORK}\ntraining quick {{\n precision mixed\n data \".\"\n}}\n"))
        .expect("it can be written");
    let mixed = cnasc(2, at, &["train", "mixed.cnas", "-o", "out"]);
    assert_eq!(first_code(&mixed), "E0614", "{mixed}");
    assert!(mixed.to_string().contains("mixed precision on the CPU"), "{mixed}");
    cnasc(0, at, &["train", "mixed.cnas", "-o", "out", "--precision", "single", "--epochs", "1"]);
    let search = "device board {\n compute 1 GFLOP/s\n memory 1 GiB\n cores 1\n}\nfleet shelf {\n node one: board\n}\n\
                  search s {\n over small()\n on shelf\n maximize accuracy\n accuracy trained(quick)\n budget 2 candidates\n}\n";
    let source = std::fs::read_to_string(at.join("mixed.cnas")).expect("it was written");
    std::fs::write(at.join("search.cnas"), source + search).expect("it can be written");
    let mixed = cnasc(2, at, &["search", "search.cnas", "-o", "found"]);
    assert_eq!(first_code(&mixed), "E0614", "before any candidate is looked at: {mixed}");
    if cfg!(not(any(feature = "train-wgpu", feature = "train-cuda"))) {
        let gpu = cnasc(2, at, &["train", "small.cnas", "-o", "out", "--data", ".", "--backend", "gpu"]);
        assert_eq!(first_code(&gpu), "E0614", "{gpu}");
    }
}
