//! The units of the language: word → what it multiplies by and which dimension it has; and dimensions in words.
//!
//! Quantities are held in seconds, bits, floating-point operations and joules. Decimal prefixes shift the decimal point of the
//! number as written, so that `200 us` is the real number nearest to 0.0002 and not a product rounded twice.

use cnasc_ir::program::Dimension;

/// A plain number's dimension.
pub(crate) const PLAIN: Dimension = Dimension { data: 0, time: 0, work: 0, energy: 0 };
/// Bits.
pub(crate) const DATA: Dimension = Dimension { data: 1, ..PLAIN };
/// Seconds.
pub(crate) const TIME: Dimension = Dimension { time: 1, ..PLAIN };
/// Bits a second.
pub(crate) const RATE: Dimension = Dimension { time: -1, ..DATA };
/// Floating-point operations.
pub(crate) const WORK: Dimension = Dimension { work: 1, ..PLAIN };
/// Floating-point operations a second.
pub(crate) const COMPUTE: Dimension = Dimension { time: -1, ..WORK };
/// Joules.
pub(crate) const ENERGY: Dimension = Dimension { energy: 1, ..PLAIN };
/// Watts.
pub(crate) const POWER: Dimension = Dimension { time: -1, ..ENERGY };

/// The word that a search's budget is counted in; a unit nowhere else.
pub(crate) const CANDIDATES: &str = "candidates";

/// What a unit means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Unit {
    /// Of a quantity in this unit.
    pub(crate) dimension: Dimension,
    /// Places by which the decimal point moves to the right.
    exponent: i32,
    /// A factor that is no power of ten.
    factor: f64,
}

/// Words, dimension, powers of ten and another factor. Those that have a form with `/s` are marked.
const UNITS: &[(&str, Dimension, i32, f64, bool)] = &[
    ("K", PLAIN, 3, 1.0, false),
    ("M", PLAIN, 6, 1.0, false),
    ("G", PLAIN, 9, 1.0, false),
    ("B", DATA, 0, 8.0, true),
    ("KB", DATA, 3, 8.0, true),
    ("MB", DATA, 6, 8.0, true),
    ("GB", DATA, 9, 8.0, true),
    ("KiB", DATA, 0, 8_192.0, true),
    ("MiB", DATA, 0, 8_388_608.0, true),
    ("GiB", DATA, 0, 8_589_934_592.0, true),
    ("bit", DATA, 0, 1.0, true),
    ("kbit", DATA, 3, 1.0, true),
    ("Mbit", DATA, 6, 1.0, true),
    ("Gbit", DATA, 9, 1.0, true),
    ("ns", TIME, -9, 1.0, false),
    ("us", TIME, -6, 1.0, false),
    ("ms", TIME, -3, 1.0, false),
    ("s", TIME, 0, 1.0, false),
    ("min", TIME, 0, 60.0, false),
    ("h", TIME, 0, 3_600.0, false),
    ("FLOP", WORK, 0, 1.0, true),
    ("MFLOP", WORK, 6, 1.0, true),
    ("GFLOP", WORK, 9, 1.0, true),
    ("TFLOP", WORK, 12, 1.0, true),
    ("J", ENERGY, 0, 1.0, false),
    ("mJ", ENERGY, -3, 1.0, false),
    ("W", POWER, 0, 1.0, false),
    ("mW", POWER, -3, 1.0, false),
];

/// Spellings of other places and what is meant by them.
const FOREIGN: &[(&str, &str)] = &[
    ("bps", "bit/s"),
    ("kbps", "kbit/s"),
    ("Mbps", "Mbit/s"),
    ("Gbps", "Gbit/s"),
    ("FLOPS", "FLOP/s"),
    ("MFLOPS", "MFLOP/s"),
    ("GFLOPS", "GFLOP/s"),
    ("TFLOPS", "TFLOP/s"),
    ("FLOPs", "FLOP"),
    ("MFLOPs", "MFLOP"),
    ("GFLOPs", "GFLOP"),
    ("k", "K"),
    ("kB", "KB"),
    ("sec", "s"),
    ("seconds", "s"),
    ("minutes", "min"),
    ("hours", "h"),
    ("bytes", "B"),
    ("bits", "bit"),
    ("Kbit", "kbit"),
    ("million", "M"),
];

/// The unit of this word.
pub(crate) fn find(word: &str) -> Option<Unit> {
    let (base, per_second) = match word.strip_suffix("/s") {
        Some(base) => (base, true),
        None => (word, false),
    };
    let &(_, dimension, exponent, factor, has_rate) = UNITS.iter().find(|unit| unit.0 == base)?;
    if per_second && !has_rate {
        return None;
    }
    let dimension = if per_second { Dimension { time: -1, ..dimension } } else { dimension };
    Some(Unit { dimension, exponent, factor })
}

/// The unit that was probably meant by a word that is none.
pub(crate) fn nearest(word: &str) -> Option<String> {
    if let Some((_, meant)) = FOREIGN.iter().find(|(foreign, _)| *foreign == word) {
        return Some((*meant).to_owned());
    }
    let all: Vec<String> = UNITS
        .iter()
        .flat_map(|unit| [Some(unit.0.to_owned()), unit.4.then(|| format!("{}/s", unit.0))])
        .flatten()
        .chain([CANDIDATES.to_owned()])
        .collect();
    crate::nearest::nearest(word, all.iter().map(String::as_str)).map(str::to_owned)
}

