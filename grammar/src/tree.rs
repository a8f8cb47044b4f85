//! The syntax tree: what was written, with the place of everything.
//!
//! The tree is permissive on purpose. Most entries of a declaration are a [`EntryKind::Property`], a word and a value, and
//! which words belong where is decided by the front end, so that a misspelt word is a finding about names with a suggestion
//! rather than a syntax error. Text that could not be parsed is kept as `Bad`, after an error has been reported for it.

/// A byte range of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct File {
    /// Lines of `//!` at the top, without the marker and one space.
    pub docs: Vec<String>,
    /// Declarations in the order written.
    pub items: Vec<Item>,
    /// Every ordinary comment (`// …`), in order of place; documentation comments are with what they document.
    pub comments: Vec<Comment>,
}

/// An ordinary comment, to the end of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its place, the slashes included, the line end not.
    pub span: Span,
    /// Whether nothing but white space stands before it on its line.
    pub own_line: bool,
}

/// A declaration with its documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Lines of `///`, without the marker and one space.
    pub docs: Vec<String>,
    /// What is declared.
    pub kind: ItemKind,
    /// From the keyword to the end, documentation not included.
    pub span: Span,
}

/// A word of the source and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The word.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// What a file may declare.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// `use std::blocks::sepconv`, `use "common.cnas"::local`
    Use {
        /// The user's own file, between its quotation marks; absent where the path begins with `std` or another name.
        file: Option<Name>,
        /// The path; behind a file a single name.
        path: Path,
    },
    /// `link gigabit = 1 Gbit/s, 200 us`
    Link {
        /// Its name.
        name: Name,
        /// Its figures, told apart by their units.
        figures: Vec<Expr>,
    },
    /// `block sepconv(kernel: int = 3) = aggregate(weighted) -> relu -> …`
    Block {
        /// Its name.
        name: Name,
        /// Its parameters.
        params: Vec<Param>,
        /// What follows `=`, an [`ExprKind::Pipeline`] or a single operator.
        pipeline: Expr,
    },
    /// Any declaration with entries between braces.
    Declaration(Declaration),
    /// Unreadable text, reported already.
    Bad,
}

/// `keyword name(params) { entries }`
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// Which.
    pub keyword: Keyword,
    /// Where the keyword stands.
    pub keyword_span: Span,
    /// Its name; a test's is the text between its quotes.
    pub name: Name,
    /// Its parameters; empty where none were written.
    pub params: Vec<Param>,
    /// What stands between the braces.
    pub entries: Vec<Entry>,
}

/// The word a declaration with entries begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// `device`
    Device,
    /// `fleet`
    Fleet,
    /// `generator`
    Generator,
    /// `staging`
    Staging,
    /// `network`
    Network,
    /// `search`
    Search,
    /// `training`
    Training,
    /// `test`
    Test,
}

/// `name: type = default`
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its type's name, such as `int` or `generator`.
    pub ty: Name,
    /// What it is where the caller does not say.
    pub default: Option<Expr>,
}

/// `std::blocks::sepconv`, or a single name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The names between `::`, at least one.
    pub segments: Vec<Name>,
    /// All of it.
    pub span: Span,
}

