//! The pages of `cnasc explain`: the front end's, and those of drawing, files, running, and what is not there yet.

/// One page.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Such as `E0201`.
    pub code: &'static str,
    /// Markdown; its first line is the title.
    pub text: &'static str,
}

impl Page {
    /// The title without the code.
    #[must_use]
    pub fn title(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches("# ").trim_start_matches(self.code).trim_start_matches(": ")
    }
}

/// Every page in the order of the codes.
pub fn all() -> impl Iterator<Item = Page> {
    let front = cnasc_frontend::CODES.iter().map(|(code, text)| Page { code: code.0, text });
    let mut pages: Vec<Page> = front.chain(OWN.iter().map(|&(code, text)| Page { code, text })).collect();
    pages.sort_by_key(|page| page.code);
    pages.into_iter()
}

macro_rules! pages {
    ($($code:literal)*) => {
        /// The pages of codes that other stations than the front end give.
        const OWN: &[(&str, &str)] = &[$(($code, include_str!(concat!("pages/", $code, ".md")))),*];
    };
}

pages! {
    "E0501" "E0502" "E0503" "E0504" "E0505" "E0506" "E0507" "E0510"
    "E0511" "E0512" "E0513" "E0514" "E0520" "E0521" "E0522" "E0523"
    "E0524" "E0525" "E0526" "E0530" "E0531" "E0532" "E0601" "E0602"
    "E0603" "E0604" "E0605" "E0606" "E0607" "E0701" "E0608" "E0703"
    "E0704" "E0609" "E0610" "E0611" "E0612" "E0613" "E0614" "E0615" "E0616" "E0617" "E0618" "E0620" "E0621" "E0622" "E0640" "E0641" "E0642"
    "E0643" "E0644" "E0650" "E0651" "E0652" "E0705" "E0706" "E0707" "E0920"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_page() {
        let codes: Vec<&str> = all().map(|page| page.code).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "a code has two pages: {codes:?}");
        let given = cnasc_expand::codes::ALL.iter().chain(crate::failure::codes::ALL).chain(cnasc_search::study::CODES);
        for code in given {
            assert!(codes.contains(&code.0), "{code} has no page");
        }
        assert!(all().all(|page| !page.title().is_empty()));
    }
}
