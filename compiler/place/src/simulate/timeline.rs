//! What is booked so far: the times of a prefix of an order. Nodes are put one after the other; what is booked never moves.

use super::machine::Machine;
use cnasc_ir::plan::Span;

/// One output on its way from one device to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Message {
    pub(crate) node: u32,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) span: Span,
}

/// The booked times of some nodes.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    devices: usize,
    /// When the output of node v is on device d, computed there or received, at `v * devices + d`; infinite where it is not.
    arrival: Vec<f64>,
    /// For each node the device on which it was put first; `NOWHERE` before that.
    home: Vec<u32>,
    /// Further devices of nodes, in the order in which they were put.
    copies: Vec<(u32, u32)>,
    /// When each lane is free, those of device d at `lanes[d]..lanes[d + 1]`.
    free: Vec<f64>,
    lanes: Vec<usize>,
    /// For each device when its card sends, ascending, and when it receives.
    sending: Vec<Vec<Span>>,
    receiving: Vec<Vec<Span>>,
    messages: Vec<Message>,
    /// Inputs of the current node that are elsewhere, with the time at which they are made.
    missing: Vec<(f64, u32)>,
}

const NOWHERE: u32 = u32::MAX;

impl Timeline {
    /// Nothing booked.
    pub(crate) fn new(machine: &Machine) -> Self {
        let (nodes, devices) = (machine.nodes(), machine.devices());
        let mut lanes = vec![0];
        for (device, count) in machine.lanes().iter().enumerate() {
            lanes.push(lanes[device] + count);
        }
        Self {
            devices,
            arrival: vec![f64::INFINITY; nodes * devices],
            home: vec![NOWHERE; nodes],
            copies: Vec::new(),
            free: vec![0.0; lanes[devices]],
            lanes,
            sending: vec![Vec::new(); devices],
            receiving: vec![Vec::new(); devices],
            messages: Vec::with_capacity(2 * nodes),
            missing: Vec::new(),
        }
    }

    /// As new.
    pub(crate) fn clear(&mut self) {
        self.arrival.fill(f64::INFINITY);
        self.home.fill(NOWHERE);
        self.copies.clear();
        self.free.fill(0.0);
        self.sending.iter_mut().chain(&mut self.receiving).for_each(Vec::clear);
        self.messages.clear();
    }

