//! Whole inferences on fleets of threads: answers, reports, faults on the way, and what is left behind.

use super::within;
use crate::trace::chrome;
use crate::{Answer, FleetError, Local, latency};
use cnasc_base::random::Seed;
use cnasc_bundle::{Bundle, sample};
use cnasc_ir::fleet::{Backend, Precision};
use cnasc_ir::{DeviceId, TensorId};
use cnasc_node::NodeError;
use cnasc_transport::{Endpoint, Expected, Faults, Faulty, Frame, InProcess, TransportError, inprocess};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const BACKENDS: &[Backend] = if cfg!(feature = "burn") {
    &[Backend::Reference, Backend::Jit, Backend::Burn]
} else {
    &[Backend::Reference, Backend::Jit]
};

fn image(bundle: &Bundle, seed: u64) -> Vec<f32> {
    bundle.prepare(&sample::pixels(&Seed::new(seed))).unwrap()
}

/// The answer of the same network and weights on one device.
fn alone(edges: &sample::Edges, backend: Backend, seed: &Seed, image: &[f32]) -> Vec<f32> {
    let bundle = sample::bundle(edges, 1, backend, seed);
    let mut fleet = Local::start(&bundle).unwrap();
    assert_eq!(fleet.threads(), 0, "one device needs no thread");
    fleet.infer(image).unwrap().output
}

