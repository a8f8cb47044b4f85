//! Python's pickles, as far as dictionaries of numbers and arrays need them: bytes → [`Pickle`].
//!
//! A pickle is a program for a machine with a stack. This machine makes values of it and calls nothing: what Python would call is kept as
//! [`Value::Made`]. Values lie in one row and name each other by place, so that no nesting is too deep and no program can ask for more
//! than [`MOST`] of them.

use std::collections::BTreeMap;

/// The most values, and the most of them on the stack; CIFAR-100 has a sixth.
const MOST: usize = 1 << 20;

/// A value's place.
pub type Place = usize;

/// What a place holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// None, floats and whatever else is of no use here.
    Other,
    /// Also truth, as 0 or 1.
    Int(i64),
    /// Bytes, or text as UTF-8.
    Bytes(&'a [u8]),
    /// Also a tuple.
    List(Vec<Place>),
    /// Keys with what they stand for.
    Dict(Vec<(Place, Place)>),
    /// Something that Python would import.
    Global(&'a [u8], &'a [u8]),
    /// What Python would make by a call.
    Made {
        /// What is called.
        callable: Place,
        /// With what, a list.
        arguments: Place,
        /// What it is told afterwards.
        state: Option<Place>,
    },
}

/// An array of bytes.
#[derive(Debug, PartialEq)]
pub struct Array {
    /// Of each dimension, the slowest first.
    pub extents: Vec<i64>,
    /// As many as the product of the extents.
    pub bytes: Vec<u8>,
}

/// All values of a pickle.
#[derive(Debug)]
pub struct Pickle<'a> {
    values: Vec<Value<'a>>,
    top: Place,
}

impl<'a> Pickle<'a> {
    /// Runs the program.
    ///
    /// # Errors
    /// Where it is cut off, breaks the rules, has too many values, or an instruction that data of numbers have no need of.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut machine =
            Machine { rest: bytes, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: BTreeMap::new() };
        let length = bytes.len();
        loop {
            let at = length - machine.rest.len();
            match machine.step() {
                Some(Next::Go) if machine.is_bounded() => {}
                Some(Next::Go) => return Err(format!("has more than {MOST} values")),
                Some(Next::Done(top)) => return Ok(Self { values: machine.values, top }),
                Some(Next::Unknown(code)) => {
                    return Err(format!(
                        "has the instruction {code:#04x} at byte {at}, which sets of images have no need of"
                    ));
                }
                None => return Err(format!("is no whole pickle: it ends, or breaks the rules, at byte {at}")),
            }
        }
    }

    /// What a dictionary at the top has under `key`.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        let Value::Dict(pairs) = &self.values[self.top] else { return None };
        let is_key = |place: Place| matches!(self.values[place], Value::Bytes(bytes) if bytes == key.as_bytes());
        pairs.iter().rev().find(|(found, _)| is_key(*found)).map(|(_, value)| &self.values[*value])
    }

    /// A list of whole numbers.
    pub fn ints(&self, value: &Value) -> Option<Vec<i64>> {
        let Value::List(places) = value else { return None };
        let int = |place: &Place| if let Value::Int(int) = self.values[*place] { Some(int) } else { None };
        places.iter().map(int).collect()
    }

    /// NumPy's array of bytes in C order.
    pub fn array(&self, value: &Value) -> Option<Array> {
        let Value::Made { callable, state: Some(state), .. } = *value else { return None };
        let Value::Global(module, b"_reconstruct") = self.values[callable] else { return None };
        let Value::List(state) = &self.values[state] else { return None };
        let &[_, extents, kind, is_fortran, bytes] = state.as_slice() else { return None };
        let is_array = module.starts_with(b"numpy") && self.is_byte(kind) && self.values[is_fortran] == Value::Int(0);
        let extents = self.ints(&self.values[extents])?;
        let bytes = self.bytes(bytes)?;
        let count = extents.iter().try_fold(1_i64, |product, &extent| product.checked_mul(extent));
        (is_array && count == i64::try_from(bytes.len()).ok()).then_some(Array { extents, bytes })
    }

    /// Whether it is NumPy's type of unsigned bytes.
    fn is_byte(&self, kind: Place) -> bool {
        let Value::Made { callable, arguments, .. } = self.values[kind] else { return false };
        let Value::List(arguments) = &self.values[arguments] else { return false };
        let is_type = self.values[callable] == Value::Global(b"numpy", b"dtype");
        let name = arguments.first().map(|&place| &self.values[place]);
        is_type && matches!(name, Some(Value::Bytes(b"u1" | b"|u1" | b"uint8")))
    }

    /// Bytes as they are, or as Python 3 writes them for Python 2: the Latin-1 characters of a text.
    fn bytes(&self, place: Place) -> Option<Vec<u8>> {
        match self.values[place] {
            Value::Bytes(bytes) => Some(bytes.to_vec()),
            Value::Made { callable, arguments, .. } => {
                let is_encoding = self.values[callable] == Value::Global(b"_codecs", b"encode");
                let Value::List(arguments) = &self.values[arguments] else { return None };
                let &Value::Bytes(text) = &self.values[*arguments.first()?] else { return None };
                let text = std::str::from_utf8(text).ok().filter(|_| is_encoding)?;
                text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
            }
            _ => None,
        }
    }
}

