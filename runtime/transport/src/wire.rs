//! The bytes of what devices say to each other over a network: a header of fixed size, and behind it the values of a tensor.
//!
//! ```text
//! magic  kind  zero  run  inference  tensor  length        values, little-endian
//! 4      1     3     8    8          4       4, in values  4 or 2 bytes each
//! ```
//! A message is read as hostile: [`Header::read`] looks at 32 bytes and takes no memory, and [`Header::fits`] compares what the header
//! claims with the bytes that are there, before [`Header::values`] takes memory for them. Who sent a message does not stand in it: that
//! is known from the connection that it came through.

use crate::{Frame, Payload};
use cnasc_ir::TensorId;
use half::f16;
use std::io::Read;
use std::sync::Arc;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 32;

/// How a message begins; its last byte is the version.
pub const MAGIC: [u8; 4] = *b"cnt\x01";

/// Bytes that are turned into numbers at a time; a multiple of every number's size.
const PIECE: usize = 16 << 10;

/// What a message brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tensor in single precision.
    Single,
    /// A tensor in half precision.
    Half,
    /// That the sender failed in this inference and sends nothing more in it.
    GaveUp,
}

/// The head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// Which deployment of which bundle it belongs to.
    pub run: u64,
    /// Which inference of that.
    pub inference: u64,
    /// Which tensor; 0 where there is none.
    pub tensor: TensorId,
    /// Its number of values.
    pub len: u32,
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Too short, of another version, or of an unknown kind.
    #[error("the bytes do not begin as a message of this release")]
    Head,
    /// More or fewer bytes than the header says.
    #[error("the message says that it has {wanted} bytes and has {found}")]
    Length {
        /// As claimed.
        wanted: u64,
        /// As found.
        found: u64,
    },
}

impl Kind {
    /// Bytes of a value.
    fn width(self) -> u64 {
        match self {
            Self::Single => 4,
            Self::Half => 2,
            Self::GaveUp => 0,
        }
    }
}

