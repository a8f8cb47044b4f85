//! A light pass over the text: text in, tokens with their places out, in one walk and never failing.
//!
//! The grammar reads the text itself; tokens serve what a grammar is bad at: matching brackets over mistakes, comments and
//! their places, literals that almost are one, and naming what stands at a place in an error message.

/// One token, comments included, white space not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Whether nothing but white space stands before it on its line.
    pub first_on_line: bool,
}

/// The kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or a word of the language.
    Word,
    /// A number without its unit.
    Number,
    /// Digits that make no number.
    BadNumber,
    /// Text with both quotation marks.
    Text,
    /// Text that the line's end cut off.
    OpenText,
    /// `(`, `[`, `{`.
    Open(char),
    /// `)`, `]`, `}`.
    Close(char),
    /// An operator or another mark, of this language or not.
    Symbol,
    /// `// …`
    Comment,
    /// `/// …`
    Doc,
    /// `//! …`
    FileDoc,
}

/// Marks of more than one character, longest first; those of other languages too, so that a message can name them whole.
const LONG_SYMBOLS: [&str; 16] =
    ["<->", "...", "->", "=>", "<=", ">=", "==", "!=", "..", "::", "&&", "||", "**", "/*", "*/", "<>"];

/// The words that begin items; the grammar's `item_word`.
pub const ITEM_WORDS: [&str; 10] =
    ["block", "device", "fleet", "generator", "network", "search", "staging", "test", "training", "use"];

/// The words that no name may be; the grammar's `reserved`.
pub const RESERVED_WORDS: [&str; 15] =
    ["and", "by", "false", "if", "in", "not", "of", "or", "rewired", "staged", "step", "to", "true", "up", "with"];

/// All tokens of `text`, in order.
pub fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut at = 0;
    let mut first_on_line = true;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() {
            first_on_line |= byte == b'\n';
            at += 1;
            continue;
        }
        // A byte order mark is no text.
        if at == 0 && text.starts_with('\u{feff}') {
            at = '\u{feff}'.len_utf8();
            continue;
        }
        let after_word = at > 0 && is_word(char::from(bytes[at - 1]));
        let (kind, length) = token(&text[at..], after_word);
        tokens.push(Token { kind, start: at, end: at + length, first_on_line });
        first_on_line = false;
        at += length;
    }
    tokens
}

/// The kind and length of the token that `rest`, not empty and not white space, begins with.
///
/// Directly after a word a point begins no number.
fn token(rest: &str, after_word: bool) -> (TokenKind, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    match first {
        'a'..='z' | 'A'..='Z' | '_' => (TokenKind::Word, span_of(rest, is_word)),
        '0'..='9' => number(rest),
        '.' if !after_word && rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            (TokenKind::BadNumber, 1 + number(&rest[1..]).1)
        }
        '"' => quoted(rest),
        '(' | '[' | '{' => (TokenKind::Open(first), 1),
        ')' | ']' | '}' => (TokenKind::Close(first), 1),
        '/' if rest.starts_with("//") => comment(rest),
        _ => match LONG_SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => (TokenKind::Symbol, symbol.len()),
            None => (TokenKind::Symbol, first.len_utf8()),
        },
    }
}

/// Bytes up to the first character that `belongs` denies.
fn span_of(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

/// Whether a name may hold `c`.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A number, or what looks like one: further points, letters and signs of exponents make it a bad one.
fn number(rest: &str) -> (TokenKind, usize) {
    let digits = |at: usize| at + span_of(&rest[at..], |c| c.is_ascii_digit() || c == '_');
    let digit_at = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let byte_at = |at: usize| rest.as_bytes().get(at).copied().unwrap_or(0);
    let mut end = digits(0);
    if byte_at(end) == b'.' && digit_at(end + 1) {
        end = digits(end + 1);
    }
    if matches!(byte_at(end), b'e' | b'E') {
        let sign = usize::from(matches!(byte_at(end + 1), b'+' | b'-'));
        if digit_at(end + 1 + sign) {
            end = digits(end + 1 + sign);
        }
    }
    let good = end;
    // `1 .. 9` may be written `1..9`: two points end the number.
    while is_word(char::from(byte_at(end))) || (byte_at(end) == b'.' && byte_at(end + 1) != b'.') {
        end += 1;
    }
    (if end == good { TokenKind::Number } else { TokenKind::BadNumber }, end)
}

/// Text up to its closing quotation mark, or to the end of the line.
fn quoted(rest: &str) -> (TokenKind, usize) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return (TokenKind::OpenText, rest[..at].trim_end().len()),
            '"' if !escaped => return (TokenKind::Text, at + 1),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    (TokenKind::OpenText, rest.trim_end().len())
}

/// A comment of one of the three kinds, without trailing white space.
fn comment(rest: &str) -> (TokenKind, usize) {
    let end = rest[..span_of(rest, |c| c != '\n')].trim_end().len();
    let kind = if rest.starts_with("//!") {
        TokenKind::FileDoc
    } else if rest.starts_with("///") && !rest.starts_with("////") {
        TokenKind::Doc
    } else {
        TokenKind::Comment
    };
    (kind, end)
}

impl Token {
    /// Whether it is a comment of any kind.
    pub fn is_comment(&self) -> bool {
        matches!(self.kind, TokenKind::Comment | TokenKind::Doc | TokenKind::FileDoc)
    }
}
