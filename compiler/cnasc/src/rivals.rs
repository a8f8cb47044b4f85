//! Other engines beside ours: the same network, weights and image, in the same run and in turns, so that whatever else the machine does
//! falls on all of them alike.
//!
//! Ours runs as one device of as many cores as there are threads. The others get the model as `--emit onnx --fold` writes it.

mod python;

use crate::cli::{BenchArgs, Engine};
use crate::exchange::Valued;
use crate::failure::{Failure, codes};
use crate::images::Input;
use crate::output::{milliseconds, table, write_file};
use crate::{Session, model, pipeline};
use cnasc_fleet::measure::Latency;
use cnasc_fleet::{FleetError, Local};
use cnasc_ir::{Architecture, Shape};
use cnasc_place::Strategy;
use python::Python;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One engine on one number of threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The network and the beginning of its hash.
    pub model: String,
    /// `jit` is ours; the others are called as their engine.
    pub backend: String,
    /// Of the engine.
    pub version: String,
    /// How many it was given.
    pub threads: u32,
    /// Of single inferences.
    pub median_ms: f64,
    /// The shortest inference.
    pub min_ms: f64,
    /// Operations of the folded network over the median, in 10⁹ a second.
    pub gflops: f64,
    /// Of what as many cores were measured to do at most; absent where that was not measured for this CPU.
    pub share_of_peak: Option<f64>,
    /// The median over ours: above one, ours is sooner.
    pub ratio: f64,
    /// The largest difference to our answer, relative to our largest output.
    pub difference: f64,
    /// Until it was ready to run: ours from the architecture, with the weights made or read; the others from their file.
    pub ready_ms: f64,
    /// What the engine's process grew by at most, from before it read the model, in MiB; absent where it was not measured.
    pub memory_mib: Option<f64>,
}

/// What an engine takes before its first inference, and the memory of both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// Until it is ready to run.
    pub ready_ms: f64,
    /// What its process grew by at most, the first inferences among it, in MiB; absent where the system does not tell.
    pub memory_mib: Option<f64>,
}

/// Something that runs the network again and again.
trait Runner {
    fn name(&self) -> &str;
    fn version(&self) -> &str;
    fn preparation(&self) -> Preparation;
    /// The output for the image, of which there is one.
    fn answer(&mut self) -> Result<Vec<f32>, Failure>;
    /// Seconds of `runs` inferences, after `warm` that are not counted.
    fn times(&mut self, warm: u32, runs: u32) -> Result<Vec<f64>, Failure>;
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Match<'a> {
    /// The network.
    pub architecture: &'a Architecture,
    /// Its weights; seeded ones where absent.
    pub weights: Option<&'a Path>,
    /// With whom.
    pub against: &'a [Engine],
    /// Of each engine.
    pub threads: u32,
    /// Counted inferences of each.
    pub runs: u32,
}

/// Turns that each engine gets: many, so that a machine that slows down for a while does so for all.
const TURNS: u32 = 10;
/// Counted inferences of a turn, where there are too few for all turns.
const COUNTED: u32 = 3;
/// Inferences of a turn that are not counted, because the caches hold another engine's data.
const WARM: u32 = 2;
/// Between turns: threads of some engines spin for a while after an inference, which would take a core from the next engine.
const REST: Duration = Duration::from_millis(60);
/// Tries of which the best is the peak of one core.
const PEAK_TRIES: usize = 200;

/// 10⁹ operations a second that one core does at most, or nothing where there is no measurement for this CPU.
#[must_use]
pub fn peak() -> Option<f64> {
    let measured = cnasc_kernels::micro::peak::gflops(PEAK_TRIES);
    (measured > 0.0).then_some(measured)
}

