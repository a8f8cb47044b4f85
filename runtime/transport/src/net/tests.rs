//! Members of a fleet in one process, over loopback without certificates: large tensors, ends, hostile bytes, calls, who is there.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use super::{COORDINATOR, Net, NetError, Networked, Role, Settings};
use crate::{Endpoint, Expected, Frame, Payload, TransportError, wire};
use cnasc_ir::fleet::Precision;
use cnasc_ir::{DeviceId, TensorId};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use zenoh::Wait;

const LONG: Duration = Duration::from_secs(20);
const TENSOR: TensorId = TensorId(3);
const RUN: u64 = 7;

/// Addresses of this machine that were free a moment ago.
fn addresses(count: usize) -> Vec<String> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter().map(|listener| listener.local_addr().expect("it is bound").to_string()).collect()
}

fn settings(name: &str, listen: &[String], connect: &[String]) -> Settings {
    Settings {
        fleet: "test".to_owned(),
        name: name.to_owned(),
        role: if name == COORDINATOR { Role::Coordinator } else { Role::Node },
        nodes: vec!["a".to_owned(), "b".to_owned()],
        listen: listen.to_vec(),
        connect: connect.to_vec(),
        certificates: None,
    }
}

/// Two nodes that see each other, and where they listen.
fn pair() -> (Net, Net, Vec<String>) {
    let at = addresses(2);
    let a = Net::join(&settings("a", &at[..1], &[])).expect("it listens");
    let b = Net::join(&settings("b", &at[1..], &at[..1])).expect("it listens");
    a.announce().unwrap();
    b.announce().unwrap();
    assert_eq!(a.wait_for(&["b".to_owned()], LONG), Vec::<String>::new());
    assert_eq!(b.wait_for(&["a".to_owned()], LONG), Vec::<String>::new());
    (a, b, at)
}

/// Both ends of one deployment, the second of which expects `len` floats of the first.
fn ends(a: &Net, b: &Net, len: usize) -> (Networked, Networked) {
    let members = ["a".to_owned(), "b".to_owned()];
    let first = a.endpoint(RUN, DeviceId(0), &members).expect("it is the first");
    let mut second = b.endpoint(RUN, DeviceId(1), &members).expect("it is the second");
    second.expect(&[Expected { from: DeviceId(0), tensor: TENSOR, len }]);
    assert_eq!(first.links(&[DeviceId(1)]).unreachable(LONG), Vec::<String>::new());
    (first, second)
}

fn frame(inference: u64, payload: Payload) -> Frame {
    Frame { inference, tensor: TENSOR, from: DeviceId(0), payload }
}

fn receive(end: &mut Networked, inference: u64, len: usize, patience: Duration) -> Result<Vec<f32>, TransportError> {
    let mut into = vec![0.0; len];
    end.receive(DeviceId(0), inference, TENSOR, &mut into, Instant::now() + patience).map(|()| into)
}

#[test]
fn tensors_of_many_sizes_arrive_as_they_were_sent() {
    let (a, b, _) = pair();
    // From less than a batch of zenoh's to twelve megabytes, not multiples of a fragment.
    for len in [1, 1000, 100_003, 3 << 20] {
        let (mut first, mut second) = ends(&a, &b, len);
        for (inference, precision) in [Precision::F32, Precision::F16, Precision::F32].into_iter().enumerate() {
            let values: Vec<f32> = (0..len).map(|at| (at % 2048) as f32 + inference as f32 * 0.5).collect();
            let mut payload = Payload::zeros(precision, len);
            payload.set(&values);
            let wanted = payload.to_vec();
            first.send(DeviceId(1), frame(inference as u64, payload)).unwrap();
            let got = receive(&mut second, inference as u64, len, LONG);
            assert!(got.as_ref() == Ok(&wanted), "{len} floats: {:?}", got.err());
        }
    }
}

/// The sender does not wait: it hands over what takes far longer to arrive.
#[test]
fn many_large_tensors_at_once() {
    let (a, b, _) = pair();
    let len = 1 << 20;
    let (mut first, mut second) = ends(&a, &b, len);
    for inference in 0..3 {
        first.send(DeviceId(1), frame(inference, vec![inference as f32; len].into())).unwrap();
    }
    for inference in 0..3 {
        assert_eq!(receive(&mut second, inference, len, LONG).map(|values| values[len - 1]), Ok(inference as f32));
    }
}

#[test]
fn ends_are_told() {
    let (a, b, _) = pair();
    let (mut first, mut second) = ends(&a, &b, 4);
    first.give_up(1);
    assert_eq!(receive(&mut second, 1, 4, LONG), Err(TransportError::GaveUp { device: DeviceId(0) }));
    first.send(DeviceId(1), frame(2, vec![1.0; 4].into())).unwrap();
    assert_eq!(receive(&mut second, 2, 4, LONG), Ok(vec![1.0; 4]));
    second.stopper().stop();
    assert_eq!(receive(&mut second, 3, 4, LONG), Err(TransportError::Closed { device: DeviceId(0) }));
    let foreign = Frame { from: DeviceId(1), ..frame(3, vec![1.0; 4].into()) };
    assert_eq!(first.send(DeviceId(1), foreign), Err(TransportError::Foreign { device: DeviceId(1) }));
    assert!(a.endpoint(RUN, DeviceId(1), &["a".to_owned(), "b".to_owned()]).is_err(), "another's place");
}