    /// Takes over what is booked in `other`, of the same machine, without new memory.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.arrival.clone_from(&other.arrival);
        self.home.clone_from(&other.home);
        self.copies.clone_from(&other.copies);
        self.free.clone_from(&other.free);
        self.sending.clone_from(&other.sending);
        self.receiving.clone_from(&other.receiving);
        self.messages.clone_from(&other.messages);
    }

    /// Computes `node` on `device`, sending its inputs there first, and gives the time at which it is done; infinite where
    /// an input was not put yet or can't be sent, or the node was put there before.
    pub(crate) fn put(&mut self, machine: &Machine, node: usize, device: usize) -> f64 {
        let devices = self.devices;
        let mut ready = 0.0_f64;
        self.missing.clear();
        for &input in machine.dag().inputs(node) {
            let arrival = self.arrival[input as usize * devices + device];
            if arrival == f64::INFINITY {
                let home = self.home[input as usize];
                if home == NOWHERE {
                    return f64::INFINITY;
                }
                self.missing.push((self.arrival[input as usize * devices + home as usize], input));
            } else {
                ready = ready.max(arrival);
            }
        }
        if self.missing.len() > 1 {
            self.missing.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
        for index in 0..self.missing.len() {
            ready = ready.max(self.send(machine, self.missing[index].1 as usize, device));
        }
        let place = node * devices + device;
        // The second place in an order, or a copy where the node is anyhow, would be computed for nothing.
        if self.arrival[place] != f64::INFINITY || ready == f64::INFINITY {
            return f64::INFINITY;
        }
        let lanes = &mut self.free[self.lanes[device]..self.lanes[device + 1]];
        let mut lane = 0;
        for other in 1..lanes.len() {
            if lanes[other] < lanes[lane] {
                lane = other;
            }
        }
        let end = lanes[lane].max(ready) + machine.seconds(node, device);
        lanes[lane] = end;
        self.arrival[place] = end;
        if self.home[node] == NOWHERE {
            self.home[node] = device as u32;
        } else {
            self.copies.push((node as u32, device as u32));
        }
        end
    }

    /// Books the message that brings the output of `node` to `to` first, and gives its arrival.
    fn send(&mut self, machine: &Machine, node: usize, to: usize) -> f64 {
        let home = self.home[node] as usize;
        let mut best = self.offer(machine, node, home, to);
        for &(copied, device) in &self.copies {
            if copied as usize == node {
                let offer = self.offer(machine, node, device as usize, to);
                if offer.span.end < best.span.end {
                    best = offer;
                }
            }
        }
        let Offer { from, span, sent, received } = best;
        if span.end < f64::INFINITY {
            self.sending[from].insert(sent, span);
            self.receiving[to].insert(received, span);
            self.messages.push(Message { node: node as u32, from: from as u32, to: to as u32, span });
            self.arrival[node * self.devices + to] = span.end;
        }
        span.end
    }

    /// The earliest gap that both cards have.
    fn offer(&self, machine: &Machine, node: usize, from: usize, to: usize) -> Offer {
        let (sending, receiving) = (&self.sending[from], &self.receiving[to]);
        let mut start = self.arrival[node * self.devices + from];
        let seconds = machine.message(node, from, to);
        // Both lists ascend, and most messages come after all others.
        let after = |list: &[Span]| list.len() - list.iter().rev().take_while(|span| span.end > start).count();
        let (mut sent, mut received) = (after(sending), after(receiving));
        loop {
            if let Some(span) = sending.get(sent).filter(|span| span.start < start + seconds) {
                start = start.max(span.end);
                sent += 1;
            } else if let Some(span) = receiving.get(received).filter(|span| span.start < start + seconds) {
                start = start.max(span.end);
                received += 1;
            } else {
                return Offer { from, span: Span { start, end: start + seconds }, sent, received };
            }
        }
    }

    /// When the output of `node` is on `device`; infinite where it is not.
    pub(crate) fn arrival(&self, node: usize, device: usize) -> f64 {
        self.arrival[node * self.devices + device]
    }

    /// The device on which `node` was put first.
    pub(crate) fn home(&self, node: usize) -> usize {
        self.home[node] as usize
    }

    /// When `device` can compute the next node.
    pub(crate) fn free(&self, device: usize) -> f64 {
        self.free[self.lanes[device]..self.lanes[device + 1]].iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// When the output of `node`, which was put, is on `device`, or can be: by the first gap that its message has now.
    pub(crate) fn earliest(&self, machine: &Machine, node: usize, device: usize) -> f64 {
        let there = self.arrival(node, device);
        if there < f64::INFINITY {
            return there;
        }
        let hosts = (0..self.devices).filter(|&host| self.is_computed(node, host));
        hosts.map(|host| self.offer(machine, node, host, device).span.end).fold(f64::INFINITY, f64::min)
    }

    /// Whether `node` was put on `device`.
    pub(crate) fn is_computed(&self, node: usize, device: usize) -> bool {
        let pair = (node as u32, device as u32);
        self.home[node] == pair.1 || self.copies.contains(&pair)
    }

    /// Gives all busy times of cards that end after `time` to `take`, card by card.
    pub(crate) fn busy_after(&self, time: f64, mut take: impl FnMut(u64)) {
        for list in self.sending.iter().chain(&self.receiving) {
            for span in list.iter().filter(|span| span.end > time) {
                take(span.start.to_bits());
                take(span.end.to_bits());
            }
            take(u64::MAX);
        }
    }

    /// What was sent, in the order of booking.
    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// When the answer, which is the last node, is there.
    pub(crate) fn latency(&self) -> f64 {
        let last = self.home.len() - 1;
        if self.home.contains(&NOWHERE) { f64::INFINITY } else { self.arrival(last, self.home(last)) }
    }
}

/// A message that could be booked: where, and its places in both lists.
struct Offer {
    from: usize,
    span: Span,
    sent: usize,
    received: usize,
}
