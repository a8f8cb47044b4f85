//! Prints how long a tensor takes there and back between two threads: the median and the least of many round trips for some sizes.
//! `cargo run --release -p cnasc-transport --example round_trip`

use cnasc_ir::{DeviceId, TensorId};
use cnasc_transport::{Endpoint, Expected, Frame, InProcess, Payload, TransportError, inprocess};
use std::time::{Duration, Instant};

const TENSOR: TensorId = TensorId(0);
const ROUNDS: u64 = 5000;

fn main() -> Result<(), TransportError> {
    // A pause between round trips lets both threads fall asleep, as in a fleet whose shares do not end together.
    for pause in [Duration::ZERO, Duration::from_micros(100)] {
        for bytes in [64, 61_000, 245_000] {
            let mut times = measure(bytes / 4, pause)?;
            times.sort_unstable();
            let micros = |time: Duration| time.as_secs_f64() * 1e6;
            let (median, least) = (micros(times[times.len() / 2]), micros(times[0]));
            println!("{bytes:>7} bytes, pause {pause:>5?}: median {median:6.1} µs, least {least:6.1} µs");
        }
    }
    Ok(())
}

fn measure(len: usize, pause: Duration) -> Result<Vec<Duration>, TransportError> {
    let mut ends = inprocess(2);
    for (index, end) in ends.iter_mut().enumerate() {
        end.expect(&[Expected { from: DeviceId::new(1 - index), tensor: TENSOR, len }]);
    }
    let (Some(mut echo), Some(mut caller)) = (ends.pop(), ends.pop()) else { return Ok(Vec::new()) };
    std::thread::scope(|scope| {
        let echoing = scope.spawn(move || -> Result<(), TransportError> {
            let mut values = vec![0.0; len];
            let mut buffer = Payload::from(values.as_slice());
            for round in 0..ROUNDS {
                receive(&mut echo, round, &mut values)?;
                send(&mut echo, round, &values, &mut buffer)?;
            }
            Ok(())
        });
        let mut values = vec![0.0; len];
        let mut buffer = Payload::from(values.as_slice());
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            let start = Instant::now();
            while start.elapsed() < pause {
                std::hint::spin_loop();
            }
            let start = Instant::now();
            send(&mut caller, round, &values, &mut buffer)?;
            receive(&mut caller, round, &mut values)?;
            times.push(start.elapsed());
        }
        echoing.join().expect("the echo does not panic")?;
        Ok(times)
    })
}

fn receive(end: &mut InProcess, round: u64, into: &mut [f32]) -> Result<(), TransportError> {
    let other = DeviceId(1 - end.device().0);
    end.receive(other, round, TENSOR, into, Instant::now() + Duration::from_secs(10))
}

fn send(end: &mut InProcess, round: u64, values: &[f32], buffer: &mut Payload) -> Result<(), TransportError> {
    buffer.set(values);
    let from = end.device();
    end.send(DeviceId(1 - from.0), Frame { inference: round, tensor: TENSOR, from, payload: buffer.clone() })
}