/// One line, in spirit, of a declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Lines of `///` before it.
    pub docs: Vec<String>,
    /// What it says.
    pub kind: EntryKind,
    /// All of it, documentation not included.
    pub span: Span,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryKind {
    /// A word and a value: `nodes n`, `seed 7`, `where params <= 1.5 M`, `stem conv(3, width) -> bn`.
    Property {
        /// The word.
        name: Name,
        /// The value.
        value: Expr,
    },
    /// `node pi[4]: rpi4`
    Node {
        /// The group's name.
        name: Name,
        /// How many; one where no brackets stand.
        count: Option<Expr>,
        /// The device.
        device: Expr,
    },
    /// `link pi <-> pi: 1 Gbit/s, 200 us`
    Link {
        /// One end's group.
        from: Name,
        /// The other end's.
        to: Name,
        /// Its figures, told apart by their units.
        figures: Vec<Expr>,
    },
    /// `edge(i, j) with probability …` or `edge(i, j) if …`
    Edge {
        /// What the smaller and the larger end are called.
        ends: (Name, Name),
        /// When there is an edge.
        rule: EdgeRule,
    },
    /// `attach m by degree`: preferential attachment.
    Attach {
        /// Edges for each new node.
        edges: Expr,
    },
    /// `lattice k rewired with probability p`: a ring lattice with rewiring.
    Lattice {
        /// Neighbours of a node, both sides together.
        neighbours: Expr,
        /// Probability of rewiring an edge.
        rewired: Expr,
    },
    /// `channels double up to 256`, `channels times 1.5 up to 256`, `channels keep`
    Channels {
        /// How they grow.
        growth: Growth,
        /// The most there may be; absent with `keep`.
        limit: Option<Expr>,
    },
    /// `body wiring of sepconv staged gentle`
    Body {
        /// The generator.
        wiring: Expr,
        /// The block at each node.
        block: Expr,
        /// The staging; none means uniform.
        staging: Option<Expr>,
    },
    /// `repeat 3 { … }`
    Repeat {
        /// How often.
        count: Expr,
        /// The entries between the braces.
        entries: Vec<Entry>,
    },
    /// `residual { … }`
    Residual {
        /// The entries between the braces.
        entries: Vec<Entry>,
    },
    /// `branch { … } { … } joined by concat`
    Branch {
        /// The entries of each branch; at least two.
        branches: Vec<Vec<Entry>>,
        /// The word behind `joined by`.
        joined: Name,
    },
    /// `fidelity { minimize params keep 32 }`
    Fidelity {
        /// The entries between the braces.
        entries: Vec<Entry>,
    },
    /// `sample 200 of local(n: 32, reach: 4.0) seed 1`
    Sample {
        /// How many.
        count: Expr,
        /// Of what.
        of: Expr,
        /// From which seed.
        seed: Option<Expr>,
    },
    /// Unreadable text, reported already.
    Bad,
}

/// When two nodes are joined.
#[derive(Debug, Clone, PartialEq)]
pub enum EdgeRule {
    /// `with probability e`
    Probability(Expr),
    /// `if e`
    Condition(Expr),
}

/// How a staged node's channels grow.
#[derive(Debug, Clone, PartialEq)]
pub enum Growth {
    /// `double`
    Double,
    /// `times x`
    Times(Expr),
    /// `keep`
    Keep,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// All of it, with the parentheses around it if there are any.
    pub span: Span,
}

/// The forms of values.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `7`, `0.9`, `1.5 M`, `1 Gbit/s`
    Number {
        /// The digits as written, underscores removed; a `.` or an exponent makes it real.
        text: String,
        /// The unit on the same line, if any.
        unit: Option<Name>,
    },
    /// `"…"`, with the escapes `\"`, `\\`, `\n` resolved.
    Text(String),
    /// `true`, `false`
    Bool(bool),
    /// A name.
    Path(Path),
    /// `exp(x)`, `local(n: 16, reach: 4.0)`
    Call {
        /// What is called.
        callee: Path,
        /// With what.
        args: Vec<Arg>,
    },
    /// `[a, b]`
    List(Vec<Expr>),
    /// `-x`, `not x`
    Unary {
        /// The operator.
        op: UnaryOp,
        /// What it is applied to.
        operand: Box<Expr>,
    },
    /// `a + b`
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Where the operator stands.
        op_span: Span,
        /// Its left side.
        left: Box<Expr>,
        /// Its right side.
        right: Box<Expr>,
    },
    /// `a -> b -> c`, at least two.
    Pipeline(Vec<Expr>),
    /// `in {a, b}`
    Choice(Vec<Expr>),
    /// `in 1 .. 9 step 2`, `in log 0.1 .. 10.0`
    Range {
        /// Whether samples are uniform in the logarithm.
        log: bool,
        /// Least value.
        low: Box<Expr>,
        /// Greatest value, included.
        high: Box<Expr>,
        /// Distance of neighbouring values.
        step: Option<Box<Expr>>,
    },
    /// Unreadable text, reported already.
    Bad,
}

/// `value` or `name: value`
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// The parameter meant; by position where absent.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// Operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `not`
    Not,
}

/// Operators with two operands, loosest binding first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `^`, to the right
    Power,
}

impl BinaryOp {
    /// As written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Power => "^",
        }
    }
}

impl Keyword {
    /// As written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Fleet => "fleet",
            Self::Generator => "generator",
            Self::Staging => "staging",
            Self::Network => "network",
            Self::Search => "search",
            Self::Training => "training",
            Self::Test => "test",
        }
    }
}
