//! What is wrong with a piece that no rule took.
//!
//! The piece is read once more by the one rule that it seems to be; the furthest place that rule came to is where the mistake
//! is, and the rules tried there are what was expected.

use super::build::Source;
use super::{Grammar, Rule, span};
use crate::error::{SyntaxError, SyntaxErrorKind};
use crate::lexis::{ITEM_WORDS, Token, TokenKind};
use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};

/// The longest piece of the user's text that a message repeats, in characters.
const LONGEST_FOUND: usize = 40;

/// Words for people, in the order in which a message lists them, and the rules they stand for.
const WORDS: &[(&str, &[Rule])] = &[
    ("an expression", &[Rule::value, Rule::expr, Rule::prefix, Rule::paren, Rule::list]),
    (A_PATH, &[Rule::path, Rule::file_path]),
    ("a name", &[Rule::name, Rule::call]),
    ("a parameter", &[Rule::param]),
    ("a parameter's type", &[Rule::type_name]),
    ("a name in quotation marks", &[Rule::text]),
    (VALUE_ON_LINE, &[Rule::gap]),
    ("an argument", &[Rule::arg, Rule::label]),
    ("`{`", &[Rule::open_brace, Rule::group_of]),
    ("a range `low .. high`", &[Rule::range, Rule::kw_log]),
    ("`(`", &[Rule::open_paren, Rule::params]),
    ("`[`", &[Rule::open_bracket, Rule::count]),
    ("`=`", &[Rule::equals]),
    ("`:`", &[Rule::colon]),
    ("`<->`", &[Rule::both_ways]),
    ("`..`", &[Rule::dots]),
    ("`with probability`", &[Rule::probability, Rule::kw_with]),
    ("`probability`", &[Rule::kw_probability]),
    ("`if`", &[Rule::condition, Rule::kw_if]),
    ("`by degree`", &[Rule::kw_by]),
    ("`degree`", &[Rule::kw_degree]),
    ("`rewired with probability`", &[Rule::kw_rewired]),
    ("`double`", &[Rule::kw_double]),
    ("`times`", &[Rule::kw_times]),
    ("`keep`", &[Rule::kw_keep]),
    ("`up to`", &[Rule::kw_up]),
    ("`to`", &[Rule::kw_to]),
    ("`joined by`", &[Rule::kw_joined]),
    ("`of`", &[Rule::kw_of]),
    ("`staged`", &[Rule::kw_staged]),
    ("`seed`", &[Rule::kw_seed]),
    ("`step`", &[Rule::kw_step]),
    ("`,`", &[Rule::comma]),
    ("`)`", &[Rule::close_paren]),
    ("`]`", &[Rule::close_bracket]),
    ("`}`", &[Rule::close_brace]),
    ("`->`", &[Rule::arrow]),
    ("an operator", &[Rule::infix]),
    (LINE_END, &[Rule::EOI]),
];

const A_PATH: &str = "a path such as `std::blocks::sepconv` or `\"common.cnas\"::local`";
const VALUE_ON_LINE: &str = "a value on the same line";
const LINE_END: &str = "the end of the line";

/// The error of an entry in `start..end`, and the token after which the entry stops although the grammar went on with the next.
pub fn entry<'a>(source: &Source<'a>, start: usize, end: usize) -> (SyntaxError, Option<&'a Token>) {
    let Some(first) = token_at(source, start) else { return (unexpected(source, start, vec!["an entry"]), None) };
    if let Some(error) = no_entry(source, first) {
        return (error, None);
    }
    let Some(failure) = failure(source, Rule::only_entry, start, end) else {
        return (unexpected(source, end, vec!["an entry"]), None);
    };
    if let Some(dangling) = overrun(source, start, failure.at)
        && let Some(earlier) = self::failure(source, Rule::only_entry, start, dangling.end)
        && earlier.at == dangling.end
    {
        return (explain(source, &Failure { at_line_end: true, ..earlier }), Some(dangling));
    }
    (explain(source, &failure), None)
}

/// The error of a token that no entry begins with.
fn no_entry(source: &Source<'_>, first: &Token) -> Option<SyntaxError> {
    let word = text_of(source, first);
    if first.kind == TokenKind::Word && whole(Rule::item_word, word) {
        let kind = SyntaxErrorKind::DeclarationInside { word: word.to_owned() };
        return Some(SyntaxError { span: span(first.start, first.end), kind });
    }
    if first.kind == TokenKind::Word && !whole(Rule::reserved, word) {
        return None;
    }
    Some(foreign(source, first, &[]).unwrap_or_else(|| unexpected(source, first.start, vec!["an entry"])))
}

