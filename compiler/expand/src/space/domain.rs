//! One domain: drawing from it, checking a setting, and reading and writing settings as text.

use super::SearchVariable;
use crate::codes;
use crate::value::real_text;
use cnasc_base::{Diagnostic, Rng};
use cnasc_ir::program::Domain;

/// What a search variable is set to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Setting {
    /// The alternative of this number, of a choice.
    Choice(usize),
    /// A number of a whole range.
    Int(i64),
    /// A number of a real range, in base units.
    Real(f64),
}

/// The alternative that a checked setting of a choice names.
pub(super) fn pick(setting: Setting) -> usize {
    match setting {
        Setting::Choice(choice) => choice,
        Setting::Int(_) | Setting::Real(_) => usize::MAX,
    }
}

/// How far a real may be from its range or its step and still count as within, relative to the step or the range.
const ROUNDING: f64 = 1e-9;

impl SearchVariable {
    /// Draws a value: uniform over alternatives and steps, uniform over a real range or over its logarithm.
    ///
    /// # Errors
    /// Where the domain has no values.
    pub fn draw(&self, rng: &mut Rng) -> Result<Setting, Diagnostic> {
        match &self.domain {
            Domain::Choice(alternatives) if alternatives.is_empty() => Err(self.bad_domain()),
            Domain::Choice(alternatives) => Ok(Setting::Choice(rng.below(alternatives.len()))),
            Domain::Ints { low, high, step } => {
                let count = steps(*low, *high, *step).ok_or_else(|| self.bad_domain())?;
                let index = i128::try_from(rng.below(count)).map_err(|_| self.bad_domain())?;
                let value = i128::from(*low) + index * i128::from(*step);
                i64::try_from(value).map(Setting::Int).map_err(|_| self.bad_domain())
            }
            Domain::Reals { low, high, step, log } => {
                if !is_real_range(*low, *high, *step, *log) {
                    return Err(self.bad_domain());
                }
                Ok(Setting::Real(draw_real(*low, *high, *step, *log, rng)))
            }
        }
    }

    /// The setting where it is in the domain. A number stands for the alternative that it is, a whole number for a real one,
    /// and a real number within rounding of a step for the step.
    ///
    /// # Errors
    /// Where it is outside.
    pub fn check(&self, setting: Setting) -> Result<Setting, Diagnostic> {
        let found = match (&self.domain, setting) {
            (Domain::Choice(alternatives), Setting::Choice(choice)) => (choice < alternatives.len()).then_some(setting),
            (Domain::Choice(_), Setting::Int(_) | Setting::Real(_)) => {
                self.read_choice(&self.text(setting)).map(Setting::Choice)
            }
            (Domain::Ints { low, high, step }, Setting::Int(value)) => {
                let offset = i128::from(value) - i128::from(*low);
                let fits = (*low..=*high).contains(&value) && offset % i128::from((*step).max(1)) == 0;
                fits.then_some(setting)
            }
            (Domain::Reals { low, high, step, log }, Setting::Int(_) | Setting::Real(_)) => {
                if !is_real_range(*low, *high, *step, *log) {
                    return Err(self.bad_domain());
                }
                let value = match setting {
                    Setting::Real(value) => value,
                    Setting::Int(value) => value as f64,
                    Setting::Choice(_) => return Err(self.outside(&self.text(setting))),
                };
                real_within(*low, *high, *step, value)
            }
            _ => None,
        };
        found.ok_or_else(|| self.outside(&self.text(setting)))
    }

    /// Reads a setting as it is written on a command line: a number, or one of [`SearchVariable::choices`].
    ///
    /// # Errors
    /// Where it is none of the domain.
    pub fn read(&self, text: &str) -> Result<Setting, Diagnostic> {
        let text = text.trim();
        let setting = match &self.domain {
            Domain::Choice(_) => self.read_choice(text).map(Setting::Choice),
            Domain::Ints { .. } => text.parse().ok().map(Setting::Int),
            Domain::Reals { .. } => text.parse().ok().map(Setting::Real),
        };
        self.check(setting.ok_or_else(|| self.outside(text))?)
    }

