//! Measured latency: the plan of a candidate that would run, compiled and run here.

use crate::commands::run::start;
use crate::commands::search::finish::{RUNS, WARMUP};
use crate::commands::search::workers::Quiet;
use crate::failure::{Failure, codes};
use crate::images::Input;
use crate::pipeline;
use cnasc_ir::{Architecture, Fleet};
use cnasc_place::Strategy;

/// The median of many inferences of an image of noise, the devices sharing the cores of this machine. Other jobs may run while it is compiled,
/// none while it is measured.
///
/// # Errors
/// Where it does not fit the fleet, or fails while running.
pub fn latency(network: &Architecture, fleet: &Fleet, quiet: &Quiet) -> Result<f64, Failure> {
    let bundle = pipeline::compile(network, fleet, Strategy::Best, None)?;
    let image = pipeline::prepare(&bundle, &Input::noise(bundle.input(), 0))?;
    let mut running = start(&bundle)?;
    let measured = quiet.alone(|| cnasc_fleet::measure::latency(&mut running, &image, WARMUP, RUNS));
    Ok(measured.map_err(|error| Failure::running(codes::RUN, error.to_string()))?.median)
}
