//! Constants: the values of initialisers, of attributes, and of what is computed from them while importing.

use super::error::{ImportError, Problem, shown, wrong};
use super::{External, Files};
use crate::proto::{ElementKind, Tensor};
use std::rc::Rc;

/// The most integers that a constant may have: they say shapes and places, never weights.
pub(super) const MAX_INTS: u64 = 1 << 16;

/// The most extents of a tensor.
pub(super) const MAX_RANK: usize = 16;

/// A tensor that is known before an image comes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Constant {
    /// Its extents, outermost first.
    pub dims: Vec<u64>,
    /// Its elements, row-major.
    pub values: Values,
}

/// Elements; shared, because several nodes may read one constant and weights are large.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Real numbers, whatever they were stored as.
    Floats(Rc<Vec<f32>>),
    /// One real number everywhere.
    Fill(f32),
    /// Whole numbers and truth values.
    Ints(Rc<Vec<i64>>),
}

/// Elements that may still be made, so that a small file can't ask for all memory.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
}

impl Budget {
    pub(super) fn new(elements: u64) -> Self {
        Self { left: elements }
    }

    /// Takes so many elements from what is left.
    pub(super) fn take(&mut self, elements: u64) -> Result<usize, Problem> {
        let too_large = || ImportError::TooLarge("the model's constants need more memory than is given".to_owned());
        self.left = self.left.checked_sub(elements).ok_or_else(too_large)?;
        Ok(usize::try_from(elements).map_err(|_| too_large())?)
    }
}

/// The number of elements of these extents.
pub(super) fn elements(dims: &[u64]) -> Result<u64, Problem> {
    if dims.len() > MAX_RANK {
        return wrong(format!("a tensor has {} extents", dims.len()));
    }
    // An extent of zero does not excuse others whose product overflows.
    let product = dims.iter().try_fold(1_u64, |product, &extent| product.checked_mul(extent.max(1)));
    match product {
        Some(product) if product <= 1 << 40 => Ok(if dims.contains(&0) { 0 } else { product }),
        _ => wrong(format!("a tensor of {dims:?} is larger than any memory")),
    }
}

/// Extents of a file, none negative.
pub(super) fn extents(dims: &[i64]) -> Result<Vec<u64>, Problem> {
    let extents = dims.iter().map(|&extent| u64::try_from(extent)).collect::<Result<Vec<_>, _>>();
    let Ok(extents) = extents else { return wrong(format!("a tensor has the extents {dims:?}")) };
    elements(&extents)?;
    Ok(extents)
}

impl Constant {
    /// Whole numbers along one axis.
    pub(super) fn ints(values: Vec<i64>) -> Self {
        Self { dims: vec![values.len() as u64], values: Values::Ints(Rc::new(values)) }
    }

    /// Number of elements.
    pub(super) fn len(&self) -> u64 {
        // Checked where the constant was made.
        self.dims.iter().product()
    }

    /// Whether all elements are real numbers.
    pub(super) fn is_float(&self) -> bool {
        !matches!(self.values, Values::Ints(_))
    }

    /// The elements as real numbers.
    pub(super) fn to_floats(&self, budget: &mut Budget) -> Result<Rc<Vec<f32>>, Problem> {
        match &self.values {
            Values::Floats(values) => Ok(Rc::clone(values)),
            Values::Fill(value) => Ok(Rc::new(vec![*value; budget.take(self.len())?])),
            Values::Ints(_) => wrong("has whole numbers where real numbers belong"),
        }
    }

    /// The elements as whole numbers.
    pub(super) fn to_ints(&self) -> Result<Rc<Vec<i64>>, Problem> {
        match &self.values {
            Values::Ints(values) => Ok(Rc::clone(values)),
            _ => wrong("has real numbers where whole numbers belong"),
        }
    }

    /// The only element as a real number.
    pub(super) fn to_float(&self) -> Result<f32, Problem> {
        match &self.values {
            Values::Floats(values) if values.len() == 1 => Ok(values[0]),
            Values::Fill(value) if self.len() == 1 => Ok(*value),
            _ => wrong("has no single real number where one belongs"),
        }
    }

    /// The only element as a whole number.
    pub(super) fn to_int(&self) -> Result<i64, Problem> {
        match self.to_ints()?.as_slice() {
            [only] => Ok(*only),
            other => wrong(format!("has {} numbers where one belongs", other.len())),
        }
    }

    /// The real number at a place.
    pub(super) fn float_at(&self, place: usize) -> Result<f32, Problem> {
        match &self.values {
            Values::Fill(value) => Ok(*value),
            Values::Floats(values) if place < values.len() => Ok(values[place]),
            _ => wrong("has whole numbers where real numbers belong"),
        }
    }