/// Measures a network on ours and on each other engine; ours is the first row. An engine that can't run the network has no row, and a
/// remark says why. `peak` is that of one core.
///
/// # Errors
/// Where ours can't run it, or an engine is not there at all.
pub fn compare(session: &mut Session, given: Match<'_>, peak: Option<f64>) -> Result<Vec<Row>, Failure> {
    let mut fleet = model::local_fleet(session, 1)?;
    fleet.devices[0].cores = given.threads;
    let began = Instant::now();
    let bundle = pipeline::compile(given.architecture, &fleet, Strategy::Best, given.weights)?;
    let running = Local::start(&bundle).map_err(failed)?;
    let ready_ms = began.elapsed().as_secs_f64() * 1e3;
    let input = Input::noise(bundle.input(), 0);
    let image = pipeline::prepare(&bundle, &input)?;
    // This process holds more than this network.
    let mut ours = Ours { fleet: running, image, preparation: Preparation { ready_ms, memory_mib: None } };
    let wanted = ours.answer()?;
    let folder = tempfile::tempdir().map_err(|error| Failure::unwritable(&std::env::temp_dir(), &error))?;
    let files = Files::write(folder.path(), given, bundle.input(), &input)?;
    let mut runners: Vec<Box<dyn Runner>> = vec![Box::new(ours)];
    for &engine in given.against {
        match Python::start(name(engine), &files, given.threads)? {
            Ok(runner) => runners.push(Box::new(runner)),
            Err(reason) => session.output.remark(&format!("note: no figures of {}: {reason}", name(engine))),
        }
    }
    let times = in_turns(&mut runners, given.runs)?;
    let model = format!("{}-{}", bundle.name, &bundle.hash[..12]);
    let flops = bundle.graph.total_flops() as f64;
    let ours = times[0].median;
    let mut rows = Vec::new();
    for (runner, found) in runners.iter_mut().zip(&times) {
        let gflops = flops / found.median / 1e9;
        let Preparation { ready_ms, memory_mib } = runner.preparation();
        rows.push(Row {
            model: model.clone(),
            backend: runner.name().to_owned(),
            version: runner.version().to_owned(),
            threads: given.threads,
            median_ms: found.median * 1e3,
            min_ms: found.min * 1e3,
            gflops,
            share_of_peak: peak.map(|peak| gflops / peak / f64::from(given.threads)),
            ratio: found.median / ours,
            difference: difference(&wanted, &runner.answer()?),
            ready_ms,
            memory_mib,
        });
    }
    Ok(rows)
}

/// A line a row; ratios above one are of engines that ours is sooner than.
#[must_use]
pub fn for_people(rows: &[Row]) -> String {
    let line = |row: &Row| {
        vec![
            row.model.clone(),
            row.backend.clone(),
            row.version.split(['-', '+']).next().unwrap_or_default().to_owned(),
            row.threads.to_string(),
            milliseconds(row.median_ms / 1e3),
            milliseconds(row.min_ms / 1e3),
            format!("{:.1}", row.gflops),
            row.share_of_peak.map_or_else(String::new, |share| format!("{:.0} %", share * 1e2)),
            format!("{:.2}", row.ratio),
            format!("{:.0e}", row.difference),
            milliseconds(row.ready_ms / 1e3),
        ]
    };
    let headings = [
        "model",
        "engine",
        "version",
        "threads",
        "median ms",
        "min ms",
        "GFLOP/s",
        "of peak",
        "of ours",
        "off ours",
        "ready ms",
    ];
    table(&headings, &[0, 1, 2], &rows.iter().map(line).collect::<Vec<_>>())
}

/// What ours takes from the file to ready-to-run and in memory; of use only in a process that does nothing else.
///
/// # Errors
/// Where it can't be drawn, compiled or run.
pub fn prepare_alone(session: &mut Session, args: &BenchArgs) -> Result<Preparation, Failure> {
    let before = resident();
    let began = Instant::now();
    let (architecture, _) = model::load_one(session, &args.file, &args.draw)?;
    let mut fleet = model::local_fleet(session, 1)?;
    fleet.devices[0].cores = args.threads[0];
    let bundle = pipeline::compile(&architecture, &fleet, Strategy::Best, args.weights.file())?;
    let mut running = Local::start(&bundle).map_err(failed)?;
    let ready_ms = began.elapsed().as_secs_f64() * 1e3;
    let image = pipeline::prepare(&bundle, &Input::noise(bundle.input(), 0))?;
    for _ in 0..COUNTED {
        running.infer(&image).map_err(failed)?;
    }
    let memory_mib = before.zip(most_resident()).map(|(before, most)| most - before);
    Ok(Preparation { ready_ms, memory_mib })
}

/// MiB that this process has in memory, where the system tells.
fn resident() -> Option<f64> {
    of_status("VmRSS:")
}

/// The most that it ever had.
fn most_resident() -> Option<f64> {
    of_status("VmHWM:")
}

