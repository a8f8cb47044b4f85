//! Charts as SVG text: panels of bars, lines, bands and dots over two axes, with a legend above. Figures in, one file out; no clock,
//! no font is measured (labels are placed by their anchors), and the same figures give the same bytes.

use std::fmt::Write;

/// Height of the plotting area of one panel, its width beside others and alone, and the space around it.
const TALL: f64 = 210.0;
const WIDE: f64 = 300.0;
const ALONE: f64 = 480.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Above all panels.
const HEAD: f64 = 58.0;

/// A picture: panels in a grid under one title.
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What the marks mean.
    pub legend: Vec<(Mark, String)>,
    /// Row by row.
    pub panels: Vec<Panel>,
    /// Panels beside each other.
    pub columns: usize,
}

/// One pair of axes with what is drawn over them.
pub struct Panel {
    /// Above the axes.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Drawn in order.
    pub layers: Vec<Layer>,
}

/// An axis from `from` to `to`.
pub struct Axis {
    /// What it measures, with the unit.
    pub label: String,
    /// The least value.
    pub from: f64,
    /// The greatest value.
    pub to: f64,
    /// Whether equal ratios take equal lengths.
    pub log: bool,
    /// Words at places instead of round numbers.
    pub words: Vec<(f64, String)>,
}

/// Something drawn over a panel's axes, in their values.
pub struct Layer {
    /// How it is drawn.
    pub mark: Mark,
    /// Where: x, y, and the second y of a band, the half length of a whisker, or the half width of a bar.
    pub points: Vec<(f64, f64, f64)>,
}

/// A way of drawing.
#[derive(Clone, Copy)]
pub enum Mark {
    /// From the axis to y; the third number is half the bar's width.
    Bar(Color),
    /// From y − s to y + s.
    Whisker,
    /// The published value: a diamond.
    Published,
    /// Points joined in order.
    Line(Color),
    /// Between two values of y.
    Band(Color),
    /// Small discs.
    Dots(Color),
}

/// As SVG writes it.
pub type Color = &'static str;

impl Axis {
    /// Round numbers from 0 to a little above `to`.
    pub fn from_zero(label: &str, to: f64) -> Self {
        let step = step(to / 5.0);
        Self { label: label.to_owned(), from: 0.0, to: (to / step).ceil() * step, log: false, words: vec![] }
    }

    /// Equal ratios, around the values given.
    pub fn ratios(label: &str, values: impl Iterator<Item = f64> + Clone) -> Self {
        let from = values.clone().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min) / 1.15;
        let to = values.fold(0.0, f64::max) * 1.15;
        Self { label: label.to_owned(), from, to, log: true, words: vec![] }
    }

    /// The place of a value: 0 at the axis' beginning, 1 at its end.
    fn place(&self, value: f64) -> f64 {
        if self.log {
            libm::log(value / self.from) / libm::log(self.to / self.from)
        } else {
            (value - self.from) / (self.to - self.from)
        }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        if !self.words.is_empty() {
            return self.words.clone();
        }
        let named = |value: f64| (value, number(value));
        if !self.log {
            let step = step((self.to - self.from) / 5.0);
            let first = (self.from / step).ceil() as i64;
            let last = (self.to / step + 1e-9).floor() as i64;
            return (first..=last).map(|index| named(index as f64 * step)).collect();
        }
        let within = |digits: &'static [f64]| {
            let all =
                (-9_i32..=12).flat_map(|decade| digits.iter().map(move |digit| digit * libm::exp10(f64::from(decade))));
            all.filter(|value| (self.from..=self.to).contains(value)).map(named).collect::<Vec<_>>()
        };
        let few = within(&[1.0, 2.0, 5.0]);
        if few.len() > 3 { few } else { within(&[1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]) }
    }
}

/// The round number (1, 2 or 5 times a power of ten) that is at least `rough`.
fn step(rough: f64) -> f64 {
    let power = libm::exp10(libm::log10(rough.max(1e-12)).floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= rough * 0.999).unwrap_or(power)
}

fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

