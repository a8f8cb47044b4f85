//! Brackets and literals: text and tokens in, the errors in them and a text of the same length without those errors out.
//!
//! Brackets are matched within one item at a time, so that a mistake in one costs the others nothing: an item begins where a
//! line begins with a word such as `fleet` and goes on as declarations do. Where plain matching finds an item's brackets wrong,
//! a second matching that heeds indentation may find the better place; the one with fewer errors holds.
//!
//! In the mended text an unmatched bracket is `$`, which the grammar takes nowhere, or [`OPEN_BODY`], and a literal that is
//! none is zeros. What is covered by an error here gets no second one from the grammar.

use crate::error::{SyntaxError, SyntaxErrorKind};
use crate::lexis::{ITEM_WORDS, RESERVED_WORDS, Token, TokenKind, tokens};
use crate::parse::{MAX_NESTING, MAX_NUMBER, span};
use crate::tree::Span;
use std::collections::BTreeSet;

/// Stands for the brace of a declaration that nothing closes: the grammar knows how to go on without its end, and sees all other
/// brackets in pairs.
const OPEN_BODY: u8 = 0x0e;

/// A text the grammar can recover in.
pub struct Mended {
    /// As long as the original, byte for byte in the same place.
    pub text: String,
    /// What was wrong.
    pub errors: Vec<SyntaxError>,
    /// Places in which a piece that cannot be read is no second mistake, in order and apart.
    covered: Vec<Span>,
    /// Bodies of declarations whose head has or will have an error: what begins in one is no second mistake.
    headless: Vec<Span>,
    /// Where literals begin that have had an error.
    pub bad_literals: BTreeSet<usize>,
}

/// Finds what is wrong with brackets, literals and documentation comments.
pub fn mend(text: &str, tokens: &[Token]) -> Mended {
    let mut mended = Mended {
        text: String::new(),
        errors: Vec::new(),
        covered: Vec::new(),
        headless: Vec::new(),
        bad_literals: BTreeSet::new(),
    };
    let mut bytes = text.as_bytes().to_vec();
    for byte in bytes.iter_mut().filter(|byte| **byte == OPEN_BODY) {
        *byte = b'$';
    }
    if text.starts_with('\u{feff}') {
        bytes[.."\u{feff}".len()].fill(b' ');
    }
    for token in tokens {
        mended.literal(text, token, &mut bytes);
    }
    misplaced_docs(tokens, &mut mended.errors, &mut bytes);
    let words: Vec<Token> = tokens.iter().filter(|token| !token.is_comment()).copied().collect();
    let mut begin = 0;
    for end in 1..=words.len() {
        if end == words.len() || begins_item(text, &words[end..]) {
            mended.item(text, &words[begin..end], &mut bytes);
            begin = end;
        }
    }
    mended.covered = disjoint(std::mem::take(&mut mended.covered));
    mended.headless = disjoint(std::mem::take(&mut mended.headless));
    mended.text = utf8(bytes);
    mended
}

impl Mended {
    /// Whether a piece in `start..end` has had its error: one of brackets or literals touches it, or it has no head.
    pub fn covers(&self, start: usize, end: usize) -> bool {
        let piece = span(start, end);
        let before = self.covered.partition_point(|covered| covered.start < piece.end);
        let reaches = |places: &[Span]| places.last().is_some_and(|place| place.end > piece.start);
        let begun = self.headless.partition_point(|body| body.start <= piece.start);
        reaches(&self.covered[..before]) || reaches(&self.headless[..begun])
    }

    /// Takes tokens, after which entries stop too early, out of the text.
    pub fn cut(&mut self, overruns: Vec<(Token, SyntaxError)>) {
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        for (token, error) in overruns {
            self.errors.push(error);
            self.covered.push(span(token.start, token.end));
            bytes[token.start..token.end].fill(b'$');
        }
        self.covered = disjoint(std::mem::take(&mut self.covered));
        self.text = utf8(bytes);
    }

