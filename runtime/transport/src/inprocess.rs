//! Devices as threads of one process: a mailbox each, into which the others put references to their values.

use crate::mailbox::{GONE, Mailbox};
use crate::{Endpoint, Expected, Frame, TransportError};
use cnasc_ir::{DeviceId, TensorId};
use std::sync::Arc;
use std::time::Instant;

/// One device's endpoint. Dropping it tells the others that the device is gone.
#[derive(Debug)]
pub struct InProcess {
    device: DeviceId,
    /// Of all devices, this one's included.
    mailboxes: Arc<[Mailbox]>,
}

/// Endpoints of `devices` devices that are joined each to each, in the order of their ids.
#[must_use]
pub fn inprocess(devices: usize) -> Vec<InProcess> {
    let mailboxes: Arc<[Mailbox]> = (0..devices).map(|_| Mailbox::new(devices)).collect();
    (0..devices).map(|index| InProcess { device: DeviceId::new(index), mailboxes: Arc::clone(&mailboxes) }).collect()
}

impl Endpoint for InProcess {
    fn device(&self) -> DeviceId {
        self.device
    }

    fn expect(&mut self, expected: &[Expected]) {
        self.own().expect(expected);
    }

    fn send(&mut self, to: DeviceId, frame: Frame) -> Result<(), TransportError> {
        if frame.from != self.device {
            return Err(TransportError::Foreign { device: frame.from });
        }
        let foreign = to == self.device;
        let mailbox = self.mailboxes.get(to.index()).filter(|_| !foreign);
        mailbox.ok_or(TransportError::Foreign { device: to })?.deliver(to, frame)
    }

    fn receive(
        &mut self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
        into: &mut [f32],
        deadline: Instant,
    ) -> Result<(), TransportError> {
        self.own().receive(from, inference, tensor, into, deadline)
    }

    fn give_up(&mut self, inference: u64) {
        self.end(inference.min(GONE - 1));
    }
}

impl InProcess {
    /// How many frames this device dropped unread: not expected, of an inference that is over, or sent twice.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.own().refused()
    }

    fn own(&self) -> &Mailbox {
        &self.mailboxes[self.device.index()]
    }

    /// Tells everyone that this device sends nothing more up to and with `inference`.
    fn end(&self, inference: u64) {
        for mailbox in self.mailboxes.iter() {
            mailbox.end(self.device, inference);
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.end(GONE);
    }
}

#[cfg(test)]
mod tests;
