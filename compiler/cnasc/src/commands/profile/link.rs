//! How soon a tensor gets from one thread of this process to another through the in-process transport: latency and rate of the line
//! through the median one-way times of a small and of a large tensor.

use crate::failure::{Failure, codes};
use cnasc_ir::fleet::Link;
use cnasc_ir::{DeviceId, TensorId};
use cnasc_transport::{Endpoint, Expected, Frame, InProcess, Payload, TransportError, inprocess};
use std::time::{Duration, Instant};

/// Floats of the small tensor and of the large one: 64 B and 1 MiB.
const SIZES: (usize, usize) = (16, 1 << 18);

/// Round trips of each size.
const ROUNDS: u64 = 301;

/// How long both threads wait before each round trip, so that they fall asleep as devices do that wait for others.
const PAUSE: Duration = Duration::from_micros(100);

/// How long a tensor may take before the machine counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);

const TENSOR: TensorId = TensorId(0);

/// Measures.
///
/// # Errors
/// Where a tensor does not arrive.
pub fn measure() -> Result<Link, Failure> {
    let seconds =
        |floats| one_way(floats).map_err(|error| Failure::running(codes::RUN, format!("between two threads: {error}")));
    let (small, large) = (seconds(SIZES.0)?, seconds(SIZES.1)?);
    let bits = 32.0 * (SIZES.1 - SIZES.0) as f64;
    // A large tensor that is no slower than a small one was measured through noise: its rate is taken from its whole time.
    let difference = if large > small { large - small } else { large };
    Ok(Link { rate: bits / difference.max(1e-9), latency: small })
}

/// Half of the median round trip of a tensor of so many floats, the time to make its payload counted in.
fn one_way(floats: usize) -> Result<f64, TransportError> {
    let mut ends = inprocess(2);
    for (index, end) in ends.iter_mut().enumerate() {
        end.expect(&[Expected { from: DeviceId::new(1 - index), tensor: TENSOR, len: floats }]);
    }
    let (Some(mut echo), Some(mut caller)) = (ends.pop(), ends.pop()) else { return Ok(0.0) };
    let mut times = std::thread::scope(|scope| -> Result<Vec<f64>, TransportError> {
        let echoing = scope.spawn(move || {
            let mut values = vec![0.0; floats];
            (0..ROUNDS).try_for_each(|round| {
                receive(&mut echo, round, &mut values)?;
                send(&mut echo, round, &values)
            })
        });
        let mut values = vec![0.0; floats];
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            std::thread::sleep(PAUSE);
            let start = Instant::now();
            send(&mut caller, round, &values)?;
            receive(&mut caller, round, &mut values)?;
            times.push(start.elapsed().as_secs_f64() / 2.0);
        }
        // The echo returns errors and does not panic; its thread ends because the caller has taken its last answer.
        echoing.join().unwrap_or(Ok(()))?;
        Ok(times)
    })?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn receive(end: &mut InProcess, round: u64, into: &mut [f32]) -> Result<(), TransportError> {
    let other = DeviceId(1 - end.device().0);
    end.receive(other, round, TENSOR, into, Instant::now() + PATIENCE)
}

fn send(end: &mut InProcess, round: u64, values: &[f32]) -> Result<(), TransportError> {
    let payload = Payload::Single(values.into());
    let from = end.device();
    end.send(DeviceId(1 - from.0), Frame { inference: round, tensor: TENSOR, from, payload })
}