#[test]
fn a_wrong_size_is_reported_at_once() {
    let (a, b, _) = pair();
    let (mut first, mut second) = ends(&a, &b, 4);
    first.send(DeviceId(1), frame(1, vec![1.0; 5].into())).unwrap();
    assert!(matches!(receive(&mut second, 1, 4, LONG), Err(TransportError::Size { .. })));
}

#[test]
fn hostile_bytes_are_dropped() {
    let (a, b, at) = pair();
    let (mut first, mut second) = ends(&a, &b, 4);
    let config = settings("a", &[], &at[1..]).config().expect("settings");
    let stranger = zenoh::open(config).wait().expect("no certificates are asked for");
    let key = "cnasc/test/tensors/b/a";
    let publisher = stranger.declare_publisher(key).wait().unwrap();
    let deadline = Instant::now() + LONG;
    while !publisher.matching_status().wait().unwrap().matching() {
        assert!(Instant::now() < deadline, "the stranger can't reach anybody");
        std::thread::sleep(Duration::from_millis(5));
    }
    let good = wire::message(RUN, &frame(9, vec![9.0; 4].into()));
    let mut seed = 1_u32;
    for round in 0..2000 {
        let mut bytes = good.clone();
        // Small numbers are enough; what matters is that all places change.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The number of the inference stays: a peer that counts too fast hurts itself, and this one speaks in its name.
        let place = Some(seed as usize % bytes.len()).filter(|place| !(16..24).contains(place)).unwrap_or(0);
        match round % 3 {
            0 => bytes[place] ^= 1 << (seed >> 29),
            1 => bytes.truncate(place),
            _ => bytes = bytes.iter().map(|byte| byte.wrapping_mul(seed as u8)).collect(),
        }
        publisher.put(bytes).wait().unwrap();
    }
    publisher.put(vec![0_u8; 1 << 20]).wait().unwrap();
    first.send(DeviceId(1), frame(10, vec![10.0; 4].into())).unwrap();
    assert_eq!(receive(&mut second, 10, 4, LONG), Ok(vec![10.0; 4]));
}

#[test]
fn calls_and_their_ends() {
    let (a, _b, at) = pair();
    let coordinator = Net::join(&settings(COORDINATOR, &[], &at)).expect("it connects");
    assert_eq!(coordinator.wait_for(&["a".to_owned(), "b".to_owned()], LONG), Vec::<String>::new());
    a.serve(|call| {
        if call.verb() == "echo" {
            let bytes = call.payload(100).unwrap_or_default();
            call.reply(bytes).expect("the caller is there");
        }
    })
    .unwrap();
    let call = |to: &str, verb: &str, bytes: usize| {
        coordinator.call(to, verb, vec![7; bytes], LONG).and_then(|pending| pending.wait(1000))
    };
    let deadline = Instant::now() + LONG;
    // That it takes calls gets around after the node itself is seen.
    while call("a", "echo", 3) != Ok(vec![7; 3]) {
        assert!(Instant::now() < deadline, "{:?}", call("a", "echo", 3));
    }
    assert_eq!(call("a", "echo", 101), Ok(vec![]), "longer than is taken: not copied");
    let began = Instant::now();
    assert_eq!(call("a", "silence", 3), Err(NetError::Absent("a".to_owned())), "a dropped call ends");
    assert_eq!(call("b", "echo", 3), Err(NetError::Absent("b".to_owned())), "it takes no calls");
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn who_leaves_is_noticed() {
    let (a, b, _) = pair();
    let changes = a.changes();
    assert!(!a.wait_gone("b", Duration::ZERO));
    drop(b);
    assert!(a.wait_gone("b", LONG), "it is still thought to be there");
    assert!(a.changes() > changes);
    assert_eq!(a.wait_for(&["b".to_owned()], Duration::ZERO), ["b"]);
}

#[test]
fn without_certificates_nothing_leaves_the_machine() {
    for address in ["0.0.0.0:7447", "192.0.2.1:7447", "[::]:7447", "127.0.0.1", "127.0.0.1:7447#iface=eth0"] {
        for (listen, connect) in [(vec![address.to_owned()], vec![]), (vec![], vec![address.to_owned()])] {
            let joined = Net::join(&settings("a", &listen, &connect));
            assert!(matches!(joined, Err(NetError::Settings(_))), "{address}");
        }
    }
    let mut named = settings("a", &[], &[]);
    named.nodes.push("b/**".to_owned());
    assert!(matches!(Net::join(&named), Err(NetError::Settings(_))), "a name that would be a pattern");
}