/// Draws it.
pub fn svg(chart: &Chart) -> String {
    let columns = chart.columns.max(1);
    let rows = chart.panels.len().div_ceil(columns);
    let wide = if columns == 1 { ALONE } else { WIDE };
    let cell = (LEFT + wide + RIGHT, TOP + TALL + BOTTOM);
    let (width, height) = (columns as f64 * cell.0 + 8.0, HEAD + rows as f64 * cell.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    text(&mut out, (LEFT, 22.0), "start", "font-size=\"15\" font-weight=\"bold\"", &chart.title);
    legend(&mut out, &chart.legend);
    for (index, panel) in chart.panels.iter().enumerate() {
        let (column, row) = ((index % columns) as f64, (index / columns) as f64);
        let at = (column * cell.0 + LEFT, HEAD + row * cell.1 + TOP);
        draw(&mut out, panel, at, wide);
    }
    out.push_str("</svg>\n");
    out
}

fn legend(out: &mut String, entries: &[(Mark, String)]) {
    let mut x = LEFT;
    for (mark, name) in entries {
        let (left, y) = (x, 42.0);
        match mark {
            Mark::Line(color) => line(out, (left, y), (left + 14.0, y), color, 2.0),
            Mark::Whisker => whisker(out, left + 7.0, (y - 6.0, y + 6.0)),
            Mark::Published => diamond(out, (left + 7.0, y)),
            Mark::Dots(color) => discs(out, std::iter::once((left + 7.0, y)), color),
            Mark::Bar(color) => rect(out, (left, y - 5.0), (14.0, 10.0), color, 1.0),
            Mark::Band(color) => rect(out, (left, y - 5.0), (14.0, 10.0), color, 0.25),
        }
        text(out, (left + 20.0, y + 4.0), "start", "", name);
        // Helvetica's letters are a little over half as wide as high.
        x += 38.0 + 6.4 * name.chars().count() as f64;
    }
}

fn draw(out: &mut String, panel: &Panel, (left, top): (f64, f64), wide: f64) {
    let (right, bottom) = (left + wide, top + TALL);
    text(out, (left, top - 9.0), "start", "font-weight=\"bold\"", &panel.title);
    for (value, name) in panel.y.ticks() {
        let y = bottom - panel.y.place(value) * TALL;
        line(out, (left, y), (right, y), "#e4e4e4", 1.0);
        text(out, (left - 6.0, y + 4.0), "end", "", &name);
    }
    for (value, name) in panel.x.ticks() {
        let x = left + panel.x.place(value) * wide;
        if panel.x.words.is_empty() {
            line(out, (x, bottom), (x, bottom + 4.0), "#555", 1.0);
        }
        text(out, (x, bottom + 17.0), "middle", "", &name);
    }
    let to = |x: f64, y: f64| {
        let clamp = |place: f64| place.clamp(0.0, 1.0);
        (left + clamp(panel.x.place(x)) * wide, bottom - clamp(panel.y.place(y)) * TALL)
    };
    for layer in &panel.layers {
        mark(out, layer, &to, bottom);
    }
    line(out, (left, bottom), (right, bottom), "#555", 1.0);
    text(out, (left + wide / 2.0, bottom + 36.0), "middle", "fill=\"#444\"", &panel.x.label);
    let (x, y) = (left - 44.0, top + TALL / 2.0);
    let turned = format!("fill=\"#444\" transform=\"rotate(-90 {x:.1} {y:.1})\"");
    text(out, (x, y), "middle", &turned, &panel.y.label);
}

fn mark(out: &mut String, layer: &Layer, to: &dyn Fn(f64, f64) -> (f64, f64), bottom: f64) {
    let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
    };
    match layer.mark {
        Mark::Line(color) => {
            let points = path(&mut layer.points.iter().map(|&(x, y, _)| to(x, y)));
            let _ =
                writeln!(out, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>");
        }
        Mark::Band(color) => {
            let there = layer.points.iter().map(|&(x, y, _)| to(x, y));
            let back = layer.points.iter().rev().map(|&(x, _, y)| to(x, y));
            let points = path(&mut there.chain(back));
            let _ = writeln!(out, "<polygon points=\"{points}\" fill=\"{color}\" fill-opacity=\"0.25\"/>");
        }
        Mark::Dots(color) => discs(out, layer.points.iter().map(|&(x, y, _)| to(x, y)), color),
        _ => {
            for &(x, y, third) in &layer.points {
                let at = to(x, y);
                match layer.mark {
                    Mark::Bar(color) => {
                        let (start, end) = (to(x - third, y).0, to(x + third, y).0);
                        rect(out, (start, at.1), (end - start, bottom - at.1), color, 1.0);
                    }
                    Mark::Whisker => whisker(out, at.0, (to(x, y + third).1, to(x, y - third).1)),
                    Mark::Published => diamond(out, at),
                    // Drawn above.
                    Mark::Dots(_) | Mark::Line(_) | Mark::Band(_) => {}
                }
            }
        }
    }
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, style: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{words}</text>");
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), color: &str, width: f64) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let ends = format!("x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"");
    let _ = writeln!(out, "<line {ends} stroke=\"{color}\" stroke-width=\"{width}\"/>");
}

fn rect(out: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), color: &str, opacity: f64) {
    let place = format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"");
    let _ = writeln!(out, "<rect {place} fill=\"{color}\" fill-opacity=\"{opacity}\"/>");
}

fn whisker(out: &mut String, x: f64, (top, bottom): (f64, f64)) {
    line(out, (x, top), (x, bottom), "#222", 1.0);
    for y in [top, bottom] {
        line(out, (x - 2.5, y), (x + 2.5, y), "#222", 1.0);
    }
}

fn diamond(out: &mut String, (x, y): (f64, f64)) {
    let points = format!("{:.1},{y:.1} {x:.1},{:.1} {:.1},{y:.1} {x:.1},{:.1}", x - 4.5, y - 4.5, x + 4.5, y + 4.5);
    let _ = writeln!(out, "<polygon points=\"{points}\" fill=\"#fff\" stroke=\"#222\" stroke-width=\"1.4\"/>");
}

/// Lines of no length with round ends: a dozen bytes a disc, where a circle each would take a hundred.
fn discs(out: &mut String, centres: impl Iterator<Item = (f64, f64)>, color: &str) {
    let path: String = centres.map(|(x, y)| format!("M{x:.1} {y:.1}h0")).collect();
    let stroke = "stroke-width=\"4.4\" stroke-linecap=\"round\" stroke-opacity=\"0.55\"";
    let _ = writeln!(out, "<path d=\"{path}\" stroke=\"{color}\" {stroke}/>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let check = |axis: &Axis, expect: &[&str]| {
            assert_eq!(axis.ticks().into_iter().map(|(_, name)| name).collect::<Vec<_>>(), expect);
        };
        check(&Axis::from_zero("", 24.0), &["0", "5", "10", "15", "20", "25"]);
        check(&Axis::from_zero("", 1.0), &["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        check(&Axis::ratios("", [4.0, 9.0].into_iter()), &["4", "5", "7", "10"]);
    }

    #[test]
    fn places_are_even_in_the_logarithm() {
        let axis = Axis { label: String::new(), from: 1.0, to: 100.0, log: true, words: vec![] };
        assert!((axis.place(10.0) - 0.5).abs() < 1e-12);
    }
}