    fn literal(&mut self, text: &str, token: &Token, bytes: &mut [u8]) {
        let written = &text[token.start..token.end];
        let kind = match token.kind {
            TokenKind::BadNumber => SyntaxErrorKind::BadNumber { text: shortened(written), instead: likely(written) },
            TokenKind::Number if written.len() > MAX_NUMBER => {
                SyntaxErrorKind::NumberTooLong { length: written.len(), limit: MAX_NUMBER }
            }
            TokenKind::OpenText => SyntaxErrorKind::UnterminatedText,
            TokenKind::Comment => {
                bytes[token.start..token.end].fill(b' ');
                return;
            }
            TokenKind::Text => match bad_escape(written) {
                Some((at, escape)) => {
                    let place = span(token.start + at, token.start + at + escape.len());
                    let escape = escape.to_owned();
                    self.errors.push(SyntaxError { span: place, kind: SyntaxErrorKind::BadEscape { escape } });
                    return;
                }
                None => return,
            },
            _ => return,
        };
        let place = span(token.start, token.end);
        self.errors.push(SyntaxError { span: place, kind });
        self.covered.push(place);
        self.bad_literals.insert(token.start);
        bytes[token.start..token.end].fill(b'0');
    }

    /// Matches the brackets of one item, twice if they are wrong.
    fn item(&mut self, text: &str, words: &[Token], bytes: &mut [u8]) {
        let mut matched = Matching::new(text, words, false).run();
        if !matched.errors.is_empty() {
            let indented = Matching::new(text, words, true).run();
            if indented.errors.len() <= matched.errors.len() {
                matched = indented;
            }
        }
        for at in matched.replaced {
            bytes[at] = b'$';
        }
        if let Some(at) = matched.open_body {
            bytes[at] = OPEN_BODY;
        }
        self.errors.append(&mut matched.errors);
        self.covered.append(&mut matched.covered);
        self.headless.append(&mut matched.headless);
    }
}

/// An opening bracket that waits for its closing one.
#[derive(Clone, Copy)]
struct Opening {
    token: Token,
    bracket: char,
    /// How far its line is indented.
    indent: usize,
}

/// What a closing bracket does.
enum Role {
    /// It closes an open one of its kind.
    Closes,
    /// It stands where one of another kind was meant.
    Wrong,
    /// It closes nothing.
    Stray,
}

/// One matching of the brackets of an item.
struct Matching<'a> {
    text: &'a str,
    words: &'a [Token],
    /// Whether a line that is indented no more than that of an open bracket ends the wait for its closing one.
    heed_indent: bool,
    open: Vec<Opening>,
    /// How many of each kind wait.
    counts: [usize; 3],
    /// Whether more brackets are open than are read.
    too_deep: bool,
    /// One past the last brace that closed everything.
    closed_at: usize,
    /// The place of the last closing brace.
    last_brace: usize,
    /// Whether there was a brace that opens a declaration's body.
    body: bool,
    /// Whether text took an unknown part of the declaration's head with it, so that its brackets cannot be told.
    head_lost: bool,
    errors: Vec<SyntaxError>,
    covered: Vec<Span>,
    headless: Vec<Span>,
    replaced: Vec<usize>,
    /// The brace of a declaration that nothing closes.
    open_body: Option<usize>,
}

impl<'a> Matching<'a> {
    fn new(text: &'a str, words: &'a [Token], heed_indent: bool) -> Self {
        Self {
            text,
            words,
            heed_indent,
            open: Vec::new(),
            counts: [0; 3],
            too_deep: false,
            closed_at: words.first().map_or(0, |word| word.start),
            last_brace: words.iter().rposition(|word| word.kind == TokenKind::Close('}')).unwrap_or(0),
            body: false,
            head_lost: false,
            errors: Vec::new(),
            covered: Vec::new(),
            headless: Vec::new(),
            replaced: Vec::new(),
            open_body: None,
        }
    }