/// What comes after an instruction.
enum Next {
    Go,
    Done(Place),
    Unknown(u8),
}

struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value<'a>>,
    stack: Vec<Place>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<usize, Place>,
}

impl<'a> Machine<'a> {
    fn is_bounded(&self) -> bool {
        [self.values.len(), self.stack.len(), self.marks.len(), self.memo.len()].iter().all(|len| *len <= MOST)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// An unsigned number of so many bytes, the least first.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let bytes = self.take(bytes)?;
        let number = bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        usize::try_from(number).ok()
    }

    /// A signed number of up to eight bytes.
    fn signed(&mut self, bytes: usize) -> Option<i64> {
        let taken = self.take(bytes)?;
        let mut all = [if taken.last().is_some_and(|byte| *byte > 127) { 255 } else { 0 }; 8];
        all.get_mut(..bytes)?.copy_from_slice(taken);
        Some(i64::from_le_bytes(all))
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let line = self.take(end)?;
        self.take(1)?;
        Some(line)
    }

    fn push(&mut self, value: Value<'a>) -> Option<Next> {
        self.stack.push(self.values.len());
        self.values.push(value);
        Some(Next::Go)
    }

    fn pop(&mut self) -> Option<Place> {
        // What lies below a mark is not to be had before the mark is.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() > floor { self.stack.pop() } else { None }
    }

    fn above_mark(&mut self) -> Option<Vec<Place>> {
        let mark = self.marks.pop()?;
        Some(self.stack.split_off(mark))
    }

    fn last(&mut self, count: usize) -> Option<Vec<Place>> {
        let mut taken = (0..count).map(|_| self.pop()).collect::<Option<Vec<Place>>>()?;
        taken.reverse();
        Some(taken)
    }

