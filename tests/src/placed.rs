//! A network with its weights, placed on devices of this process and run.

use cnasc_base::Seed;
use cnasc_bundle::{Bundle, image};
use cnasc_fleet::Local;
use cnasc_ir::fleet::{Backend, Device, Link};
use cnasc_ir::{Architecture, Fleet, Weights};
use cnasc_lower::{fold, lower};
use cnasc_place::{Strategy, Workload, plan};
use std::time::Duration;

/// Boards that are alike, and links that cost next to nothing.
#[must_use]
pub fn boards(devices: usize, backend: Backend) -> Fleet {
    let kind = "board".to_owned();
    let board = Device { name: "pi".to_owned(), kind, compute: 1e9, memory: 1e11, cores: 1, backend, power: None };
    Fleet::uniform("boards", devices, &board, Link { rate: 1e10, latency: 1e-6 })
}

/// The same with boards of unequal speed, so that plans are not symmetric.
#[must_use]
pub fn fleet(devices: usize, backend: Backend) -> Fleet {
    let mut fleet = boards(devices, backend);
    fleet.devices.iter_mut().enumerate().for_each(|(index, device)| device.compute *= 1.0 + index as f64 / 4.0);
    fleet
}

/// The network on so many devices, spread whether or not that pays.
#[must_use]
pub fn bundle(architecture: &Architecture, weights: &Weights, devices: usize, backend: Backend) -> Bundle {
    let graph = lower(architecture);
    let workload = Workload::new(architecture, &graph).expect("the graph was lowered from the architecture");
    let fleet = fleet(devices, backend);
    let strategy = if devices == 1 { Strategy::Single } else { Strategy::Hypergraph };
    let placed = plan(&workload, &fleet, strategy, &Seed::new(1)).expect("the boards have memory enough");
    let (graph, weights) = fold(&graph, weights);
    Bundle::new(architecture, graph, weights, placed, fleet).expect("the parts fit together")
}

/// The answer to an image in the order channel, row, column.
#[must_use]
pub fn answer(bundle: &Bundle, values: &[f32]) -> Vec<f32> {
    let mut fleet = Local::start(bundle).unwrap_or_else(|error| panic!("the fleet starts: {error}"));
    // Plain loops take minutes for the largest models.
    fleet.set_patience(Duration::from_mins(20));
    let image = image::block(bundle.input(), values).expect("the image has the size of the input");
    fleet.infer(&image).unwrap_or_else(|error| panic!("the fleet answers: {error}")).output
}

/// The largest difference, relative to the largest of the wanted values.
#[must_use]
pub fn difference(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len(), "so many values were wanted");
    let largest = wanted.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let each = found.iter().zip(wanted).map(|(found, wanted)| (found - wanted).abs() / largest);
    // A value that is no number makes the difference one that no bound allows.
    each.fold(0.0, |worst, off| if off <= worst { worst } else { off })
}