    /// A constant of `dims` whose elements are those at `places`, which lie in this one.
    pub(super) fn picked(
        &self,
        dims: Vec<u64>,
        places: impl Iterator<Item = usize>,
        budget: &mut Budget,
    ) -> Result<Self, Problem> {
        let count = elements(&dims)?;
        let values = match &self.values {
            Values::Fill(value) => Values::Fill(*value),
            Values::Floats(values) => {
                budget.take(count)?;
                Values::Floats(Rc::new(places.filter_map(|place| values.get(place).copied()).collect()))
            }
            Values::Ints(values) => {
                if count > MAX_INTS {
                    return wrong(format!("makes {count} whole numbers; up to {MAX_INTS} are read"));
                }
                Values::Ints(Rc::new(places.filter_map(|place| values.get(place).copied()).collect()))
            }
        };
        Ok(Self { dims, values })
    }

    /// These places of axis `axis`.
    pub(super) fn taken(&self, axis: usize, taken: &[u64], budget: &mut Budget) -> Result<Self, Problem> {
        let mut dims = self.dims.clone();
        dims[axis] = taken.len() as u64;
        let (along, inner) = (self.dims[axis], self.dims[axis + 1..].iter().product::<u64>());
        let outer: u64 = self.dims[..axis].iter().product();
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let places = (0..outer).flat_map(move |outer| {
            let row = move |&at: &u64| (0..inner).map(move |place| index((outer * along + at) * inner + place));
            taken.iter().flat_map(row)
        });
        self.picked(dims, places, budget)
    }

    /// Constants one behind the other along axis `axis`, which makes a constant of `dims`.
    pub(super) fn joined(parts: &[&Self], dims: Vec<u64>, axis: usize, budget: &mut Budget) -> Result<Self, Problem> {
        let count = elements(&dims)?;
        let outer: u64 = dims[..axis].iter().product();
        // Of each part the elements that lie side by side.
        let run = |part: &Self| usize::try_from(part.dims[axis..].iter().product::<u64>()).unwrap_or(usize::MAX);
        let places = (0..outer).flat_map(|outer| {
            let outer = usize::try_from(outer).unwrap_or(usize::MAX);
            parts.iter().flat_map(move |part| (0..run(part)).map(move |at| (*part, outer * run(part) + at)))
        });
        let values = if parts.iter().all(|part| part.is_float()) {
            budget.take(count)?;
            let mut values = Vec::new();
            for (part, place) in places {
                values.push(part.float_at(place)?);
            }
            Values::Floats(Rc::new(values))
        } else {
            if count > MAX_INTS {
                return wrong(format!("makes {count} whole numbers; up to {MAX_INTS} are read"));
            }
            let mut values = Vec::new();
            for (part, place) in places {
                let Values::Ints(ints) = &part.values else { return wrong("joins whole and real numbers") };
                values.push(ints[place]);
            }
            Values::Ints(Rc::new(values))
        };
        Ok(Self { dims, values })
    }

    /// The same elements under other extents of the same product.
    pub(super) fn with_dims(self, dims: Vec<u64>) -> Self {
        Self { dims, values: self.values }
    }

    /// Reads a tensor of the file, with elements that lie in another file where it says so.
    pub(super) fn read(tensor: Tensor, files: &mut Files, budget: &mut Budget) -> Result<Self, Problem> {
        let name = shown(&tensor.name);
        Self::read_unnamed(tensor, files, budget).map_err(|problem| match problem {
            Problem::Stop(ImportError::Malformed(text)) => {
                Problem::Stop(ImportError::Malformed(format!("constant `{name}`: {text}")))
            }
            other => other,
        })
    }

    fn read_unnamed(mut tensor: Tensor, files: &mut Files, budget: &mut Budget) -> Result<Self, Problem> {
        let dims = extents(&tensor.dims)?;
        let count = elements(&dims)?;
        let Some(kind) = Kind::of(tensor.data_type) else {
            return super::error::lack(format!(
                "reads constant `{}` of element type {}, which is not taken in",
                shown(&tensor.name),
                tensor.data_type
            ));
        };
        if kind.is_int() && count > MAX_INTS {
            return wrong(format!("has {count} whole numbers; up to {MAX_INTS} are read"));
        }
        if tensor.data_location != 0 {
            // Asked before the bytes are, so that no file is read in vain.
            budget.take(count)?;
            tensor.raw_data = external(&tensor, files, count * kind.size())?;
        } else if !tensor.raw_data.is_empty() {
            budget.take(count)?;
        }
        let values = if tensor.raw_data.is_empty() {
            kind.typed(&mut tensor)
        } else {
            if tensor.raw_data.len() as u64 != count * kind.size() {
                return wrong(format!(
                    "has {} bytes, its {count} elements need {}",
                    tensor.raw_data.len(),
                    count * kind.size()
                ));
            }
            kind.raw(&tensor.raw_data)
        };
        let found = match &values {
            Values::Floats(values) => values.len() as u64,
            Values::Ints(values) => values.len() as u64,
            Values::Fill(_) => count,
        };
        if found != count {
            return wrong(format!("has {found} elements, its extents {dims:?} need {count}"));
        }
        Ok(Self { dims, values })
    }
}

