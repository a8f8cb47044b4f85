//! Any bytes as what members of a fleet say to each other, tensors and calls: read or refused, and a tensor that is read is the message it came in.
#![no_main]

use cnasc_fleet::remote::protocol::{Job, Offer, Piece, Refusal, RunCall, Signed, Status, Told, read, read_done};
use cnasc_ir::DeviceId;
use cnasc_transport::Frame;
use cnasc_transport::wire::{self, HEADER_BYTES, Header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tensor(bytes);
    if let Ok(piece) = Piece::read(bytes) {
        assert_eq!(piece.write(), bytes);
    }
    let _ = Job::read(bytes);
    if let Ok((done, values)) = read_done(bytes) {
        assert_eq!(values.len(), done.answer.unwrap_or_default());
    }
    let _ = read::<Signed>(bytes).and_then(|signed| read::<Offer>(signed.offer.as_bytes()));
    let _ = read::<Offer>(bytes);
    let _ = read::<RunCall>(bytes);
    let _ = read::<Result<Status, Refusal>>(bytes);
    let _ = read::<Result<Told, Refusal>>(bytes);
});

fn tensor(bytes: &[u8]) {
    let Some((head, mut rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return };
    let Ok(header) = Header::read(head) else { return };
    assert_eq!(header.write(), *head);
    if header.fits(bytes.len() as u64).is_err() {
        return;
    }
    if let Some(payload) = header.values(&mut rest).expect("it has as many bytes as it says") {
        let frame = Frame { inference: header.inference, tensor: header.tensor, from: DeviceId(0), payload };
        assert_eq!(wire::message(header.run, &frame), bytes);
    }
}