    /// The setting as source text; an alternative as in [`SearchVariable::choices`].
    #[must_use]
    pub fn text(&self, setting: Setting) -> String {
        match setting {
            Setting::Choice(choice) => self.choices.get(choice).cloned().unwrap_or_else(|| format!("choice {choice}")),
            Setting::Int(value) => value.to_string(),
            Setting::Real(value) => real_text(value),
        }
    }

    /// By its text; else, for `16.0` where `16` is meant, by its number.
    fn read_choice(&self, text: &str) -> Option<usize> {
        let by_number = || {
            let wanted: f64 = text.parse().ok()?;
            self.choices.iter().position(|choice| choice.parse() == Ok(wanted))
        };
        self.choices.iter().position(|choice| choice == text).or_else(by_number)
    }

    fn outside(&self, found: &str) -> Diagnostic {
        let domain = match &self.domain {
            Domain::Choice(_) => format!("one of {}", self.choices.join(", ")),
            Domain::Ints { low, high, step: 1 } => format!("{low} to {high}"),
            Domain::Ints { low, high, step } => format!("{low} to {high} in steps of {step}"),
            Domain::Reals { low, high, step: None, .. } => format!("{} to {}", real_text(*low), real_text(*high)),
            Domain::Reals { low, high, step: Some(step), .. } => {
                format!("{} to {} in steps of {}", real_text(*low), real_text(*high), real_text(*step))
            }
        };
        let message = format!("`{}` can't be {found}; it may be {domain}", self.name);
        Diagnostic::error(codes::OUTSIDE, message).label(self.location, "its domain")
    }

    fn bad_domain(&self) -> Diagnostic {
        let message = format!("the domain of `{}` has no values, or more than can be counted", self.name);
        Diagnostic::error(codes::DOMAIN, message).label(self.location, "this domain")
    }
}

/// How many values low, low + step, … up to high are; at least one.
fn steps(low: i64, high: i64, step: i64) -> Option<usize> {
    if low > high || step < 1 {
        return None;
    }
    usize::try_from((i128::from(high) - i128::from(low)) / i128::from(step) + 1).ok()
}

fn is_real_range(low: f64, high: f64, step: Option<f64>, log: bool) -> bool {
    let counted = step.is_none_or(|step| step > 0.0 && step.is_finite() && last_step(low, high, step) < 9e15);
    low.is_finite() && high.is_finite() && (high - low).is_finite() && low <= high && counted && (!log || low > 0.0)
}

/// The number of the last step from low that is not above high.
fn last_step(low: f64, high: f64, step: f64) -> f64 {
    ((high - low) / step + ROUNDING).floor()
}

fn draw_real(low: f64, high: f64, step: Option<f64>, log: bool, rng: &mut Rng) -> f64 {
    let unit = rng.unit();
    let last = step.map(|step| last_step(low, high, step));
    let value = match (log, step, last) {
        (true, ..) => libm::exp(libm::log(low) + unit * (libm::log(high) - libm::log(low))),
        (false, Some(step), Some(last)) => low + (unit * (last + 1.0)).floor().min(last) * step,
        (false, ..) => low + unit * (high - low),
    };
    let value = match step.zip(last) {
        Some((step, last)) => low + ((value - low) / step).round().clamp(0.0, last) * step,
        None => value,
    };
    value.clamp(low, high)
}

/// The value of the (checked) range that `value` is, within rounding.
fn real_within(low: f64, high: f64, step: Option<f64>, value: f64) -> Option<Setting> {
    let slack = ROUNDING * step.unwrap_or(high - low);
    if !(low - slack..=high + slack).contains(&value) {
        return None;
    }
    let Some(step) = step else { return Some(Setting::Real(value.clamp(low, high))) };
    let nearest = low + ((value - low) / step).round() * step;
    ((nearest - value).abs() <= slack).then(|| Setting::Real(nearest.clamp(low, high)))
}