/// `digits` in `unit`, in base units; infinite where it is too large.
pub(crate) fn scaled(digits: &str, unit: Option<Unit>) -> f64 {
    let Some(unit) = unit else { return digits.parse().unwrap_or(f64::INFINITY) };
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    // An exponent that leaves 32 bits is as good as the greatest: the result is 0 or infinite either way.
    let fallback = if exponent.starts_with('-') { -1_000_000 } else { 1_000_000 };
    let exponent = exponent.parse().unwrap_or(fallback).clamp(-1_000_000, 1_000_000) + unit.exponent;
    format!("{mantissa}e{exponent}").parse::<f64>().unwrap_or(f64::INFINITY) * unit.factor
}

/// The product of two quantities' dimensions; nothing where a power leaves what is counted.
pub(crate) fn product(left: Dimension, right: Dimension) -> Option<Dimension> {
    combined(left, right, i8::checked_add)
}

/// The quotient of two quantities' dimensions.
pub(crate) fn quotient(left: Dimension, right: Dimension) -> Option<Dimension> {
    combined(left, right, i8::checked_sub)
}

fn combined(left: Dimension, right: Dimension, with: fn(i8, i8) -> Option<i8>) -> Option<Dimension> {
    Some(Dimension {
        data: with(left.data, right.data)?,
        time: with(left.time, right.time)?,
        work: with(left.work, right.work)?,
        energy: with(left.energy, right.energy)?,
    })
}

/// The types of quantities by their names in the language, and an example of each.
pub(crate) const QUANTITIES: &[(&str, Dimension, &str, &str)] = &[
    ("data", DATA, "an amount of data", "64 MiB"),
    ("time", TIME, "a time", "20 ms"),
    ("rate", RATE, "a rate of data", "1 Gbit/s"),
    ("work", WORK, "an amount of work", "300 MFLOP"),
    ("compute", COMPUTE, "a rate of work", "8 GFLOP/s"),
    ("energy", ENERGY, "an energy", "50 mJ"),
    ("power", POWER, "a power", "5 W"),
];

/// A dimension in words.
pub(crate) fn describe(dimension: Dimension) -> String {
    if dimension == PLAIN {
        return "a plain number".to_owned();
    }
    if let Some(quantity) = QUANTITIES.iter().find(|quantity| quantity.1 == dimension) {
        return quantity.2.to_owned();
    }
    let powers = [("bit", dimension.data), ("FLOP", dimension.work), ("J", dimension.energy), ("s", dimension.time)];
    let parts: Vec<String> = powers
        .iter()
        .filter(|(_, power)| *power != 0)
        .map(|(unit, power)| if *power == 1 { (*unit).to_owned() } else { format!("{unit}^{power}") })
        .collect();
    format!("a quantity in {}", parts.join("·"))
}

/// An example of a quantity of this dimension, where it has a name.
pub(crate) fn example(dimension: Dimension) -> Option<&'static str> {
    QUANTITIES.iter().find(|quantity| quantity.1 == dimension).map(|quantity| quantity.3)
}

#[cfg(test)]
mod tests {
    use super::{DATA, RATE, TIME, describe, find, nearest, product, quotient, scaled};

    fn value(digits: &str, unit: &str) -> f64 {
        scaled(digits, find(unit))
    }

    #[test]
    fn numbers_are_scaled_to_base_units() {
        let cases = [
            ("200", "us", 200e-6),
            ("1", "Gbit/s", 1e9),
            ("64", "MiB", 64.0 * 1024.0 * 1024.0 * 8.0),
            ("1.5", "M", 1_500_000.0),
            ("13.5", "GFLOP/s", 13.5e9),
            ("2", "h", 7200.0),
            ("1e3", "KB", 8e6),
            ("5e-1", "ms", 0.0005),
            ("1e999999999999", "s", f64::INFINITY),
            ("1e-999999999999", "s", 0.0),
        ];
        for (digits, unit, expected) in cases {
            assert_eq!(value(digits, unit), expected, "{digits} {unit}");
        }
        assert!(find("ms/s").is_none() && find("candidates").is_none() && find("Kbit").is_none());
    }

    #[test]
    fn dimensions_combine_and_have_names() {
        assert_eq!(quotient(DATA, TIME), Some(RATE));
        assert_eq!(product(RATE, TIME), Some(DATA));
        assert_eq!(describe(RATE), "a rate of data");
        assert_eq!(product(RATE, RATE).map(describe), Some("a quantity in bit^2·s^-2".to_owned()));
        let mut power = DATA;
        for _ in 0..6 {
            power = product(power, power).expect("2^6 fits");
        }
        assert_eq!(product(power, power), None, "128 does not fit");
    }

    #[test]
    fn other_spellings_are_understood() {
        let cases = [("Gbps", Some("Gbit/s")), ("mb", Some("MB")), ("GFLOPS", Some("GFLOP/s")), ("furlongs", None)];
        for (word, expected) in cases {
            assert_eq!(nearest(word).as_deref(), expected, "{word}");
        }
    }
}
