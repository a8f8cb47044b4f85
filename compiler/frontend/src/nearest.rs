//! Word × words that exist → the one that was probably meant.
//!
//! Distance is that of Damerau and Levenshtein with adjacent letters swapped at most once (optimal string alignment), upper and
//! lower case being equal.

/// Words longer than this are compared with nothing: nobody means another word by them, and the comparison is quadratic.
const LONGEST: usize = 48;

/// As many words are looked at; a file that declares more is not waiting for this.
const MOST: usize = 4096;

/// The fewest letters that a word must share with the beginning of a longer one.
const PREFIX: usize = 3;

/// The nearest of `candidates`, the first of equals; else the only one that goes on where `word` ends; none where all are too
/// far away to be meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = folded(word);
    if letters.len() > LONGEST {
        return None;
    }
    // A third of the letters may be wrong; of one letter, that letter only in its case.
    let allowed = if letters.len() < 2 { 0 } else { (letters.len() / 3).max(1) };
    let mut best: Option<(usize, &str)> = None;
    let mut longer: Vec<&str> = Vec::new();
    for candidate in candidates.into_iter().take(MOST) {
        let other = folded(candidate);
        if other.len() > LONGEST || candidate == word {
            continue;
        }
        let distance = distance(&letters, &other);
        if letters.len() >= PREFIX && other.starts_with(&letters) {
            longer.push(candidate);
        }
        // A replacement of every letter is no likeness.
        let alike = distance <= allowed && distance < other.len();
        if alike && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    match (best, longer.as_slice()) {
        (Some((_, candidate)), _) => Some(candidate),
        (None, [only]) => Some(only),
        _ => None,
    }
}

fn folded(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).collect()
}

fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_found() {
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            ("spconv", &["conv_bn_relu", "sepconv"], Some("sepconv")),
            ("reach", &["reahc", "each"], Some("reahc")),
            ("gib", &["GB", "GiB"], Some("GiB")),
            ("zebra", &["relu", "bn"], None),
            ("m", &["M", "s"], Some("M")),
            ("x", &["y"], None),
            ("bn", &["bm", "an"], Some("bm")),
            ("", &["a"], None),
            ("concurrency", &["concurrency_score", "depth"], Some("concurrency_score")),
            ("max", &["maxpool", "maximize"], None),
        ];
        for (word, candidates, expected) in cases {
            assert_eq!(nearest(word, candidates.iter().copied()), *expected, "{word}");
        }
    }
}