    fn run(mut self) -> Self {
        let mut indent = 0;
        let mut before = self.closed_at;
        for (place, &token) in self.words.iter().enumerate() {
            if token.first_on_line {
                indent = self.column(token.start);
                if self.heed_indent && !matches!(token.kind, TokenKind::Close(_)) {
                    self.dedent(indent, token);
                }
            }
            match token.kind {
                TokenKind::Open(bracket) => self.open(Opening { token, bracket, indent }),
                TokenKind::Close(bracket) => match self.role(bracket, place) {
                    Role::Closes => self.close(bracket, token),
                    Role::Wrong => self.swap(bracket, token),
                    Role::Stray => self.stray(bracket, token),
                },
                TokenKind::OpenText => self.cut_off(token),
                _ => {}
            }
            before = token.end;
        }
        self.finish(before);
        self
    }

    fn column(&self, at: usize) -> usize {
        at - self.text[..at].rfind('\n').map_or(0, |line_end| line_end + 1)
    }

    fn open(&mut self, opening: Opening) {
        self.body |= self.open.is_empty() && opening.bracket == '{';
        self.open.push(opening);
        self.counts[kind(opening.bracket)] += 1;
        if self.open.len() > MAX_NESTING {
            if !self.too_deep {
                let place = span(opening.token.start, opening.token.end);
                self.errors.push(SyntaxError { span: place, kind: SyntaxErrorKind::TooDeep { limit: MAX_NESTING } });
                self.covered.push(place);
            }
            self.too_deep = true;
            self.replaced.push(opening.token.start);
        }
    }

    fn close(&mut self, bracket: char, token: Token) {
        let place = self.open.iter().rposition(|opening| closing(opening.bracket) == bracket).unwrap_or(0);
        if place >= MAX_NESTING {
            self.replaced.push(token.start);
        }
        self.give_up(place + 1, span(token.start, token.end));
        self.open.pop();
        self.counts[kind(bracket)] -= 1;
        self.too_deep &= self.open.len() > MAX_NESTING;
        if self.open.is_empty() && bracket == '}' {
            self.closed_at = token.end;
        }
    }

    /// What a closing bracket does.
    fn role(&self, bracket: char, place: usize) -> Role {
        let Some(top) = self.open.last() else { return Role::Stray };
        let fits = closing(top.bracket) == bracket;
        if fits || (self.counts[kind(bracket)] > 0 && !self.ends_too_much(bracket, place)) {
            return Role::Closes;
        }
        let mut after = self.words[place + 1..].iter().take_while(|word| !word.first_on_line);
        let right_one_follows = after.find_map(|word| match word.kind {
            TokenKind::Open(_) => Some(false),
            TokenKind::Close(next) => Some(next == closing(top.bracket)),
            _ => None,
        });
        let body = self.open.len() == 1 && top.bracket == '{';
        if body || right_one_follows == Some(true) || self.open.len() > MAX_NESTING { Role::Stray } else { Role::Wrong }
    }

    /// Whether the brace at `place`, inside other brackets and in the middle of an entry, would close the whole declaration
    /// although a later one can.
    fn ends_too_much(&self, bracket: char, place: usize) -> bool {
        let Some(body) = self.open.first().filter(|first| first.bracket == '{' && bracket == '}') else { return false };
        let token = self.words[place];
        self.counts[kind('}')] == 1
            && place < self.last_brace
            && !token.first_on_line
            && self.text[body.token.end..token.start].contains('\n')
    }

    fn swap(&mut self, found: char, token: Token) {
        let Some(top) = self.open.pop() else { return };
        self.counts[kind(top.bracket)] -= 1;
        self.replaced.extend([top.token.start, token.start]);
        self.covered.push(span(top.token.start, token.end));
        let opening = span(top.token.start, top.token.end);
        let kind = SyntaxErrorKind::WrongClosing { open: top.bracket, opening, found, close: closing(top.bracket) };
        self.errors.push(SyntaxError { span: span(token.start, token.end), kind });
    }

