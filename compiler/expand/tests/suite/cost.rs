//! Drawing and expanding are quick: a search does little else. The bounds are ten times what an idle desktop core needs, so that
//! only a change of order is found, not a busy machine.

use crate::programs::{fashion, generator, program};
use cnasc_base::Seed;
use cnasc_expand::{Value, draw, expand};
use std::time::{Duration, Instant};

/// The least of many runs.
fn least(mut work: impl FnMut(u64)) -> Duration {
    (0..200)
        .map(|seed| {
            let start = Instant::now();
            work(seed);
            start.elapsed()
        })
        .min()
        .expect("there are runs")
}

#[test]
fn drawing_is_quick() {
    let program = program();
    let slack = if cfg!(debug_assertions) { 20 } else { 1 };
    for (name, args) in [
        ("er", &[96.0, 0.1][..]),
        ("distance", &[96.0, 0.75, 0.5, 1.0]),
        ("local", &[96.0, 4.0]),
        ("ba", &[96.0, 5.0]),
        ("ws", &[96.0, 4.0, 0.5]),
        ("chain", &[96.0]),
    ] {
        let family = generator(&program, name, args);
        let took = least(|seed| drop(draw(&program, &family, &Seed::new(seed))));
        println!("draw {name}(96): {took:?}");
        assert!(took < Duration::from_millis(1) * slack, "{name}: {took:?}");
    }
}

#[test]
fn expanding_is_quick() {
    let program = program();
    let slack = if cfg!(debug_assertions) { 20 } else { 1 };
    for (nodes, bound) in [(32.0, 2), (96.0, 4)] {
        let wiring = generator(&program, "distance", &[nodes, 0.75, 0.5, 1.0]);
        let staging = ("gentle", vec![Value::Int(256), Value::Real(0.5)]);
        let network = fashion(&program, wiring, 16, "sepconv", staging);
        let took = least(|seed| drop(expand(&program, &network, &Seed::new(seed))));
        println!("expand {nodes}: {took:?}");
        assert!(took < Duration::from_millis(bound) * slack, "{nodes} nodes: {took:?}");
    }
}