fn of_status(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib: f64 =
        status.lines().find_map(|line| line.strip_prefix(field))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Inferences of all, some of each at a time.
fn in_turns(runners: &mut [Box<dyn Runner>], runs: u32) -> Result<Vec<Latency>, Failure> {
    let mut times = vec![Vec::new(); runners.len()];
    let turns = (runs / COUNTED).clamp(1, TURNS);
    let rest = if runners.len() > 1 { REST } else { Duration::ZERO };
    for turn in 0..turns {
        // All turns together are all runs.
        let count = (u64::from(runs) * u64::from(turn + 1) / u64::from(turns)) as u32
            - (u64::from(runs) * u64::from(turn) / u64::from(turns)) as u32;
        for (runner, times) in runners.iter_mut().zip(&mut times) {
            std::thread::sleep(rest);
            times.extend(runner.times(WARM, count.max(1))?);
        }
    }
    Ok(times.into_iter().map(Latency::of).collect())
}

/// The largest difference, relative to the largest wanted output; infinite where the answers are not of one size.
fn difference(wanted: &[f32], found: &[f32]) -> f64 {
    if wanted.len() != found.len() {
        return f64::INFINITY;
    }
    let largest = wanted.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let apart =
        |(a, b): (&f32, &f32)| if (a - b).is_nan() { f64::INFINITY } else { f64::from((a - b).abs() / largest) };
    wanted.iter().zip(found).map(apart).fold(0.0, f64::max)
}

/// What engines that read files are given.
#[derive(Debug)]
struct Files {
    folder: PathBuf,
    model: PathBuf,
    input: PathBuf,
    /// Channels, height and width of the input.
    extents: [u32; 3],
}

impl Files {
    fn write(folder: &Path, given: Match<'_>, shape: Shape, input: &Input) -> Result<Self, Failure> {
        let extents = [shape.channels, shape.height, shape.width];
        let (model, values) = (folder.join("model.onnx"), folder.join("input.f32"));
        let files = Self { folder: folder.to_owned(), model, input: values, extents };
        write_file(&files.model, &Valued::of(given.architecture, given.weights, true)?.onnx()?)?;
        let bytes: Vec<u8> = input.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        write_file(&files.input, &bytes)?;
        Ok(files)
    }
}

/// What the engine is called.
#[must_use]
pub fn name(engine: Engine) -> &'static str {
    match engine {
        Engine::Onnxruntime => "onnxruntime",
        Engine::Openvino => "openvino",
        Engine::Ncnn => "ncnn",
        Engine::Tract => "tract",
    }
}

/// Our kernels, and the image in their order.
struct Ours {
    fleet: Local,
    image: Vec<f32>,
    preparation: Preparation,
}

impl Runner for Ours {
    fn name(&self) -> &'static str {
        "jit"
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn preparation(&self) -> Preparation {
        self.preparation
    }

    fn answer(&mut self) -> Result<Vec<f32>, Failure> {
        Ok(self.fleet.infer(&self.image).map_err(failed)?.output)
    }

    fn times(&mut self, warm: u32, runs: u32) -> Result<Vec<f64>, Failure> {
        let mut times = Vec::with_capacity(runs as usize);
        for run in 0..warm + runs {
            let began = Instant::now();
            self.fleet.infer(&self.image).map_err(failed)?;
            if run >= warm {
                times.push(began.elapsed().as_secs_f64());
            }
        }
        Ok(times)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: FleetError) -> Failure {
    Failure::running(codes::RUN, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs a second more for each inference.
    struct Clock {
        next: f64,
    }

    impl Runner for Clock {
        fn name(&self) -> &'static str {
            "clock"
        }

        fn version(&self) -> &'static str {
            "0"
        }

        fn preparation(&self) -> Preparation {
            Preparation { ready_ms: 0.0, memory_mib: None }
        }

        fn answer(&mut self) -> Result<Vec<f32>, Failure> {
            Ok(Vec::new())
        }

        fn times(&mut self, _: u32, runs: u32) -> Result<Vec<f64>, Failure> {
            let first = self.next;
            self.next += f64::from(runs);
            Ok((0..runs).map(|run| first + f64::from(run)).collect())
        }
    }

    #[test]
    fn all_turns_together_are_all_runs() {
        for runs in [1, 3, 10, 37, 50] {
            let mut runners: Vec<Box<dyn Runner>> = vec![Box::new(Clock { next: 1.0 })];
            let times = in_turns(&mut runners, runs).expect("clocks do not fail");
            assert_eq!(times[0].runs.len(), runs as usize);
            assert!((times[0].median - f64::from(runs + 1) / 2.0).abs() < 1e-12, "{runs}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_told_in_mebibytes() {
        let before = resident().expect("Linux tells");
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        let most = most_resident().expect("Linux tells");
        drop(held);
        // Other tests of the process have memory as well, and give some back.
        assert!(before > 1.0 && (64.0..4096.0).contains(&most), "{before} MiB, then {most}");
        assert_eq!(of_status("VmNothing:"), None);
    }

    #[test]
    fn differences_are_relative_and_see_everything() {
        assert_eq!(difference(&[2.0, -4.0], &[2.0, -4.0]), 0.0);
        assert_eq!(difference(&[2.0, -4.0], &[1.0, -4.0]), 0.25);
        assert_eq!(difference(&[2.0], &[2.0, 0.0]), f64::INFINITY);
        assert_eq!(difference(&[2.0, 1.0], &[2.0, f32::NAN]), f64::INFINITY);
    }
}