    /// One instruction; nothing where it can't be done.
    fn step(&mut self) -> Option<Next> {
        let code = self.take(1)?[0];
        match code {
            b'.' => return self.pop().map(Next::Done),
            // The version, and how long a piece is.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'q' | b'r' | 0x94 => {
                let name = match code {
                    b'q' => self.number(1)?,
                    b'r' => self.number(4)?,
                    _ => self.memo.len(),
                };
                self.memo.insert(name, *self.stack.last()?);
            }
            b'h' | b'j' => {
                let name = self.number(if code == b'h' { 1 } else { 4 })?;
                self.stack.push(*self.memo.get(&name)?);
            }
            _ => return self.plain(code),
        }
        Some(Next::Go)
    }

    /// Numbers and text.
    fn plain(&mut self, code: u8) -> Option<Next> {
        let value = match code {
            b'N' => Value::Other,
            0x88 | 0x89 => Value::Int((code == 0x88).into()),
            b'K' => Value::Int(self.number(1)? as i64),
            b'M' => Value::Int(self.number(2)? as i64),
            b'J' => Value::Int(self.signed(4)?),
            0x8a => {
                let bytes = self.number(1)?;
                Value::Int(self.signed(bytes)?)
            }
            b'G' => {
                self.take(8)?;
                Value::Other
            }
            // Text and bytes whose length has one byte, four or eight.
            b'U' | b'C' | 0x8c | b'T' | b'B' | b'X' | 0x8d | 0x8e => {
                let length = self.number(match code {
                    b'U' | b'C' | 0x8c => 1,
                    b'T' | b'B' | b'X' => 4,
                    _ => 8,
                })?;
                Value::Bytes(self.take(length)?)
            }
            b'c' => Value::Global(self.line()?, self.line()?),
            _ => return self.made(code),
        };
        self.push(value)
    }

    /// What is made of values on the stack.
    fn made(&mut self, code: u8) -> Option<Next> {
        let value = match code {
            b']' | b')' => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            b't' | b'l' => Value::List(self.above_mark()?),
            0x85..=0x87 => Value::List(self.last(usize::from(code - 0x84))?),
            b'R' | 0x81 => {
                let [callable, arguments] = self.last(2)?.try_into().ok()?;
                Value::Made { callable, arguments, state: None }
            }
            0x93 => {
                let [module, name] = self.last(2)?.try_into().ok()?;
                let (&Value::Bytes(module), &Value::Bytes(name)) = (&self.values[module], &self.values[name]) else {
                    return None;
                };
                Value::Global(module, name)
            }
            _ => return self.told(code),
        };
        self.push(value)
    }

    /// What changes the value below.
    fn told(&mut self, code: u8) -> Option<Next> {
        let items = match code {
            b'a' | b'b' => self.last(1)?,
            b's' => self.last(2)?,
            b'e' | b'u' => self.above_mark()?,
            _ => return Some(Next::Unknown(code)),
        };
        let &below = self.stack.last()?;
        match (&mut self.values[below], code) {
            (Value::List(list), b'a' | b'e') => list.extend(items),
            (Value::Dict(dict), b's' | b'u') => {
                let (pairs, rest) = items.as_chunks::<2>();
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)).filter(|_| rest.is_empty()));
            }
            (Value::Made { state, .. }, b'b') => *state = items.first().copied(),
            _ => return None,
        }
        Some(Next::Go)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(bytes: &[u8]) -> Option<Vec<i64>> {
        let pickle = Pickle::read(bytes).ok()?;
        pickle.ints(pickle.get("k")?)
    }

    #[test]
    fn numbers_of_all_lengths() {
        // {'k': [1, 513, -2, 2**31, True]}, as Python 3 writes it by protocol 4 without its frame.
        let bytes =
            b"\x80\x04}\x94\x8c\x01k\x94]\x94(K\x01M\x01\x02J\xfe\xff\xff\xff\x8a\x05\x00\x00\x00\x80\x00\x88es.";
        assert_eq!(ints(bytes), Some(vec![1, 513, -2, 1 << 31, 1]));
        // The value of a key by its name in the memo, as Python 2 writes what comes twice.
        assert_eq!(ints(b"\x80\x02}q\x00(U\x01kq\x01]q\x02K\x07ah\x01h\x02u."), Some(vec![7]));
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let broken: [&[u8]; 9] =
            [b"", b".", b"(.", b"K\x01(.", b"h\x00.", b"t.", b"K\x01K\x02a.", b"}(K\x01e.", b"\x8a\x09123456789."];
        for program in broken {
            assert!(Pickle::read(program).is_err(), "{program:?}");
        }
        let error = Pickle::read(b"N\x82\x01.").map(|_| ());
        assert!(error.is_err_and(|error| error.contains("0x82")));
    }

    #[test]
    fn programs_are_bounded_and_their_values_may_be_deep() {
        let mut deep = vec![b'N'];
        deep.extend(std::iter::repeat_n(0x85, 500_000));
        deep.push(b'.');
        assert!(Pickle::read(&deep).is_ok());
        for endless in [b'N', b'('] {
            let error = Pickle::read(&vec![endless; 2 * MOST]).map(|_| ());
            assert!(error.is_err_and(|error| error.contains("more than")), "{endless}");
        }
    }
}