/// The error of an item, or of the head of one, in `start..end`.
pub fn item(source: &Source<'_>, start: usize, end: usize) -> SyntaxError {
    let Some(first) = token_at(source, start) else { return unexpected(source, start, vec!["a declaration"]) };
    if first.kind != TokenKind::Word {
        return foreign(source, first, &[]).unwrap_or_else(|| unexpected(source, start, vec!["a declaration"]));
    }
    let word = text_of(source, first);
    let Some(keyword) = ITEM_WORDS.into_iter().chain(["link"]).find(|item_word| *item_word == word) else {
        let kind = SyntaxErrorKind::UnknownDeclaration { found: shortened(word), nearest: nearest(word) };
        return SyntaxError { span: span(first.start, first.end), kind };
    };
    let rule = match keyword {
        "use" => Rule::only_use,
        "block" => Rule::only_block,
        "link" => Rule::only_link,
        _ => Rule::only_declaration,
    };
    let Some(failure) = failure(source, rule, start, end) else {
        return unexpected(source, end, vec!["a declaration"]);
    };
    let nameless = token_at(source, failure.at).is_none_or(|token| token.kind != TokenKind::Word);
    let name_wanted = failure.expected.iter().any(|rule| matches!(rule, Rule::name | Rule::text));
    if keyword != "use"
        && name_wanted
        && nameless
        && source.text.get(first.end..failure.at).is_some_and(|gap| gap.trim().is_empty())
    {
        let kind = SyntaxErrorKind::MissingName { keyword };
        return SyntaxError { span: span(first.start, first.end), kind };
    }
    explain(source, &failure)
}

/// The error of a text that the whole grammar refused.
pub fn unread(source: &Source<'_>, error: &pest::error::Error<Rule>) -> SyntaxError {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    unexpected(source, at, vec!["a declaration"])
}

/// How far a rule came.
struct Failure {
    /// The furthest place.
    at: usize,
    /// One past the last byte of the piece that was read.
    end: usize,
    /// Whether the line's end is the mistake though the text goes on.
    at_line_end: bool,
    /// What was tried there.
    expected: Vec<Rule>,
}

/// Reads `start..end` by `rule`; `None` where that succeeds.
fn failure(source: &Source<'_>, rule: Rule, start: usize, end: usize) -> Option<Failure> {
    let error = Grammar::parse(rule, source.mended.text.get(start..end)?).err()?;
    let at = start
        + match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
    let expected = match error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    Some(Failure { at, end, at_line_end: false, expected })
}

/// The last token before the line with `at`, if that line looks like an entry of its own.
///
/// An entry that stops too early, as `where params <=` does, takes the beginning of the next one for its own.
fn overrun<'a>(source: &Source<'a>, start: usize, at: usize) -> Option<&'a Token> {
    let after = source.tokens.partition_point(|token| token.start <= at);
    let first = source.tokens[..after].iter().rposition(|token| token.first_on_line)?;
    let (word, next) = (source.tokens.get(first)?, source.tokens.get(first + 1)?);
    let text = text_of(source, word);
    let begins = word.kind == TokenKind::Word && !whole(Rule::reserved, text) && !next.first_on_line;
    let spaced = next.start > word.end && matches!(next.kind, TokenKind::Word | TokenKind::Number | TokenKind::Text);
    let spaced = spaced && !whole(Rule::reserved, text_of(source, next));
    let before = source.tokens[..first].iter().rfind(|token| !token.is_comment())?;
    (begins && (spaced || whole(Rule::form_word, text)) && before.end > start).then_some(before)
}

/// The error that a failure means.
fn explain(source: &Source<'_>, failure: &Failure) -> SyntaxError {
    let expected = in_words(&failure.expected);
    let found = token_at(source, failure.at).filter(|_| !failure.at_line_end);
    let Some(token) = found.filter(|token| token.start < failure.end || !token.first_on_line) else {
        let at = source.text[..failure.at].trim_end().len();
        let last = !failure.at_line_end && found.is_none();
        let found = if last { "the end of the file" } else { LINE_END };
        let expected = expected.into_iter().filter(|words| *words != LINE_END).collect();
        return SyntaxError {
            span: span(at, at),
            kind: SyntaxErrorKind::Unexpected { found: found.to_owned(), expected },
        };
    };
    if let Some(error) = foreign(source, token, &failure.expected) {
        return error;
    }
    if expected == [VALUE_ON_LINE] && token.kind == TokenKind::Open('(') {
        return unexpected(source, token.start, vec!["a space and a value"]);
    }
    if expected == [A_PATH] && token.kind == TokenKind::Text {
        let found =
            if token_at(source, token.end).is_some_and(|next| !next.first_on_line) { "no `::`" } else { LINE_END };
        let expected = vec!["`::` and the name of one of the file's declarations"];
        let kind = SyntaxErrorKind::Unexpected { found: found.to_owned(), expected };
        return SyntaxError { span: span(token.end, token.end), kind };
    }
    let word = text_of(source, token);
    if expected == ["`{`"] && word == "joined" {
        return unexpected(source, token.start, vec!["a second branch, `{ … }`"]);
    }
    if expected == ["a name"] && token.kind == TokenKind::Word && whole(Rule::reserved, word) {
        let kind = SyntaxErrorKind::ReservedName { word: word.to_owned() };
        return SyntaxError { span: span(token.start, token.end), kind };
    }
    unexpected(source, token.start, expected)
}

