//! The codes of the front end's findings, each with its page for `cnasc explain`.
//!
//! One table holds both, so that a code without a page does not compile.

use cnasc_base::Code;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: Code = Code($code);)*

        /// Every code that the front end gives, in order, with its page.
        pub const CODES: &[(Code, &str)] = &[$((Code($code), include_str!(concat!("explain/", $code, ".md")))),*];
    };
}

codes! {
    // ---- 01: syntax ----
    /// Something stands where something else must.
    UNEXPECTED = "E0101";
    /// A form of other languages.
    FOREIGN = "E0102";
    /// An opening bracket without its closing one.
    UNCLOSED = "E0103";
    /// A closing bracket that closes nothing.
    STRAY = "E0104";
    /// A bracket closed by another kind.
    WRONG_CLOSING = "E0105";
    /// A letter that no name may hold.
    FOREIGN_LETTER = "E0106";
    /// Text without its closing quotation mark.
    UNTERMINATED_TEXT = "E0107";
    /// An escape that is none.
    BAD_ESCAPE = "E0108";
    /// A declaration without a name.
    MISSING_NAME = "E0109";
    /// A word that begins no declaration.
    UNKNOWN_DECLARATION = "E0110";
    /// A word of the language as a name.
    RESERVED_NAME = "E0111";
    /// A declaration's word inside another declaration.
    DECLARATION_INSIDE = "E0112";
    /// Digits that make no number.
    BAD_NUMBER = "E0113";
    /// A number of too many characters.
    NUMBER_TOO_LONG = "E0114";
    /// Two comparisons in a row.
    CHAINED_COMPARISON = "E0115";
    /// A documentation comment that documents nothing.
    MISPLACED_DOCS = "E0116";
    /// Nesting that is too deep.
    TOO_DEEP = "E0117";
    /// A file that is too large.
    TOO_LARGE = "E0118";

    // ---- 02: names ----
    /// A name that nothing has.
    UNKNOWN_NAME = "E0201";
    /// A name that two things have.
    DUPLICATE_NAME = "E0202";
    /// A `use` that names nothing.
    UNKNOWN_USE = "E0203";
    /// A `use` that nothing uses; a warning.
    UNUSED_USE = "E0204";
    /// An entry that a declaration does not know.
    UNKNOWN_ENTRY = "E0205";
    /// An entry given twice.
    DUPLICATE_ENTRY = "E0206";
    /// An entry that must be there.
    MISSING_ENTRY = "E0207";
    /// An entry of another kind of declaration.
    MISPLACED_ENTRY = "E0208";
    /// An argument for a parameter that is not there.
    UNKNOWN_PARAMETER = "E0209";
    /// An argument given twice.
    DUPLICATE_ARGUMENT = "E0210";
    /// An argument that must be given.
    MISSING_ARGUMENT = "E0211";
    /// More arguments than parameters.
    TOO_MANY_ARGUMENTS = "E0212";
    /// An operator that is not there.
    UNKNOWN_OPERATOR = "E0213";
    /// A function that is not there.
    UNKNOWN_FUNCTION = "E0214";
    /// A type that is not there.
    UNKNOWN_TYPE = "E0215";
    /// A unit that is not there.
    UNKNOWN_UNIT = "E0216";
    /// A measure or statistic that is not there.
    UNKNOWN_MEASURE = "E0217";
    /// A strategy, a setting or a word that an entry does not know.
    UNKNOWN_WORD = "E0218";
    /// A name of another kind of declaration than is needed.
    WRONG_KIND = "E0219";
    /// A name with `::` where one word is needed.
    QUALIFIED_NAME = "E0220";
    /// A default that needs itself.
    CYCLIC_DEFAULT = "E0221";
    /// A declaration with a function's name.
    FUNCTION_NAME = "E0222";
    /// A link to a group of nodes that is not there.
    UNKNOWN_GROUP = "E0223";
    /// Parameters of a declaration that takes none.
    NO_PARAMETERS = "E0224";
    /// A default that uses a parameter.
    PARAMETER_IN_DEFAULT = "E0225";
    /// A file that can't be read.
    UNREADABLE_FILE = "E0226";
    /// Files that use each other.
    CYCLIC_USE = "E0227";
    /// A declaration that is made of itself.
    RECURSIVE = "E0228";

    // ---- 03: types and units ----
    /// A value of another type than is needed.
    WRONG_TYPE = "E0301";
    /// A quantity of another dimension than is needed.
    WRONG_UNIT = "E0302";
    /// Two operands that do not fit each other.
    MIXED_OPERANDS = "E0303";
    /// An operator or function on a type that it does not take.
    WRONG_OPERAND = "E0304";
    /// A real number where a whole one is needed.
    NOT_WHOLE = "E0305";
    /// A number that does not fit.
    NUMBER_RANGE = "E0306";
    /// A quantity without its unit.
    MISSING_UNIT = "E0307";
    /// A pipeline where a value is needed, or the other way round.
    PIPELINE_PLACE = "E0308";
    /// `candidates` outside a budget.
    CANDIDATES = "E0309";

    // ---- 04: meaning ----
    /// A domain where a value is needed.
    DOMAIN_PLACE = "E0401";
    /// A domain without values.
    EMPTY_DOMAIN = "E0402";
    /// A logarithmic range that can't be.
    LOG_RANGE = "E0403";
    /// A step that can't be.
    RANGE_STEP = "E0404";
    /// A range with a whole and a real end.
    MIXED_RANGE = "E0405";
    /// A probability outside 0..1.
    PROBABILITY = "E0406";
    /// A number outside its limits.
    LIMIT = "E0407";
    /// A computation without a result.
    NO_RESULT = "E0408";
    /// More than one rule for edges, or for devices' figures.
    SEVERAL_WIRINGS = "E0409";
    /// An operator where it can't be.
    OPERATOR_PLACE = "E0410";
    /// Shapes that do not fit.
    SHAPE = "E0411";
    /// A link without a figure, or with one too many.
    LINK_FIGURES = "E0412";
    /// A device that no link reaches.
    UNREACHABLE = "E0413";
    /// A link given twice, or joining nothing.
    DUPLICATE_LINK = "E0414";
    /// A staging whose `shrink` shrinks nothing.
    NO_SHRINK = "E0415";
    /// A `where` or `expect` of another form.
    CONDITION_FORM = "E0416";
    /// A measure that is an objective twice.
    DUPLICATE_OBJECTIVE = "E0417";
    /// Sections out of order.
    SECTION_ORDER = "E0418";
    /// A file that holds no graph.
    GRAPH_FILE = "E0419";
    /// More than one branch that does nothing.
    EMPTY_BRANCHES = "E0420";
    /// A fidelity that spares nothing.
    FIDELITY = "E0421";

    // ---- 09: not there yet ----
    /// Aggregation by attention.
    LATER_ATTENTION = "E0903";
}
