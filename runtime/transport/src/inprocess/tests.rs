//! Mailboxes between threads: order, early and late frames, deadlines, closed ends.

use super::{InProcess, inprocess};
use crate::{Endpoint, Expected, Frame, TransportError};
use cnasc_ir::{DeviceId, TensorId};
use std::time::{Duration, Instant};

const TENSOR: TensorId = TensorId(3);

/// Two devices, the second of which expects four floats of the first.
fn pair() -> (InProcess, InProcess) {
    let mut endpoints = inprocess(2);
    let mut second = endpoints.pop().unwrap();
    second.expect(&[Expected { from: DeviceId(0), tensor: TENSOR, len: 4 }]);
    (endpoints.pop().unwrap(), second)
}

fn frame(inference: u64, payload: &[f32]) -> Frame {
    Frame { inference, tensor: TENSOR, from: DeviceId(0), payload: payload.into() }
}

fn within(time: Duration) -> Instant {
    Instant::now() + time
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);

#[test]
fn a_sleeping_receiver_is_woken() {
    let (mut first, mut second) = pair();
    let receiver = std::thread::spawn(move || {
        let mut into = [0.0; 4];
        second.receive(DeviceId(0), 1, TENSOR, &mut into, within(LONG)).map(|()| into)
    });
    std::thread::sleep(SHORT);
    first.send(DeviceId(1), frame(1, &[1.0, 2.0, 3.0, 4.0])).unwrap();
    assert_eq!(receiver.join().unwrap(), Ok([1.0, 2.0, 3.0, 4.0]));
}

#[test]
fn nothing_comes_and_the_deadline_is_kept() {
    let (_first, mut second) = pair();
    let start = Instant::now();
    let result = second.receive(DeviceId(0), 1, TENSOR, &mut [0.0; 4], start + SHORT);
    assert_eq!(result, Err(TransportError::Deadline { from: DeviceId(0), tensor: TENSOR }));
    assert!((SHORT..LONG / 2).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[test]
fn a_sender_that_goes_away_ends_the_wait() {
    let (first, mut second) = pair();
    let receiver = std::thread::spawn(move || second.receive(DeviceId(0), 1, TENSOR, &mut [0.0; 4], within(LONG)));
    std::thread::sleep(SHORT);
    drop(first);
    assert_eq!(receiver.join().unwrap(), Err(TransportError::Closed { device: DeviceId(0) }));
}

#[test]
fn a_sender_that_gives_up_ends_the_wait_for_this_inference() {
    let (mut first, mut second) = pair();
    let receiver = std::thread::spawn(move || {
        let failed = second.receive(DeviceId(0), 1, TENSOR, &mut [0.0; 4], within(LONG));
        (failed, second.receive(DeviceId(0), 2, TENSOR, &mut [0.0; 4], within(LONG)))
    });
    std::thread::sleep(SHORT);
    first.give_up(1);
    first.send(DeviceId(1), frame(2, &[1.0; 4])).unwrap();
    assert_eq!(receiver.join().unwrap(), (Err(TransportError::GaveUp { device: DeviceId(0) }), Ok(())));
}

#[test]
fn what_was_sent_before_going_away_is_received() {
    let (mut first, mut second) = pair();
    first.send(DeviceId(1), frame(1, &[5.0; 4])).unwrap();
    drop(first);
    let mut into = [0.0; 4];
    second.receive(DeviceId(0), 1, TENSOR, &mut into, within(LONG)).unwrap();
    assert_eq!(into, [5.0; 4]);
}

#[test]
fn sending_to_one_that_is_gone_is_an_error() {
    let (mut first, second) = pair();
    drop(second);
    assert_eq!(first.send(DeviceId(1), frame(1, &[0.0; 4])), Err(TransportError::Closed { device: DeviceId(1) }));
}

#[test]
fn wrong_sizes_and_false_names_are_refused() {
    let (mut first, mut second) = pair();
    first.send(DeviceId(1), frame(1, &[0.0; 5])).unwrap();
    let result = second.receive(DeviceId(0), 1, TENSOR, &mut [0.0; 4], within(LONG));
    assert_eq!(result, Err(TransportError::Size { from: DeviceId(0), tensor: TENSOR, wanted: 4, found: 5 }));

    first.send(DeviceId(1), frame(2, &[0.0; 4])).unwrap();
    let result = second.receive(DeviceId(0), 2, TENSOR, &mut [0.0; 3], within(LONG));
    assert_eq!(result, Err(TransportError::Size { from: DeviceId(0), tensor: TENSOR, wanted: 3, found: 4 }));

    let disguised = Frame { from: DeviceId(1), ..frame(1, &[0.0; 4]) };
    assert_eq!(first.send(DeviceId(1), disguised), Err(TransportError::Foreign { device: DeviceId(1) }));
    for to in [0, 2] {
        let to = DeviceId(to);
        assert_eq!(first.send(to, frame(1, &[0.0; 4])), Err(TransportError::Foreign { device: to }));
    }
    first.send(DeviceId(1), Frame { tensor: TensorId(4), ..frame(1, &[0.0; 4]) }).unwrap();
    assert_eq!(second.refused(), 1);
}

/// Two threads send each other each number that they get, plus one.
#[test]
fn many_exchanges_keep_their_order() {
    let ends = inprocess(2);
    let rounds = 2000;
    let threads: Vec<_> = ends
        .into_iter()
        .map(|mut end| {
            std::thread::spawn(move || {
                let (me, other) = (end.device(), DeviceId(1 - end.device().0));
                end.expect(&[Expected { from: other, tensor: TENSOR, len: 1 }]);
                let mut value = [0.0];
                for round in 0..rounds {
                    let payload = vec![value[0] + 1.0].into();
                    // The other one may not have said yet what it expects.
                    while round == 0 && end.mailboxes[other.index()].expects(me, TENSOR).is_none() {
                        std::thread::yield_now();
                    }
                    end.send(other, Frame { inference: round, tensor: TENSOR, from: me, payload }).unwrap();
                    end.receive(other, round, TENSOR, &mut value, within(LONG)).unwrap();
                }
                value[0]
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), rounds as f32);
    }
}
