//! `score` in a search: what concurrency scores are made with.

use super::{Checker, Scope};
use crate::codes;
use crate::units::PLAIN;
use cnasc_base::Diagnostic;
use cnasc_grammar::tree::{self, ExprKind as Written};
use cnasc_ir::program::Type;
use cnasc_ir::score::{Exponents, Scoring};

/// The one formula there is, and what may be set in it.
const FORMULA: (&str, &[&str]) = ("cs", &["a", "b", "c", "bound"]);

impl Checker<'_> {
    /// The value of a `score` entry.
    pub(super) fn scoring(&mut self, value: &tree::Expr, scope: &Scope) -> Option<Scoring> {
        let (formula, known) = FORMULA;
        let (path, args) = match &value.kind {
            Written::Path(path) => (path, [].as_slice()),
            Written::Call { callee, args } => (callee, args.as_slice()),
            Written::Bad => return None,
            _ => {
                self.unknown_word("", scope.at(value.span), "score", &[formula]);
                return None;
            }
        };
        let name = self.simple(path, scope)?;
        if name.text != formula {
            self.unknown_word(&name.text, scope.at(name.span), "score", &[formula]);
            return None;
        }
        let mut scoring = Scoring::default();
        let mut earlier: Vec<&str> = Vec::new();
        for arg in args {
            let setting = self.setting_name(formula, known, arg, scope, &earlier)?;
            earlier.push(setting);
            let Exponents { a, b, c } = &mut scoring.exponents;
            let exponent = match setting {
                "a" => a,
                "b" => b,
                "c" => c,
                _ => {
                    scoring.bound = Some(self.number_of_score(arg, setting, Scoring::BOUND, scope)?);
                    continue;
                }
            };
            *exponent = self.number_of_score(arg, setting, Scoring::EXPONENT, scope)?;
        }
        Some(scoring)
    }

    /// A number within bounds.
    fn number_of_score(
        &mut self,
        arg: &tree::Arg,
        setting: &str,
        (least, most): (f64, f64),
        scope: &Scope,
    ) -> Option<f64> {
        let expr = self.of_type(&arg.value, scope, &Type::Real(PLAIN), &format!("`{setting}` of `cs`"))?;
        let value = self.constant(&expr)?.and_then(|value| value.number())?;
        if (least..=most).contains(&value) {
            return Some(value);
        }
        let found =
            Diagnostic::error(codes::LIMIT, format!("`{setting}` of `cs` may be {least} to {most}, not {value}"));
        self.push(found.label(expr.location, "outside these bounds"));
        None
    }
}