/// The expected rules in words for people, without what goes without saying.
fn in_words(rules: &[Rule]) -> Vec<&'static str> {
    let tried = |rule| rules.contains(&rule);
    // An operand is one of many things, all of them expressions; a number may have a unit, an operand an operator.
    let operand = tried(Rule::prefix);
    let implied = |words: &str| match words {
        VALUE_ON_LINE => tried(Rule::infix),
        A_PATH | "a name" | "a name in quotation marks" | "`(`" | "`[`" => operand,
        _ => false,
    };
    let named = WORDS.iter().filter(|(_, of)| of.iter().any(|rule| tried(*rule)));
    named.map(|(words, _)| *words).filter(|words| !implied(words)).collect()
}

/// What the text at `at` is, where something else must be.
fn unexpected(source: &Source<'_>, at: usize, expected: Vec<&'static str>) -> SyntaxError {
    let Some(token) = token_at(source, at) else {
        let end = source.text.trim_end().len();
        let found = "the end of the file".to_owned();
        return SyntaxError { span: span(end, end), kind: SyntaxErrorKind::Unexpected { found, expected } };
    };
    let written = text_of(source, token);
    if let Some(letter) = written.chars().next().filter(|letter| letter.is_alphabetic() && !letter.is_ascii()) {
        return SyntaxError { span: span(token.start, token.end), kind: SyntaxErrorKind::ForeignLetter { letter } };
    }
    let found = match token.kind {
        TokenKind::Doc | TokenKind::FileDoc => "a documentation comment".to_owned(),
        TokenKind::Text => shortened(written),
        _ => format!("`{}`", shortened(written)),
    };
    SyntaxError { span: span(token.start, token.end), kind: SyntaxErrorKind::Unexpected { found, expected } }
}

/// The error of a mark that other languages use where this one has another.
fn foreign(source: &Source<'_>, token: &Token, expected: &[Rule]) -> Option<SyntaxError> {
    let found = text_of(source, token);
    let wants = |rule| expected.contains(&rule);
    let instead = match found {
        ";" => "",
        "=" | ":" if wants(Rule::gap) || wants(Rule::value) => "",
        "=" if wants(Rule::infix) => "==",
        "." if wants(Rule::EOI) && !wants(Rule::infix) => "::",
        "&&" => "and",
        "||" => "or",
        "!" => "not",
        "**" => "^",
        "|" | "=>" if wants(Rule::arrow) => "->",
        "->" | "<>" | "--" if wants(Rule::both_ways) => "<->",
        "<>" => "!=",
        "..." => "..",
        "#" | "/*" => "//",
        "'" => "\"",
        _ => return None,
    };
    let kind = SyntaxErrorKind::Foreign { found: found.to_owned(), instead };
    Some(SyntaxError { span: span(token.start, token.end), kind })
}

/// The first token that ends after `at`, ordinary comments aside.
fn token_at<'a>(source: &Source<'a>, at: usize) -> Option<&'a Token> {
    let first = source.tokens.partition_point(|token| token.end <= at);
    source.tokens[first..].iter().find(|token| token.kind != TokenKind::Comment)
}

fn text_of<'a>(source: &Source<'a>, token: &Token) -> &'a str {
    &source.text[token.start..token.end]
}

/// Whether `rule` takes all of `word`.
fn whole(rule: Rule, word: &str) -> bool {
    Grammar::parse(rule, word).is_ok_and(|pairs| pairs.as_str().len() == word.len())
}

/// At most [`LONGEST_FOUND`] characters of `text`.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_FOUND) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The item word that `word` is at most two edits from, if any.
fn nearest(word: &str) -> Option<&'static str> {
    let near = ITEM_WORDS.into_iter().map(|item_word| (edits(word, item_word), item_word));
    near.filter(|(edits, item_word)| *edits <= 2 && *edits * 2 < item_word.len()).min().map(|(_, item_word)| item_word)
}

/// Levenshtein's distance, of words short enough to be meant.
fn edits(a: &str, b: &str) -> usize {
    if a.len() > b.len() + 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{ITEM_WORDS, Rule, nearest, whole};
    use crate::lexis::RESERVED_WORDS;

    #[test]
    fn the_words_of_the_tokens_are_those_of_the_grammar() {
        assert!(ITEM_WORDS.iter().all(|word| whole(Rule::item_word, word) && whole(Rule::name, word)));
        assert!(RESERVED_WORDS.iter().all(|word| whole(Rule::reserved, word) && !whole(Rule::name, word)));
        let grammar = include_str!("../cnas.pest");
        let alternatives = |rule: &str| {
            let body = grammar.split_once(rule).expect("the rule is there").1;
            body.split_once("\n}").expect("the rule ends").0.matches('"').count() / 2
        };
        assert_eq!(alternatives("\ndeclaring = _{"), ITEM_WORDS.len());
        assert_eq!(alternatives("\nreserved_word = _{"), RESERVED_WORDS.len());
    }

    #[test]
    fn the_nearest_word_is_proposed_only_if_near() {
        for (word, expected) in [
            ("flet", Some("fleet")),
            ("netwrok", Some("network")),
            ("tset", None),
            ("sarch", Some("search")),
            ("node", None),
            ("x", None),
            ("", None),
            ("generators_of_graphs", None),
        ] {
            assert_eq!(nearest(word), expected, "{word}");
        }
    }
}
