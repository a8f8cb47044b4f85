//! Numbers, shapes and names as a picture shows them.

use cnasc_ir::shape::Shape;

/// `3 M`, `35.6 M`, `812`: three digits and a decimal prefix.
pub(super) fn count(value: u64) -> String {
    scaled(value as f64, 1000.0, &["", " k", " M", " G", " T", " P", " E"])
}

/// `1.25 MiB`
pub(super) fn bytes(value: u64) -> String {
    scaled(value as f64, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"])
}

/// `12.3 ms`
pub(super) fn seconds(value: f64) -> String {
    scaled(value * 1e9, 1000.0, &[" ns", " us", " ms", " s"])
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let (mut value, mut unit) = (value, 0);
    // Half a unit of the third digit below the step already rounds to it.
    while value >= step * 0.9995 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let digits = match value {
        _ if unit == 0 && value.fract() == 0.0 => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}{}", units[unit])
}

/// `64×14²`, `64×14×7`, and `10` for a vector.
pub(super) fn shape(shape: Shape) -> String {
    match (shape.height, shape.width) {
        (1, 1) => shape.channels.to_string(),
        (height, width) if height == width => format!("{}×{height}²", shape.channels),
        (height, width) => format!("{}×{height}×{width}", shape.channels),
    }
}

/// The end of a name, where the whole is wider than `columns`; characters beyond Latin count as two.
pub(super) fn shortened(name: &str, columns: usize) -> String {
    let width = |character: char| if u32::from(character) < 0x250 { 1 } else { 2 };
    if name.chars().map(width).sum::<usize>() <= columns {
        return name.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |character: &char| {
        let fits = width(*character) <= left;
        left = left.saturating_sub(width(*character));
        fits
    };
    let end: Vec<char> = name.chars().rev().take_while(fits).collect();
    std::iter::once('…').chain(end.into_iter().rev()).collect()
}

/// Text for XML: markup escaped, and characters that XML has no way to write replaced.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let counts = [0, 7, 812, 999, 1000, 1234, 35_640_000, 999_960].map(count);
        assert_eq!(counts, ["0", "7", "812", "999", "1.00 k", "1.23 k", "35.6 M", "1.00 M"]);
        assert_eq!([0, 512, 1536, 5 << 20].map(bytes), ["0 B", "512 B", "1.50 KiB", "5.00 MiB"]);
        assert_eq!([0.0123, 2e-7, 75.0].map(seconds), ["12.3 ms", "200 ns", "75.0 s"]);
    }

    #[test]
    fn shapes() {
        let shapes = [Shape::new(64, 14, 14), Shape::new(64, 14, 7), Shape::new(10, 1, 1)].map(shape);
        assert_eq!(shapes, ["64×14²", "64×14×7", "10"]);
    }

    #[test]
    fn names() {
        assert_eq!(shortened("body.12", 10), "body.12");
        assert_eq!(shortened("stage3.body.12", 10), "…3.body.12");
        assert_eq!(shortened("网络网络网络", 10), "…网络网络");
        assert_eq!(xml("a<b> & \"c\"\u{1}"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}");
    }
}