    fn stray(&mut self, close: char, token: Token) {
        self.replaced.push(token.start);
        if self.head_lost {
            return;
        }
        if !self.open.is_empty() {
            self.covered.push(span(token.start, token.end));
        } else if !self.body && self.declares() {
            // What is missing is the opening brace, of which the item's first line tells.
            let second_line = self.words.iter().skip(1).find(|word| word.first_on_line);
            self.headless.push(span(second_line.map_or(token.start, |word| word.start), token.end));
            return;
        } else {
            self.covered.push(span(self.closed_at, token.end));
            self.closed_at = token.end;
        }
        self.errors.push(SyntaxError { span: span(token.start, token.end), kind: SyntaxErrorKind::Stray { close } });
    }

    /// Whether the item begins as one with a body does.
    fn declares(&self) -> bool {
        let word = self.words.first().and_then(|first| self.text.get(first.start..first.end));
        word.is_some_and(|word| ITEM_WORDS.contains(&word) && word != "use" && word != "block")
    }

    /// Gives up the brackets above the lowest `keep`, missed at `noticed`: one mistake, whose place is the innermost of them.
    fn give_up(&mut self, keep: usize, noticed: Span) {
        let Some(innermost) = self.open.get(keep..).and_then(<[Opening]>::last).copied() else { return };
        // Brackets inside each other beyond the limit have had their error.
        let told = self.open.len() > MAX_NESTING;
        self.drop_from(keep, noticed.start as usize);
        if !told {
            self.errors.push(unclosed(innermost, noticed));
        }
    }

    /// Takes the brackets above the lowest `keep` out of the text, and no piece up to `end` is a second mistake.
    fn drop_from(&mut self, keep: usize, end: usize) {
        if let Some(outermost) = self.open.get(keep) {
            self.covered.push(span(outermost.token.start, end));
        }
        for opening in self.open.drain(keep..) {
            self.counts[kind(opening.bracket)] -= 1;
            self.replaced.push(opening.token.start);
        }
    }

    /// Gives up the brackets inside an entry at a line that is indented no more than their own line is.
    fn dedent(&mut self, indent: usize, token: Token) {
        let body = usize::from(self.open.first().is_some_and(|opening| opening.bracket == '{'));
        // From above: as this was done at every line, indents grow with the stack, and what is passed over is given up.
        let kept = self.open.iter().rposition(|opening| opening.indent < indent).map_or(0, |place| place + 1);
        self.give_up(kept.max(body), span(token.start, token.end));
    }

    /// Text that its line's end cut off took the closing brackets of its line with it.
    fn cut_off(&mut self, token: Token) {
        let line = self.text[..token.start].rfind('\n').map_or(0, |line_end| line_end + 1);
        let keep = self.open.iter().rposition(|opening| opening.token.start < line).map_or(0, |place| place + 1);
        self.drop_from(keep, token.end);
        if self.open.is_empty() {
            self.head_lost = true;
            let end = self.words.last().map_or(token.end, |word| word.end);
            self.covered.push(span(token.start, end));
        }
    }

    /// What is open at the end: a declaration's brace stays, in its own way.
    fn finish(&mut self, end: usize) {
        let noticed = span(end, end);
        let body = self.open.first().copied().filter(|opening| opening.bracket == '{');
        self.give_up(usize::from(body.is_some()), noticed);
        self.open_body = body.map(|body| body.token.start);
        self.errors.extend(body.map(|body| unclosed(body, noticed)));
    }
}

fn unclosed(opening: Opening, noticed: Span) -> SyntaxError {
    let kind = SyntaxErrorKind::Unclosed { open: opening.bracket, close: closing(opening.bracket), noticed };
    SyntaxError { span: span(opening.token.start, opening.token.end), kind }
}

