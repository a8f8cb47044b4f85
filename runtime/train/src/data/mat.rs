//! MATLAB's files of version 5, as far as rows of numbers need them: bytes → variables.

use flate2::read::ZlibDecoder;
use std::collections::BTreeMap;
use std::io::Read;

/// The most bytes that a packed variable may unpack to.
const MOST: u64 = 64 << 20;
const PACKED: u32 = 15;
const MATRIX: u32 = 14;

/// Every variable that is a matrix of real numbers, column after column; others are passed over.
///
/// # Errors
/// Where it is no such file, or it is cut off.
pub fn mat(bytes: &[u8]) -> Result<BTreeMap<String, Vec<f64>>, String> {
    let (head, mut rest) = bytes.split_at_checked(128).ok_or("is no MATLAB file of version 5")?;
    if head[124..] != *b"\x00\x01IM" {
        return Err("is no MATLAB file of version 5 with the least byte first".to_owned());
    }
    let mut variables = BTreeMap::new();
    while !rest.is_empty() {
        let (kind, body) = element(&mut rest).ok_or("is cut off")?;
        let unpacked = if kind == PACKED { unpack(body)? } else { Vec::new() };
        let (kind, body) = match kind {
            PACKED => element(&mut unpacked.as_slice()).ok_or("has a packed variable that is cut off")?,
            _ => (kind, body),
        };
        if kind == MATRIX {
            let (name, values) = matrix(body).ok_or("has a variable that is cut off")?;
            variables.extend(values.map(|values| (name, values)));
        }
    }
    Ok(variables)
}

fn unpack(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let read = ZlibDecoder::new(body).take(MOST + 1).read_to_end(&mut unpacked);
    read.map_err(|error| format!("has a variable that can't be unpacked: {error}"))?;
    if unpacked.len() as u64 > MOST { Err("has a variable of more than 64 MiB".to_owned()) } else { Ok(unpacked) }
}

/// The next element's kind and body. The body of a short one lies in its head; others are padded to eight bytes, but for packed ones.
fn element<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let (head, behind) = rest.split_first_chunk::<8>()?;
    let [kind, size] = [0, 4].map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    if kind >> 16 != 0 {
        let body = rest[4..8].get(..(kind >> 16) as usize)?;
        *rest = behind;
        return Some((kind & 0xffff, body));
    }
    let size = size as usize;
    let body = behind.get(..size)?;
    let padded = if kind == PACKED { size } else { size.checked_next_multiple_of(8)? };
    // The padding behind the last may be missing.
    *rest = behind.get(padded..).unwrap_or_default();
    Some((kind, body))
}

/// The name, and the values where they are real numbers.
fn matrix(mut rest: &[u8]) -> Option<(String, Option<Vec<f64>>)> {
    let (_, flags) = element(&mut rest)?;
    let (_, extents) = element(&mut rest)?;
    let (_, name) = element(&mut rest)?;
    let name = String::from_utf8_lossy(name).into_owned();
    let is_real = matches!(flags.first()?, 6..=15) && flags.get(1)? & 8 == 0;
    if !is_real {
        return Some((name, None));
    }
    let (kind, values) = element(&mut rest)?;
    let values = numbers(kind, values)?;
    let extents = extents.as_chunks::<4>().0.iter().map(|extent| u64::from(u32::from_le_bytes(*extent)));
    let count = extents.fold(1_u64, u64::saturating_mul);
    (count == values.len() as u64).then_some((name, Some(values)))
}

/// Numbers are often kept as a smaller type than they are of.
fn numbers(kind: u32, bytes: &[u8]) -> Option<Vec<f64>> {
    fn all<const N: usize>(bytes: &[u8], number: fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let (chunks, rest) = bytes.as_chunks::<N>();
        rest.is_empty().then(|| chunks.iter().map(|chunk| number(*chunk)).collect())
    }
    match kind {
        1 => all(bytes, |b| i8::from_le_bytes(b).into()),
        2 => all(bytes, |b| u8::from_le_bytes(b).into()),
        3 => all(bytes, |b| i16::from_le_bytes(b).into()),
        4 => all(bytes, |b| u16::from_le_bytes(b).into()),
        5 => all(bytes, |b| i32::from_le_bytes(b).into()),
        6 => all(bytes, |b| u32::from_le_bytes(b).into()),
        7 => all(bytes, |b| f32::from_le_bytes(b).into()),
        9 => all(bytes, f64::from_le_bytes),
        12 => all(bytes, |b| i64::from_le_bytes(b) as f64),
        13 => all(bytes, |b| u64::from_le_bytes(b) as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn element_of(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (body.len() as u32).to_le_bytes()].concat();
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// A row of numbers that are stored as bytes.
    fn row(name: &str, values: &[u8]) -> Vec<u8> {
        let extents = [1_u32.to_le_bytes(), (values.len() as u32).to_le_bytes()].concat();
        let parts =
            [(6, [6, 0, 0, 0, 0, 0, 0, 0].to_vec()), (5, extents), (1, name.as_bytes().to_vec()), (2, values.to_vec())];
        element_of(MATRIX, &parts.map(|(kind, body)| element_of(kind, &body)).concat())
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("memory takes it");
        let body = encoder.finish().expect("memory takes it");
        [&[15, 0, 0, 0], (body.len() as u32).to_le_bytes().as_slice(), &body].concat()
    }

    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![b' '; 124];
        bytes.extend(b"\x00\x01IM");
        bytes.extend(parts.concat());
        bytes
    }

    #[test]
    fn variables_are_found_packed_or_not() {
        let found = mat(&file(&[row("labels", &[77, 1, 102]), packed(&row("trnid", &[3, 4]))])).expect("whole");
        assert_eq!(found["labels"], [77.0, 1.0, 102.0]);
        assert_eq!(found["trnid"], [3.0, 4.0]);
        // Two bytes in the head: kind 2, as many as 2.
        assert_eq!(numbers(4, &[1, 1, 2, 0]), Some(vec![257.0, 2.0]));
        assert_eq!(element(&mut [2, 0, 2, 0, 8, 9, 0, 0].as_slice()), Some((2, [8, 9].as_slice())));
    }

    #[test]
    fn what_is_cut_off_or_wrong_is_refused_or_read() {
        let whole = file(&[row("labels", &[77, 1, 102]), packed(&row("trnid", &[3, 4]))]);
        let first = 128 + row("labels", &[77, 1, 102]).len();
        // A file that ends behind its header or a variable has none or one; the padding of a last variable may be missing.
        for cut in (0..whole.len()).filter(|cut| ![128, first].contains(cut) && !(first - 5..first).contains(cut)) {
            assert!(mat(&whole[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 127, 255] {
                let mut wrong = whole.clone();
                wrong[at] = value;
                let _ = mat(&wrong);
            }
        }
    }
}
