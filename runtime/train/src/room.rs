//! Memory for the numbers of a whole batch, which nobody clears as a whole: each part is cleared just before it is written, where that is in
//! the cache of whoever writes it.

#![allow(unsafe_code, reason = "memory that was not written yet, whose parts are counted as they are")]

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Numbers that come to be by parts.
#[derive(Debug)]
pub struct Room {
    numbers: Vec<f32>,
    count: usize,
    /// How many of them are written.
    written: AtomicUsize,
}

/// A part of them.
#[derive(Debug)]
pub struct Part<'a> {
    numbers: &'a mut [MaybeUninit<f32>],
    /// Whether they are written.
    is_written: bool,
    written: &'a AtomicUsize,
}

impl Room {
    /// For so many numbers.
    pub fn new(count: usize) -> Self {
        Self::behind(Vec::new(), count)
    }

    /// These numbers, or where there are none, so many.
    ///
    /// # Panics
    /// Where there is another number of them.
    pub fn behind(there: Vec<f32>, count: usize) -> Self {
        if there.is_empty() {
            return Self { numbers: Vec::with_capacity(count), count, written: AtomicUsize::new(0) };
        }
        assert_eq!(there.len(), count, "what is there is of the same size");
        Self { numbers: there, count, written: AtomicUsize::new(count) }
    }

    /// Parts of so many numbers; the last may have fewer.
    ///
    /// # Panics
    /// Where some of other parts were opened.
    pub fn parts(&mut self, size: usize) -> Vec<Part<'_>> {
        let so_far = *self.written.get_mut();
        assert!(so_far == 0 || so_far == self.count, "a part would be counted twice");
        let (numbers, written, is_written) = (&mut self.numbers, &self.written, so_far == self.count);
        let first = numbers.as_mut_ptr().cast::<MaybeUninit<f32>>();
        // SAFETY: the vector has room for as many, and is borrowed alone for as long as the parts are.
        let all = unsafe { std::slice::from_raw_parts_mut(first, self.count) };
        all.chunks_mut(size).map(|numbers| Part { numbers, is_written, written }).collect()
    }

    /// All of the numbers.
    ///
    /// # Panics
    /// Where a part was not opened.
    pub fn into_numbers(mut self) -> Vec<f32> {
        assert_eq!(*self.written.get_mut(), self.count, "every part is written");
        // SAFETY: as many numbers are written: each part is counted once, since it is given away when it is opened.
        unsafe { self.numbers.set_len(self.count) };
        self.numbers
    }
}

impl<'a> Part<'a> {
    /// Its numbers, which are zeros if they were not there before.
    pub fn open(self) -> &'a mut [f32] {
        if !self.is_written {
            self.numbers.fill(MaybeUninit::new(0.0));
            self.written.fetch_add(self.numbers.len(), Ordering::Relaxed);
        }
        let count = self.numbers.len();
        // SAFETY: all of them are written.
        unsafe { std::slice::from_raw_parts_mut(self.numbers.as_mut_ptr().cast::<f32>(), count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_begin_as_zeros_and_stay() {
        let mut room = Room::new(5);
        for (index, part) in room.parts(2).into_iter().enumerate() {
            let numbers = part.open();
            assert!(numbers.iter().all(|number| *number == 0.0));
            numbers[0] = index as f32 + 1.0;
        }
        let numbers = room.into_numbers();
        assert_eq!(numbers, [1.0, 0.0, 2.0, 0.0, 3.0]);
        let mut room = Room::behind(numbers, 5);
        room.parts(3).into_iter().for_each(|part| part.open()[0] += 4.0);
        assert_eq!(room.into_numbers(), [5.0, 0.0, 2.0, 4.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "every part is written")]
    fn parts_that_were_not_opened_are_noticed() {
        let mut room = Room::new(4);
        room.parts(2).remove(1).open();
        room.into_numbers();
    }
}
