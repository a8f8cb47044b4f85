//! A look at a file's bytes before they are decoded, so that a small file can't ask for much memory: an empty message takes two bytes
//! of a file and hundreds once it is decoded.

use super::error::ImportError;

/// The most messages inside a model: nodes, attributes, tensors, types, texts with a key.
const MAX_MESSAGES: u32 = 1 << 20;

/// A kind of message: which of its fields are messages.
struct Kind {
    fields: &'static [(u64, &'static Kind)],
}

static LEAF: Kind = Kind { fields: &[] };
static TENSOR: Kind = Kind { fields: &[(13, &LEAF)] };
static ATTRIBUTE: Kind = Kind { fields: &[(5, &TENSOR)] };
static NODE_DEVICES: Kind = Kind { fields: &[(2, &LEAF)] };
static NODE: Kind = Kind { fields: &[(5, &ATTRIBUTE), (10, &NODE_DEVICES)] };
static SHAPE: Kind = Kind { fields: &[(1, &LEAF)] };
static TENSOR_TYPE: Kind = Kind { fields: &[(2, &SHAPE)] };
static TYPE: Kind = Kind { fields: &[(1, &TENSOR_TYPE)] };
static VALUE: Kind = Kind { fields: &[(2, &TYPE)] };
static GRAPH: Kind =
    Kind { fields: &[(1, &NODE), (5, &TENSOR), (11, &VALUE), (12, &VALUE), (13, &VALUE), (15, &LEAF)] };
static MODEL: Kind = Kind { fields: &[(7, &GRAPH), (8, &LEAF), (14, &LEAF), (25, &LEAF), (26, &LEAF)] };

/// Refuses what is no sequence of fields, or has too many messages.
pub(super) fn check(bytes: &[u8]) -> Result<(), ImportError> {
    let mut messages = 0;
    match walk(bytes, &MODEL, &mut messages) {
        Some(()) => Ok(()),
        None if messages > MAX_MESSAGES => Err(ImportError::TooLarge(format!("has more than {MAX_MESSAGES} parts"))),
        None => {
            Err(ImportError::Malformed("is no ONNX model: its bytes are no fields, or it ends too early".to_owned()))
        }
    }
}

fn walk(mut rest: &[u8], kind: &Kind, messages: &mut u32) -> Option<()> {
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        match key & 7 {
            0 => {
                varint(&mut rest)?;
            }
            1 => rest = rest.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (inner, behind) = rest.split_at_checked(length)?;
                rest = behind;
                if let Some((_, kind)) = kind.fields.iter().find(|(field, _)| *field == key >> 3) {
                    *messages += 1;
                    if *messages > MAX_MESSAGES {
                        return None;
                    }
                    walk(inner, kind, messages)?;
                }
            }
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(())
}

/// A number of up to 64 bits in groups of seven.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