/// The bytes of a tensor that lie in another file.
fn external(tensor: &Tensor, files: &mut Files, bytes: u64) -> Result<Vec<u8>, Problem> {
    let entry =
        |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    let number = |key: &str| match entry(key).map(|text| text.trim().parse::<u64>()) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => wrong(format!("lies in another file at no sensible `{key}`")),
    };
    let Some(location) = entry("location") else { return wrong("lies in another file, but no file is named") };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?.unwrap_or(bytes));
    if length != bytes {
        return wrong(format!("has {length} bytes in another file, its elements need {bytes}"));
    }
    let wanted = External { location, offset, length };
    let read = files(&wanted).map_err(|problem| {
        let message = format!("constant `{}` lies in `{}`: {problem}", shown(&tensor.name), shown(location));
        Problem::Stop(ImportError::External(message))
    })?;
    if read.len() as u64 == bytes { Ok(read) } else { wrong("lies in another file that is too short") }
}

/// Element types that are read.
#[derive(Debug, Clone, Copy)]
enum Kind {
    F32,
    F64,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Kind {
    fn of(number: i32) -> Option<Self> {
        /// 16 bits, signed; not among the kinds that are written.
        const INT16: i32 = 5;
        if number == INT16 {
            return Some(Self::I16);
        }
        Some(match ElementKind::try_from(number).ok()? {
            ElementKind::Undefined => return None,
            ElementKind::Float => Self::F32,
            ElementKind::Double => Self::F64,
            ElementKind::Float16 => Self::F16,
            ElementKind::Bfloat16 => Self::Bf16,
            ElementKind::Int64 => Self::I64,
            ElementKind::Int32 => Self::I32,
            ElementKind::Int8 => Self::I8,
            ElementKind::Uint8 => Self::U8,
            ElementKind::Bool => Self::Bool,
        })
    }

    fn is_int(self) -> bool {
        !matches!(self, Self::F32 | Self::F64 | Self::F16 | Self::Bf16)
    }

    /// Bytes of an element.
    fn size(self) -> u64 {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Elements from the field of their type.
    fn typed(self, tensor: &mut Tensor) -> Values {
        let halves = |values: &[i32], from: fn(u16) -> f32| values.iter().map(|&bits| from(bits as u16)).collect();
        match self {
            Self::F32 => Values::Floats(Rc::new(std::mem::take(&mut tensor.float_data))),
            Self::F64 => Values::Floats(Rc::new(tensor.double_data.iter().map(|&value| value as f32).collect())),
            Self::F16 => Values::Floats(Rc::new(halves(&tensor.int32_data, half))),
            Self::Bf16 => Values::Floats(Rc::new(halves(&tensor.int32_data, brain))),
            Self::I64 => Values::Ints(Rc::new(std::mem::take(&mut tensor.int64_data))),
            _ => Values::Ints(Rc::new(tensor.int32_data.iter().map(|&value| i64::from(value)).collect())),
        }
    }

    /// Elements from little-endian bytes.
    fn raw(self, bytes: &[u8]) -> Values {
        fn each<const N: usize, T>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> Rc<Vec<T>> {
            let (chunks, _) = bytes.as_chunks::<N>();
            Rc::new(chunks.iter().map(|&chunk| from(chunk)).collect())
        }
        match self {
            Self::F32 => Values::Floats(each(bytes, f32::from_le_bytes)),
            Self::F64 => Values::Floats(each(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
            Self::F16 => Values::Floats(each(bytes, |bytes| half(u16::from_le_bytes(bytes)))),
            Self::Bf16 => Values::Floats(each(bytes, |bytes| brain(u16::from_le_bytes(bytes)))),
            Self::I64 => Values::Ints(each(bytes, i64::from_le_bytes)),
            Self::I32 => Values::Ints(each(bytes, |bytes| i64::from(i32::from_le_bytes(bytes)))),
            Self::I16 => Values::Ints(each(bytes, |bytes| i64::from(i16::from_le_bytes(bytes)))),
            Self::I8 => Values::Ints(each(bytes, |bytes| i64::from(i8::from_le_bytes(bytes)))),
            Self::U8 => Values::Ints(each(bytes, |[byte]: [u8; 1]| i64::from(byte))),
            Self::Bool => Values::Ints(each(bytes, |[byte]: [u8; 1]| i64::from(byte != 0))),
        }
    }
}

/// An IEEE half float.
fn half(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

/// The upper half of a single float.
fn brain(bits: u16) -> f32 {
    half::bf16::from_bits(bits).to_f32()
}
