//! Colours that those with any of the common colour vision deficiencies tell apart, and that dark text is read on.
//!
//! Devices take Paul Tol's "light" qualitative scheme, which is made for labelled cells; image sizes take one hue from light to dark.

use cnasc_ir::DeviceId;

/// Of a box and of the text in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour {
    /// Inside.
    pub(super) fill: &'static str,
    /// Text that stands out from it.
    pub(super) ink: &'static str,
}

const DARK: &str = "#16202a";
const LIGHT: &str = "#ffffff";

const fn dark_on(fill: &'static str) -> Colour {
    Colour { fill, ink: DARK }
}

/// Of nodes without a device.
pub(super) const NEUTRAL: Colour = dark_on("#e4e7eb");

/// Lines within a device.
pub(super) const LINE: &str = "#94a0ad";
/// Lines between devices.
pub(super) const SENT: &str = "#c1121f";
/// Text of less weight.
pub(super) const MUTED: &str = "#5b6773";

const DEVICES: [Colour; 8] = [
    dark_on("#77aadd"),
    dark_on("#eedd88"),
    dark_on("#ee8866"),
    dark_on("#44bb99"),
    dark_on("#ffaabb"),
    dark_on("#bbcc33"),
    dark_on("#99ddff"),
    dark_on("#aaaa00"),
];

const LEVELS: [Colour; 7] = [
    dark_on("#e6f1fa"),
    dark_on("#c3dff2"),
    dark_on("#97c6e6"),
    dark_on("#66a9d6"),
    Colour { fill: "#3a86bd", ink: LIGHT },
    Colour { fill: "#22659a", ink: LIGHT },
    Colour { fill: "#154672", ink: LIGHT },
];

/// Of a device. Colours come again after eight; the device's number in the box tells those apart.
pub(super) fn device(device: DeviceId) -> Colour {
    DEVICES[device.index() % DEVICES.len()]
}

/// Of the `index`-th of `count` image sizes: all the way from light to dark, however many there are.
pub(super) fn level(index: usize, count: usize) -> Colour {
    let last = LEVELS.len() - 1;
    // Few sizes take neighbouring steps, so that two sizes are not white and navy.
    let place = if count <= LEVELS.len() { index } else { index * last / (count - 1) };
    LEVELS[place.min(last)]
}
