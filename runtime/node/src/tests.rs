//! A node with hand-made shares: what it executes, what it refuses, and that a failure leaves it usable.

use super::{Node, NodeError, Outcome};
use cnasc_base::random::Seed;
use cnasc_bundle::{Action, Bundle, sample};
use cnasc_ir::fleet::{Backend, Precision};
use cnasc_ir::{DeviceId, TensorId};
use cnasc_transport::{Endpoint, Expected, Frame, InProcess, TransportError, inprocess};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn bundle(devices: usize) -> Bundle {
    sample::bundle(&sample::diamond(3), devices, Backend::Reference, &Seed::new(4))
}

fn image(bundle: &Bundle) -> Vec<f32> {
    bundle.prepare(&sample::pixels(&Seed::new(9))).unwrap()
}

fn nodes(bundle: &Bundle) -> Vec<Node> {
    let ends = inprocess(bundle.fleet.devices.len()).into_iter();
    let nodes = ends.zip(bundle.shares()).map(|(end, share)| {
        Node::new(&bundle.graph, &bundle.weights, share, Precision::F32, Box::new(end)).expect("the sample compiles")
    });
    nodes.collect()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// The whole network on one device, whose image has to go nowhere.
fn alone(bundle: &Bundle, image: &[f32]) -> Outcome {
    let alone = sample::bundle(&sample::diamond(3), 1, Backend::Reference, &Seed::new(4));
    assert_eq!(alone.graph, bundle.graph, "placing changes nothing in the network");
    nodes(&alone).remove(0).infer(0, Some(image), soon()).unwrap()
}

#[test]
fn one_device_executes_every_operator() {
    let bundle = bundle(1);
    let outcome = alone(&bundle, &image(&bundle));
    assert_eq!(outcome.operators, bundle.graph.steps.len() - 1);
    assert_eq!((outcome.bytes_sent, outcome.bytes_received), (0, 0));
    let answer = outcome.answer.unwrap();
    assert_eq!(answer.len(), sample::CLASSES as usize);
    assert!(answer.iter().any(|&value| value != answer[0]), "the sample computes something: {answer:?}");
}

#[test]
fn two_devices_give_the_same_answer() {
    let bundle = bundle(2);
    let image = image(&bundle);
    let nodes = nodes(&bundle);
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let start = |mut node: Node| {
            let image = node.share().takes_image.then_some(&image[..]);
            scope.spawn(move || node.infer(0, image, soon()).unwrap())
        };
        let threads: Vec<_> = nodes.into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let answers: Vec<&Vec<f32>> = outcomes.iter().filter_map(|outcome| outcome.answer.as_ref()).collect();
    assert_eq!(answers, [&alone(&bundle, &image).answer.unwrap()]);
    let sum = |part: fn(&Outcome) -> u64| outcomes.iter().map(part).sum::<u64>();
    assert_eq!(sum(|outcome| outcome.operators as u64), bundle.graph.steps.len() as u64 - 1);
    assert_eq!(sum(|outcome| outcome.bytes_sent), sum(|outcome| outcome.bytes_received));
    for (outcome, share) in outcomes.iter().zip(bundle.shares()) {
        assert_eq!(outcome.timings.len(), share.actions.len());
        assert!(outcome.timings.iter().all(|timing| timing.start <= timing.end));
        assert!(outcome.timings.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
}

#[test]
fn images_are_checked() {
    let bundle = bundle(1);
    let mut node = nodes(&bundle).remove(0);
    let image = image(&bundle);
    assert_eq!(node.infer(0, None, soon()), Err(NodeError::Image { wanted: image.len(), found: 0 }));
    let found = image.len() - 1;
    assert_eq!(node.infer(1, Some(&image[1..]), soon()), Err(NodeError::Image { wanted: image.len(), found }));
    assert!(node.infer(2, Some(&image), soon()).is_ok());
    assert_eq!(node.infer(2, Some(&image), soon()), Err(NodeError::Past { found: 2, next: 3 }));
}

#[test]
fn a_deadline_that_passed_stops_computing() {
    let bundle = bundle(1);
    let mut node = nodes(&bundle).remove(0);
    let image = image(&bundle);
    assert_eq!(node.infer(0, Some(&image), Instant::now()), Err(NodeError::Deadline { action: 0 }));
    assert!(node.infer(1, Some(&image), soon()).is_ok());
}

#[test]
fn a_share_needs_its_own_endpoint() {
    let bundle = bundle(2);
    let (share, end) = (bundle.shares().remove(1), inprocess(2).remove(0));
    let error = Node::new(&bundle.graph, &bundle.weights, share, Precision::F32, Box::new(end)).err();
    assert_eq!(error, Some(NodeError::Device { share: DeviceId(1), endpoint: DeviceId(0) }));
}

/// An endpoint that others drive by hand: it keeps what is sent.
struct Recorder(InProcess, Arc<std::sync::Mutex<Vec<(DeviceId, Frame)>>>);

impl Endpoint for Recorder {
    fn device(&self) -> DeviceId {
        self.0.device()
    }
    fn expect(&mut self, expected: &[Expected]) {
        self.0.expect(expected);
    }
    fn send(&mut self, to: DeviceId, frame: Frame) -> Result<(), TransportError> {
        self.1.lock().unwrap().push((to, frame));
        Ok(())
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

/// Values that a slow receiver still holds are not written over by the next inference.
#[test]
fn values_on_their_way_stay() {
    let bundle = bundle(2);
    let share = bundle.shares().into_iter().find(|share| share.takes_image).unwrap();
    let first_exchange = share.actions.iter().find(|action| !matches!(action, Action::Compute { .. }));
    assert!(matches!(first_exchange, Some(Action::Send { .. })), "the sample begins with a send: {share:?}");
    let sent = Arc::default();
    let mut ends = inprocess(2);
    let recorder = Recorder(ends.swap_remove(share.device.index()), Arc::clone(&sent));
    let mut node = Node::new(&bundle.graph, &bundle.weights, share, Precision::F32, Box::new(recorder)).unwrap();
    let mut values = Vec::new();
    for inference in 0..2 {
        let mut image = image(&bundle);
        image.iter_mut().for_each(|value| *value *= 1.0 + inference as f32);
        // The other device never answers, so the inference fails, but after sending.
        let _ = node.infer(inference, Some(&image), Instant::now() + Duration::from_millis(5));
        values.push(sent.lock().unwrap()[0].1.payload.to_vec());
    }
    assert!(values[0] == values[1], "what the receiver holds has changed");
    let sent = sent.lock().unwrap();
    let later = sent.iter().find(|(_, frame)| frame.inference == 1).expect("the second inference sent as well");
    assert!(later.1.payload.to_vec() != values[0], "the second image gives other values");
}