impl Header {
    /// The header at the beginning of `bytes`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Self, WireError> {
        let kind = match bytes[4] {
            0 => Kind::Single,
            1 => Kind::Half,
            2 => Kind::GaveUp,
            _ => return Err(WireError::Head),
        };
        if bytes[..4] != MAGIC || bytes[5..8] != [0; 3] {
            return Err(WireError::Head);
        }
        let tensor = TensorId(number32(bytes, 24));
        Ok(Self { kind, run: number64(bytes, 8), inference: number64(bytes, 16), tensor, len: number32(bytes, 28) })
    }

    /// Checks that a message of `bytes` bytes, the header among them, holds exactly what the header says.
    ///
    /// # Errors
    /// Where it does not.
    pub fn fits(&self, bytes: u64) -> Result<(), WireError> {
        let wanted = HEADER_BYTES as u64 + u64::from(self.len) * self.kind.width();
        if wanted == bytes { Ok(()) } else { Err(WireError::Length { wanted, found: bytes }) }
    }

    /// The header's own bytes.
    #[must_use]
    pub fn write(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = match self.kind {
            Kind::Single => 0,
            Kind::Half => 1,
            Kind::GaveUp => 2,
        };
        bytes[8..16].copy_from_slice(&self.run.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.inference.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.tensor.0.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    /// The values that follow a header which [fits](Self::fits); nothing for one that brings none.
    ///
    /// # Errors
    /// Where `from` ends before all are read.
    pub fn values(&self, from: &mut impl Read) -> std::io::Result<Option<Payload>> {
        let len = self.len as usize;
        Ok(match self.kind {
            Kind::GaveUp => None,
            Kind::Single => Some(Payload::Single(read_all(from, len, f32::from_le_bytes)?)),
            Kind::Half => Some(Payload::Half(read_all(from, len, f16::from_le_bytes)?)),
        })
    }
}

/// The message that brings `frame` in deployment `run`.
#[must_use]
pub fn message(run: u64, frame: &Frame) -> Vec<u8> {
    let kind = match &frame.payload {
        Payload::Single(_) => Kind::Single,
        Payload::Half(_) => Kind::Half,
    };
    // A tensor of a verified bundle has fewer values than that; a longer one is refused where it arrives, as its bytes do not fit.
    let len = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
    let header = Header { kind, run, inference: frame.inference, tensor: frame.tensor, len };
    let mut bytes = vec![0; HEADER_BYTES + frame.payload.bytes() as usize];
    let (head, values) = bytes.split_at_mut(HEADER_BYTES);
    head.copy_from_slice(&header.write());
    match &frame.payload {
        Payload::Single(own) => write_all(own, values, f32::to_le_bytes),
        Payload::Half(own) => write_all(own, values, f16::to_le_bytes),
    }
    bytes
}

/// The message that says that its sender failed in `inference`.
#[must_use]
pub fn gave_up(run: u64, inference: u64) -> Vec<u8> {
    Header { kind: Kind::GaveUp, run, inference, tensor: TensorId(0), len: 0 }.write().to_vec()
}

fn write_all<T: Copy, const N: usize>(values: &[T], into: &mut [u8], bytes: impl Fn(T) -> [u8; N]) {
    for (chunk, &value) in into.chunks_exact_mut(N).zip(values) {
        chunk.copy_from_slice(&bytes(value));
    }
}

/// `len` numbers, read a piece at a time, so that a message in many fragments is not first put together.
fn read_all<T: Copy + Default, const N: usize>(
    from: &mut impl Read,
    len: usize,
    number: impl Fn([u8; N]) -> T,
) -> std::io::Result<Arc<[T]>> {
    let mut values: Arc<[T]> = std::iter::repeat_n(T::default(), len).collect();
    let own = Arc::get_mut(&mut values).expect("nobody else has it yet");
    let mut piece = [0; PIECE];
    for part in own.chunks_mut(PIECE / N) {
        let bytes = &mut piece[..part.len() * N];
        from.read_exact(bytes)?;
        for (value, chunk) in part.iter_mut().zip(bytes.chunks_exact(N)) {
            *value = number(chunk.try_into().expect("chunks have this size"));
        }
    }
    Ok(values)
}

fn number32(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn number64(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from(number32(bytes, at)) | u64::from(number32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_ir::DeviceId;
    use cnasc_ir::fleet::Precision;
    use proptest::prelude::*;

    fn frame(payload: Payload) -> Frame {
        Frame { inference: 0x0102_0304_0506_0708, tensor: TensorId(9), from: DeviceId(1), payload }
    }

    /// Reads a message as a receiver does.
    fn read(bytes: &[u8]) -> Option<(Header, Option<Payload>)> {
        let header = Header::read(bytes.get(..HEADER_BYTES)?.try_into().ok()?).ok()?;
        header.fits(bytes.len() as u64).ok()?;
        let values = header.values(&mut &bytes[HEADER_BYTES..]).expect("it fits");
        Some((header, values))
    }

    #[test]
    fn what_is_written_is_read() {
        for precision in [Precision::F32, Precision::F16] {
            // Longer than a piece, and not a multiple of one.
            let values: Vec<f32> = (0..9_001).map(|value| value as f32 * 0.25 - 7.0).collect();
            let mut payload = Payload::zeros(precision, values.len());
            payload.set(&values);
            let frame = frame(payload);
            let (header, values) = read(&message(3, &frame)).expect("a message");
            assert_eq!((header.run, header.inference, header.tensor), (3, frame.inference, frame.tensor));
            assert_eq!(values, Some(frame.payload));
        }
        let (header, values) = read(&gave_up(4, 5)).expect("a message");
        assert_eq!((header.kind, header.run, header.inference, values), (Kind::GaveUp, 4, 5, None));
    }

    #[test]
    fn a_length_that_is_not_there_takes_no_memory() {
        let mut bytes = message(1, &frame(vec![1.0, 2.0].into()));
        bytes[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
        let header = Header::read(bytes[..HEADER_BYTES].try_into().unwrap()).unwrap();
        let wanted = HEADER_BYTES as u64 + 4 * u64::from(u32::MAX);
        assert_eq!(header.fits(bytes.len() as u64), Err(WireError::Length { wanted, found: 40 }));
    }

    proptest! {
        /// No bytes make reading panic; those that are read are written back the same.
        #[test]
        fn hostile_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), valid_head in any::<bool>()) {
            if valid_head && bytes.len() >= HEADER_BYTES {
                bytes[..4].copy_from_slice(&MAGIC);
                bytes[4] %= 3;
                bytes[5..8].fill(0);
                bytes[29..32].fill(0);
            }
            if let Some((header, values)) = read(&bytes) {
                let written = match values {
                    Some(payload) => {
                        let Header { inference, tensor, .. } = header;
                        message(header.run, &Frame { inference, tensor, from: DeviceId(0), payload })
                    }
                    None => header.write().to_vec(),
                };
                prop_assert_eq!(written, bytes);
            }
        }
    }
}
