//! A run's figures for TensorBoard: rows → the bytes of an event file.
//!
//! The file is a row of records, each its length, the length's checksum, its bytes, and their checksum; the bytes are protocol buffers of
//! TensorFlow's `Event`. Times are seconds of learning since the run began, so that the same run makes the same curves.

use super::metrics::Row;

/// What TensorBoard takes the file for.
pub const NAME: &str = "events.out.tfevents.cnasc";

/// The file of these rows.
#[must_use]
pub fn file(rows: &[Row]) -> Vec<u8> {
    let mut bytes = record(&event(0.0, 0, 0x1a, b"brain.Event:2"));
    let mut time = 0.0;
    for row in rows {
        time += row.seconds;
        let figures = [
            ("learning_rate", row.learning_rate),
            ("loss/train", row.train_loss),
            ("loss/judged", row.loss),
            ("accuracy/train", row.train_accuracy),
            ("accuracy/judged", row.accuracy),
            ("images_per_second", row.images_per_second as f32),
        ];
        let summary: Vec<u8> = figures.iter().flat_map(|(tag, value)| field(0x0a, &scalar(tag, *value))).collect();
        bytes.extend(record(&event(time, row.epoch, 0x2a, &summary)));
    }
    bytes
}

/// An `Event`: its time, its step, and one more field of bytes.
fn event(time: f64, step: u32, tag: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x09];
    bytes.extend(time.to_le_bytes());
    bytes.push(0x10);
    bytes.extend(varint(step as usize));
    bytes.extend(field(tag, value));
    bytes
}

/// A `Summary.Value` of one number.
fn scalar(tag: &str, value: f32) -> Vec<u8> {
    let mut bytes = field(0x0a, tag.as_bytes());
    bytes.push(0x15);
    bytes.extend(value.to_le_bytes());
    bytes
}

fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(varint(value.len()));
    bytes.extend(value);
    bytes
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn record(bytes: &[u8]) -> Vec<u8> {
    let len = (bytes.len() as u64).to_le_bytes();
    [&len[..], &masked(&len).to_le_bytes(), bytes, &masked(bytes).to_le_bytes()].concat()
}

/// TensorFlow's form of the checksum, so that files of checksums don't have their own.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The cyclic redundancy check of Castagnoli's polynomial, RFC 3720, bit by bit: files are small.
fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    let byte = |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), |crc, _| shift(crc));
    !bytes.iter().fold(!0, byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4, and the usual check of nine digits.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn records_lie_behind_each_other() {
        let row = Row {
            epoch: 300,
            learning_rate: 0.5,
            train_loss: 1.0,
            train_accuracy: 0.25,
            loss: 2.0,
            accuracy: 0.75,
            seconds: 2.0,
            images_per_second: 10.0,
        };
        let bytes = file(&[row]);
        let (mut rest, mut records) = (&bytes[..], Vec::new());
        while let Some((len, behind)) = rest.split_first_chunk::<8>() {
            let size = u64::from_le_bytes(*len) as usize;
            assert_eq!(behind[..4], masked(len).to_le_bytes());
            let (body, behind) = behind[4..].split_at(size);
            assert_eq!(behind[..4], masked(body).to_le_bytes());
            records.push(body);
            rest = &behind[4..];
        }
        assert!(rest.is_empty());
        assert_eq!(records.len(), 2);
        assert!(records[0].ends_with(b"brain.Event:2"));
        assert_eq!(records[1][..9], [&[0x09][..], &2.0_f64.to_le_bytes()].concat());
        assert_eq!(records[1][9..12], [0x10, 0xac, 0x02], "epoch 300 in seven bits a byte");
        let accuracy = [&b"accuracy/judged"[..], &[0x15], &0.75_f32.to_le_bytes()].concat();
        assert!(records[1].windows(accuracy.len()).any(|window| window == accuracy));
    }
}