fn closing(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// The text of mended bytes: whole tokens were replaced, each byte by an ASCII one, so that nothing is lost here.
fn utf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// An index for each kind of bracket.
fn kind(bracket: char) -> usize {
    match bracket {
        '(' | ')' => 0,
        '[' | ']' => 1,
        _ => 2,
    }
}

/// Whether an item begins here even if brackets are open: `fleet name`, `test "…"` or `search {` at the beginning of a line.
fn begins_item(text: &str, words: &[Token]) -> bool {
    let [word, next, ..] = words else { return false };
    let written = |token: &Token| &text[token.start..token.end];
    word.first_on_line
        && !next.first_on_line
        && word.kind == TokenKind::Word
        && (ITEM_WORDS.contains(&written(word)) || names_link(text, words))
        && match next.kind {
            TokenKind::Word => !RESERVED_WORDS.contains(&written(next)),
            TokenKind::Text | TokenKind::OpenText | TokenKind::Open('{') => true,
            _ => false,
        }
}

/// Whether these are the first tokens of `link name = …`, which no entry of a fleet is.
fn names_link(text: &str, words: &[Token]) -> bool {
    let [word, _, mark, ..] = words else { return false };
    &text[word.start..word.end] == "link" && &text[mark.start..mark.end] == "="
}

/// Reports documentation that documents nothing, once for lines in a row, and takes it out of the text.
fn misplaced_docs(tokens: &[Token], errors: &mut Vec<SyntaxError>, bytes: &mut [u8]) {
    let top = tokens.iter().take_while(|token| matches!(token.kind, TokenKind::FileDoc | TokenKind::Comment)).count();
    // From the end, as what a line documents stands after it.
    let (mut documentable, mut told) = (false, false);
    for (place, token) in tokens.iter().enumerate().rev() {
        let marker = match token.kind {
            TokenKind::Comment => continue,
            TokenKind::FileDoc if place >= top => "//!",
            TokenKind::Doc if !documentable || !token.first_on_line => "///",
            _ => {
                documentable = !matches!(token.kind, TokenKind::Close(_) | TokenKind::FileDoc);
                told = false;
                continue;
            }
        };
        if !told {
            let kind = SyntaxErrorKind::MisplacedDocs { marker };
            errors.push(SyntaxError { span: span(token.start, token.end), kind });
        }
        told = true;
        bytes[token.start..token.end].fill(b' ');
    }
}

/// The same places, merged where they touch, in order.
fn disjoint(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut apart: Vec<Span> = Vec::new();
    for next in spans {
        match apart.last_mut() {
            Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
            _ => apart.push(next),
        }
    }
    apart
}

/// The first escape that is none, and where it is.
fn bad_escape(quoted: &str) -> Option<(usize, &str)> {
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\'
            && let Some((next, escaped)) = chars.next()
            && !matches!(escaped, '"' | '\\' | 'n')
        {
            return quoted.get(at..next + escaped.len_utf8()).map(|escape| (at, escape));
        }
    }
    None
}

/// What was probably meant by something that is no number: `.5` is `0.5`, `5.` is `5.0`, `20ms` is `20 ms`.
fn likely(written: &str) -> Option<String> {
    if written.starts_with('.') {
        return Some(format!("0{written}")).filter(|number| is_number(number));
    }
    if written.ends_with('.') {
        return Some(format!("{written}0")).filter(|number| is_number(number));
    }
    let unit = written.find(|c: char| c.is_ascii_alphabetic())?;
    let (figure, unit) = written.split_at(unit);
    let good = is_number(figure) && unit.len() <= LONGEST_UNIT && unit.chars().all(|c| c.is_ascii_alphanumeric());
    good.then(|| format!("{figure} {unit}"))
}

/// The longest word that a message proposes as a unit.
const LONGEST_UNIT: usize = 8;

fn is_number(text: &str) -> bool {
    let tokens = tokens(text);
    matches!(tokens.as_slice(), [only] if only.kind == TokenKind::Number) && text.len() <= MAX_NUMBER
}

/// At most [`MAX_NUMBER`] characters.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_NUMBER) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
