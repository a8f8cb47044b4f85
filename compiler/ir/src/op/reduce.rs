//! Reductions: all places of some axes become one.

use super::Axis;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One value for all places of some axes, which keep the extent 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reduce {
    /// What becomes of them.
    pub to: Reduction,
    /// Which axes; at least one.
    pub axes: Axes,
}

/// What becomes of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The greatest.
    Max,
}

/// Some of the three axes. Written as a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Axis>", into = "Vec<Axis>")]
pub struct Axes([bool; 3]);

impl Axes {
    /// Rows and columns.
    pub const PLANE: Self = Self([false, true, true]);

    /// Whether an axis is among them.
    #[must_use]
    pub const fn has(self, axis: Axis) -> bool {
        self.0[axis.index()]
    }

    /// They, in the order of a shape.
    pub fn iter(self) -> impl Iterator<Item = Axis> {
        Axis::ALL.into_iter().filter(move |&axis| self.has(axis))
    }
}

impl FromIterator<Axis> for Axes {
    fn from_iter<T: IntoIterator<Item = Axis>>(axes: T) -> Self {
        let mut found = Self::default();
        for axis in axes {
            found.0[axis.index()] = true;
        }
        found
    }
}

impl From<Vec<Axis>> for Axes {
    fn from(axes: Vec<Axis>) -> Self {
        axes.into_iter().collect()
    }
}

impl From<Axes> for Vec<Axis> {
    fn from(axes: Axes) -> Self {
        axes.iter().collect()
    }
}

impl Reduce {
    pub(super) fn output(&self, input: Shape) -> Result<Shape, String> {
        if self.axes == Axes::default() {
            return Err("needs an axis to go along".to_owned());
        }
        Ok(self.axes.iter().fold(input, |shape, axis| shape.with(axis, 1)))
    }
}

impl fmt::Display for Reduce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.to {
            Reduction::Mean => "reduce mean",
            Reduction::Sum => "reduce sum",
            Reduction::Max => "reduce max",
        })?;
        for (index, axis) in self.axes.iter().enumerate() {
            write!(f, "{}{axis}", if index == 0 { " " } else { "," })?;
        }
        Ok(())
    }
}