#[test]
fn devices_share_the_cores_that_there_are() {
    let mut bundle = sample::bundle(&sample::diamond(2), 3, Backend::Jit, &Seed::new(1));
    bundle.fleet.devices.iter_mut().zip([4, 1, 9]).for_each(|(device, cores)| device.cores = cores);
    let threads = |cores: usize| within(bundle.shares(), cores).iter().map(|share| share.threads).collect::<Vec<_>>();
    assert_eq!(threads(usize::MAX), [4, 1, 9]);
    let busy = bundle.plan.order.iter().filter(|nodes| !nodes.is_empty()).count();
    assert_eq!((threads(5 * busy), threads(2 * busy), threads(1)), (vec![4, 1, 5], vec![2, 1, 2], vec![1, 1, 1]));
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Every device did its part, at times that make sense.
fn check_reports(bundle: &Bundle, answer: &Answer) {
    assert_eq!(answer.devices.len(), bundle.fleet.devices.len());
    let operators: usize = answer.devices.iter().map(|report| report.operators).sum();
    assert_eq!(operators, bundle.graph.steps.len() - 1);
    for (report, share) in answer.devices.iter().zip(bundle.shares()) {
        assert_eq!(report.timings.len(), share.actions.len());
        let last = report.timings.last().map_or(0.0, |timing| timing.end);
        assert!(report.busy_seconds <= last, "{report:?}");
        if share.gives_answer {
            assert!(last <= answer.seconds, "{last} {}", answer.seconds);
        }
    }
}

fn compare(edges: &sample::Edges, devices: usize, seed: u64) {
    let seed = Seed::new(seed);
    for &backend in BACKENDS {
        let bundle = sample::bundle(edges, devices, backend, &seed);
        let mut fleet = Local::start(&bundle).unwrap();
        for number in 0..2 {
            let image = image(&bundle, number);
            let answer = fleet.infer(&image).unwrap();
            check_reports(&bundle, &answer);
            assert_eq!(bits(&answer.output), bits(&alone(edges, backend, &seed, &image)), "{backend:?}");
        }
    }
}

#[test]
fn chains_and_diamonds() {
    for devices in 1..=4 {
        compare(&sample::chain(6), devices, devices as u64);
        compare(&sample::diamond(4), devices, 10 + devices as u64);
    }
}

#[test]
fn half_precision_sends_half_the_bytes_and_rounds_a_little() {
    let mut sent = 0;
    for (seed, backend) in (0..6).flat_map(|seed| BACKENDS.iter().map(move |&backend| (seed, backend))) {
        let (edges, seed) = (sample::random(&Seed::new(seed), 8), Seed::new(seed));
        let mut bundle = sample::bundle(&edges, 3, backend, &seed);
        let image = image(&bundle, 1);
        let single = Local::start(&bundle).unwrap().infer(&image).unwrap();
        bundle.fleet.transfer = Precision::F16;
        assert!(bundle.verify().is_err(), "the plan has the bytes of single precision");
        bundle.plan.transfers.iter_mut().for_each(|transfer| transfer.bytes /= 2);
        bundle.verify().unwrap();
        let half = Local::start(&bundle).unwrap().infer(&image).unwrap();
        for (single, half) in single.devices.iter().zip(&half.devices) {
            assert_eq!((single.bytes_sent, single.bytes_received), (2 * half.bytes_sent, 2 * half.bytes_received));
            sent += half.bytes_sent;
        }
        let largest = single.output.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        for (single, half) in single.output.iter().zip(&half.output) {
            assert!((single - half).abs() <= 1e-2 * largest, "{single} {half}");
        }
    }
    assert!(sent > 0, "something is sent");
}

/// A node computed on two devices gives the same answer as one that is sent, and both really compute it.
#[test]
fn copies_are_computed_on_each_of_their_devices() {
    let mut copies = 0;
    for seed in 0..8 {
        let (edges, seed) = (sample::random(&Seed::new(seed), 8), Seed::new(seed));
        for &backend in BACKENDS {
            let mut bundle = sample::bundle(&edges, 3, backend, &seed);
            while let Some(copied) = sample::copied(&bundle).filter(|copied| copied.plan.copies.len() <= 3) {
                bundle = copied;
            }
            copies += bundle.plan.copies.len();
            let image = image(&bundle, 1);
            let answer = Local::start(&bundle).unwrap().infer(&image).unwrap();
            assert_eq!(bits(&answer.output), bits(&alone(&edges, backend, &seed, &image)), "{backend:?}");
            let trace: serde_json::Value = serde_json::from_str(&chrome(&bundle, &answer)).unwrap();
            for copy in &bundle.plan.copies {
                for device in bundle.plan.hosts(copy.node) {
                    let computes = |event: &serde_json::Value| {
                        let nodes = event["args"]["nodes"].as_array();
                        event["pid"] == device.0 + 1
                            && nodes.is_some_and(|nodes| nodes.iter().any(|name| name == bundle.node_name(copy.node)))
                    };
                    assert!(trace["traceEvents"].as_array().unwrap().iter().any(computes), "{copy:?}");
                }
            }
        }
    }
    assert!(copies > 20, "{copies}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn random_networks(seed in any::<u64>(), blocks in 1_usize..12, devices in 1_usize..5) {
        compare(&sample::random(&Seed::new(seed), blocks), devices, seed);
    }
}

#[test]
fn a_thousand_inferences_in_a_row() {
    let bundle = sample::bundle(&sample::diamond(2), 3, Backend::Reference, &Seed::new(1));
    let mut fleet = Local::start(&bundle).unwrap();
    let images: Vec<Vec<f32>> = (0..2).map(|seed| image(&bundle, seed)).collect();
    let first: Vec<Vec<f32>> = images.iter().map(|image| fleet.infer(image).unwrap().output).collect();
    assert_ne!(first[0], first[1], "the image matters");
    for round in 0..1000 {
        let answer = fleet.infer(&images[round % 2]).unwrap();
        assert_eq!(answer.output, first[round % 2]);
    }
}

#[test]
fn latency_is_measured() {
    let bundle = sample::bundle(&sample::chain(3), 2, Backend::Reference, &Seed::new(1));
    let mut fleet = Local::start(&bundle).unwrap();
    let image = image(&bundle, 0);
    let latency = latency(&mut fleet, &image, 2, 5).unwrap();
    assert_eq!(latency.runs.len(), 5);
    assert!(0.0 < latency.min && latency.min <= latency.median && latency.median <= latency.max);
}

/// A fleet whose endpoints break what they send.
fn faulty(bundle: &Bundle, faults: Faults, seed: u64) -> Local {
    let seed = Seed::new(seed);
    let wrap = |end: InProcess| Box::new(Faulty::new(end, faults, &seed)) as Box<dyn Endpoint>;
    let ends = inprocess(bundle.fleet.devices.len());
    Local::start_with(bundle, ends.into_iter().map(wrap).collect()).unwrap()
}

#[test]
fn order_and_delay_change_nothing() {
    let longest_delay = Duration::from_micros(300);
    let faults = Faults { reorder: 0.5, delay: 0.3, longest_delay, ..Faults::default() };
    for seed in 0..6 {
        let edges = sample::random(&Seed::new(seed), 10);
        let bundle = sample::bundle(&edges, 4, Backend::Reference, &Seed::new(seed));
        let image = image(&bundle, seed);
        let expected = alone(&edges, Backend::Reference, &Seed::new(seed), &image);
        let mut fleet = faulty(&bundle, faults, seed);
        for _ in 0..5 {
            assert_eq!(bits(&fleet.infer(&image).unwrap().output), bits(&expected));
        }
    }
}

/// With losses some inferences fail, in time and with a reason; all others are right.
#[test]
fn lost_and_late_frames_fail_one_inference_only() {
    let edges = sample::diamond(3);
    let bundle = sample::bundle(&edges, 3, Backend::Reference, &Seed::new(2));
    let image = image(&bundle, 0);
    let expected = alone(&edges, Backend::Reference, &Seed::new(2), &image);
    for faults in [Faults { drop: 0.05, ..Faults::default() }, Faults { late: 0.05, ..Faults::default() }] {
        let mut fleet = faulty(&bundle, faults, 7);
        let patience = Duration::from_millis(150);
        fleet.set_patience(patience);
        let (mut answered, mut failed) = (0, 0);
        for _ in 0..20 {
            let start = Instant::now();
            match fleet.infer(&image) {
                Ok(answer) => {
                    answered += 1;
                    assert_eq!(bits(&answer.output), bits(&expected));
                }
                Err(FleetError::Node {
                    error: NodeError::Transport(TransportError::Deadline { .. }) | NodeError::Deadline { .. },
                    ..
                }) => failed += 1,
                Err(other) => panic!("a loss is found by the deadline, not as: {other}"),
            }
            assert!(start.elapsed() < patience * 10, "the deadline is kept: {:?}", start.elapsed());
        }
        assert!(answered > 0 && failed > 0, "{answered} answered, {failed} failed with {faults:?}");
    }
}

/// What a test endpoint does to the frames that it sends while its switch is on.
#[derive(Clone, Copy)]
enum Trick {
    Drop,
    Shorten,
    Panic,
}

struct Tricky {
    inner: InProcess,
    trick: Trick,
    on: Arc<AtomicBool>,
}

impl Endpoint for Tricky {
    fn device(&self) -> DeviceId {
        self.inner.device()
    }
    fn expect(&mut self, expected: &[Expected]) {
        self.inner.expect(expected);
    }
    fn send(&mut self, to: DeviceId, mut frame: Frame) -> Result<(), TransportError> {
        if self.on.load(Ordering::SeqCst) {
            match self.trick {
                Trick::Drop => return Ok(()),
                Trick::Shorten => frame.payload = frame.payload.to_vec()[1..].into(),
                Trick::Panic => panic!("a trick of the test"),
            }
        }
        self.inner.send(to, frame)
    }
    fn receive(
        &mut self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
        into: &mut [f32],
        deadline: Instant,
    ) -> Result<(), TransportError> {
        self.inner.receive(from, inference, tensor, into, deadline)
    }
    fn give_up(&mut self, inference: u64) {
        self.inner.give_up(inference);
    }
}

/// Two devices that both send; `tricked` plays the trick on the one that takes the image, or on the other one.
fn tricky(trick: Trick, on_image_device: bool) -> (Local, Vec<f32>, Arc<AtomicBool>) {
    let bundle = sample::bundle(&sample::chain(8), 2, Backend::Reference, &Seed::new(3));
    let image_device = bundle.plan.device_of[0];
    for device in bundle.fleet.ids() {
        assert!(bundle.plan.transfers.iter().any(|transfer| transfer.from == device), "both devices send");
    }
    let on = Arc::new(AtomicBool::new(false));
    let wrap = |inner: InProcess| {
        let tricked = (inner.device() == image_device) == on_image_device;
        let on = if tricked { Arc::clone(&on) } else { Arc::default() };
        Box::new(Tricky { inner, trick, on }) as Box<dyn Endpoint>
    };
    let fleet = Local::start_with(&bundle, inprocess(2).into_iter().map(wrap).collect()).unwrap();
    (fleet, image(&bundle, 0), on)
}

#[test]
fn a_dropped_frame_is_found_by_the_deadline() {
    for on_image_device in [false, true] {
        let (mut fleet, image, on) = tricky(Trick::Drop, on_image_device);
        let expected = fleet.infer(&image).unwrap().output;
        fleet.set_patience(Duration::from_millis(60));
        on.store(true, Ordering::SeqCst);
        let start = Instant::now();
        let error = fleet.infer(&image).unwrap_err();
        let deadline =
            matches!(error, FleetError::Node { error: NodeError::Transport(TransportError::Deadline { .. }), .. });
        assert!(deadline, "{error}");
        assert!((Duration::from_millis(60)..Duration::from_secs(2)).contains(&start.elapsed()));
        on.store(false, Ordering::SeqCst);
        fleet.set_patience(Duration::from_secs(20));
        assert_eq!(fleet.infer(&image).unwrap().output, expected, "the next inference works");
    }
}

#[test]
fn a_wrong_size_is_refused_at_once() {
    let (mut fleet, image, on) = tricky(Trick::Shorten, true);
    let expected = fleet.infer(&image).unwrap().output;
    fleet.set_patience(Duration::from_secs(60));
    on.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let error = fleet.infer(&image).unwrap_err();
    let size = matches!(error, FleetError::Node { error: NodeError::Transport(TransportError::Size { .. }), .. });
    assert!(size, "{error}");
    assert!(start.elapsed() < Duration::from_secs(30), "nobody waits for the one who refused it");
    on.store(false, Ordering::SeqCst);
    assert_eq!(fleet.infer(&image).unwrap().output, expected);
}

#[test]
fn a_panic_is_an_error_and_not_a_hang() {
    for on_image_device in [false, true] {
        let (mut fleet, image, on) = tricky(Trick::Panic, on_image_device);
        fleet.set_patience(Duration::from_secs(60));
        fleet.infer(&image).unwrap();
        on.store(true, Ordering::SeqCst);
        let start = Instant::now();
        let error = fleet.infer(&image).unwrap_err();
        let FleetError::Panic { device, ref message } = error else { panic!("{error}") };
        assert_eq!(message, "a trick of the test");
        assert!(start.elapsed() < Duration::from_secs(30), "the others do not wait for the deadline");
        assert_eq!(fleet.infer(&image), Err(FleetError::Stopped { device }));
    }
}

/// An endpoint that shows by its counter whether it still lives.
struct Counted(InProcess, #[expect(dead_code, reason = "it is counted, not read")] Arc<()>);

impl Endpoint for Counted {
    fn device(&self) -> DeviceId {
        self.0.device()
    }
    fn expect(&mut self, expected: &[Expected]) {
        self.0.expect(expected);
    }
    fn send(&mut self, to: DeviceId, frame: Frame) -> Result<(), TransportError> {
        self.0.send(to, frame)
    }
    fn receive(
        &mut self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
        into: &mut [f32],
        deadline: Instant,
    ) -> Result<(), TransportError> {
        self.0.receive(from, inference, tensor, into, deadline)
    }
}

#[test]
fn dropping_a_fleet_ends_its_threads() {
    let bundle = sample::bundle(&sample::chain(8), 4, Backend::Reference, &Seed::new(3));
    let alive = Arc::new(());
    let wrap = |end: InProcess| Box::new(Counted(end, Arc::clone(&alive))) as Box<dyn Endpoint>;
    let mut fleet = Local::start_with(&bundle, inprocess(4).into_iter().map(wrap).collect()).unwrap();
    assert_eq!((fleet.threads(), Arc::strong_count(&alive)), (3, 5));
    fleet.infer(&image(&bundle, 0)).unwrap();
    drop(fleet);
    assert_eq!(Arc::strong_count(&alive), 1, "each endpoint belongs to a thread, and all are gone");
}

#[test]
fn what_can_not_start_says_why() {
    let bundle = sample::bundle(&sample::chain(2), 2, Backend::Reference, &Seed::new(3));
    let one = vec![Box::new(inprocess(2).remove(0)) as Box<dyn Endpoint>];
    assert_eq!(Local::start_with(&bundle, one).err(), Some(FleetError::Endpoints { wanted: 2, found: 1 }));

    let mut changed = bundle.clone();
    changed.plan.device_of[1] = DeviceId(5);
    assert!(matches!(Local::start(&changed).err(), Some(FleetError::Bundle(_))));

    let mut fleet = Local::start(&bundle).unwrap();
    let wanted = image(&bundle, 0).len();
    assert_eq!(fleet.infer(&[0.0; 3]), Err(FleetError::Image { wanted, found: 3 }));
}
