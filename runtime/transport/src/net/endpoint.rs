//! One device's way to the others of one deployment: frames leave through a thread a receiver, and arrive in a mailbox.

use super::{Net, NetError, Run, Shared, lock, zenoh_error};
use crate::mailbox::{GONE, Mailbox};
use crate::{Endpoint, Expected, Frame, TransportError, wire};
use cnasc_ir::{DeviceId, TensorId};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use zenoh::Wait;
use zenoh::pubsub::Publisher;
use zenoh::qos::{CongestionControl, Priority};

/// Frames that may wait for one receiver. What is sent beyond that is dropped: a receiver that far behind has stopped.
const WAITING: usize = 1024;

/// How often is looked whether a receiver is connected.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// One device's endpoint in one deployment. Dropping it ends the deployment at this member.
pub struct Networked {
    run: u64,
    own: Arc<Run>,
    shared: Arc<Shared>,
    /// For each device how frames get to it: nothing for this one itself.
    outlets: Vec<Option<Outlet>>,
}

/// The way to one receiver; its thread ends when this is dropped and what waits is sent.
struct Outlet {
    waiting: SyncSender<Outgoing>,
    publisher: Arc<Publisher<'static>>,
    name: String,
}

enum Outgoing {
    Frame(Frame),
    GaveUp(u64),
}

impl Networked {
    pub(super) fn new(net: &Net, run: u64, device: DeviceId, members: &[String]) -> Result<Self, NetError> {
        let devices = members.iter().enumerate().map(|(index, name)| (name.clone(), DeviceId::new(index))).collect();
        let own = Arc::new(Run { device, mailbox: Mailbox::new(members.len()), devices });
        let outlet = |(index, name): (usize, &String)| {
            if index == device.index() { Ok(None) } else { Outlet::open(net, run, name).map(Some) }
        };
        let outlets = members.iter().enumerate().map(outlet).collect::<Result<_, _>>()?;
        lock(&net.shared.runs).insert(run, Arc::clone(&own));
        Ok(Self { run, own, shared: Arc::clone(&net.shared), outlets })
    }

    /// The ways to `receivers`.
    #[must_use]
    pub fn links(&self, receivers: &[DeviceId]) -> Links {
        let outlets = receivers.iter().filter_map(|receiver| self.outlets.get(receiver.index())?.as_ref());
        Links(outlets.map(|outlet| (outlet.name.clone(), Arc::clone(&outlet.publisher))).collect())
    }

    /// What ends the deployment from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { own: Arc::clone(&self.own), devices: self.outlets.len() }
    }

    fn post(&self, to: DeviceId, outgoing: Outgoing) -> Result<(), TransportError> {
        let outlet = self.outlets.get(to.index()).and_then(Option::as_ref);
        match outlet.ok_or(TransportError::Foreign { device: to })?.waiting.try_send(outgoing) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Disconnected(_)) => Err(TransportError::Closed { device: to }),
        }
    }
}

/// Ways to some receivers, to be looked at from another thread.
pub struct Links(Vec<(String, Arc<Publisher<'static>>)>);

impl Links {
    /// Waits until all can be reached, `patience` at most: what is sent before would be lost. Gives the names of those that can't.
    #[must_use]
    pub fn unreachable(&self, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        loop {
            let reaches =
                |publisher: &Publisher<'_>| publisher.matching_status().wait().is_ok_and(|status| status.matching());
            let missing = self.0.iter().filter(|(_, publisher)| !reaches(publisher));
            let missing: Vec<String> = missing.map(|(name, _)| name.clone()).collect();
            if missing.is_empty() || Instant::now() >= deadline {
                return missing;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Ends a deployment at this member: whoever waits for a tensor of it is told that the others are gone.
#[derive(Debug, Clone)]
pub struct Stopper {
    own: Arc<Run>,
    devices: usize,
}

impl Stopper {
    /// Does that.
    pub fn stop(&self) {
        (0..self.devices).for_each(|device| self.own.mailbox.end(DeviceId::new(device), GONE));
    }
}

impl Endpoint for Networked {
    fn device(&self) -> DeviceId {
        self.own.device
    }

    fn expect(&mut self, expected: &[Expected]) {
        self.own.mailbox.expect(expected);
    }

    fn send(&mut self, to: DeviceId, frame: Frame) -> Result<(), TransportError> {
        if frame.from != self.own.device {
            return Err(TransportError::Foreign { device: frame.from });
        }
        self.post(to, Outgoing::Frame(frame))
    }

    fn receive(
        &mut self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
        into: &mut [f32],
        deadline: Instant,
    ) -> Result<(), TransportError> {
        self.own.mailbox.receive(from, inference, tensor, into, deadline)
    }

    fn give_up(&mut self, inference: u64) {
        for device in (0..self.outlets.len()).map(DeviceId::new).filter(|&device| device != self.own.device) {
            // One that can't be told waits until its deadline.
            let _ = self.post(device, Outgoing::GaveUp(inference));
        }
    }
}

impl Drop for Networked {
    fn drop(&mut self) {
        lock(&self.shared.runs).remove(&self.run);
    }
}

impl Outlet {
    fn open(net: &Net, run: u64, name: &str) -> Result<Self, NetError> {
        let publisher = net
            .session
            .declare_publisher(net.names.tensors(name, &net.names.me))
            .congestion_control(CongestionControl::Block)
            .priority(Priority::RealTime)
            .express(true)
            .wait()
            .map_err(zenoh_error)?;
        let publisher = Arc::new(publisher);
        let (waiting, taken) = sync_channel(WAITING);
        let used = Arc::clone(&publisher);
        std::thread::Builder::new()
            .name("sender".to_owned())
            .spawn(move || send_all(run, &used, &taken))
            .map_err(|error| NetError::Zenoh(format!("can't start a thread: {error}")))?;
        Ok(Self { waiting, publisher, name: name.to_owned() })
    }
}

/// Sends until nobody has anything to be sent any more. This thread waits where the network does.
fn send_all(run: u64, publisher: &Publisher<'_>, waiting: &Receiver<Outgoing>) {
    for outgoing in waiting {
        let bytes = match outgoing {
            Outgoing::Frame(frame) => wire::message(run, &frame),
            Outgoing::GaveUp(inference) => wire::gave_up(run, inference),
        };
        // A frame that gets lost is found by its receiver's deadline.
        let _ = publisher.put(bytes).wait();
    }
}
