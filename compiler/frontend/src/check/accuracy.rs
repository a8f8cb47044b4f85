//! `accuracy` in a search or a fidelity: what tells how well a candidate classifies.

use super::{Checker, Scope};
use crate::resolve::Kind;
use crate::units::TIME;
use crate::{codes, limits};
use cnasc_base::Diagnostic;
use cnasc_grammar::tree::{self, ExprKind as Written};
use cnasc_ir::program::{Accuracy, ExprKind, TrainingId, Type};

/// The ways to know it, with their settings.
const WAYS: [(&str, &[&str]); 3] = [("trained", &["epochs"]), ("proxy", &["data"]), ("command", &["within"])];

/// Seconds that a command has where nothing is said.
const WITHIN: f64 = 600.0;

/// What a way was given: values without a name, and settings.
type Given<'t> = (Vec<&'t tree::Expr>, Vec<(&'t str, &'t tree::Expr)>);

impl Checker<'_> {
    /// The value of an `accuracy` entry.
    pub(super) fn accuracy(&mut self, value: &tree::Expr, scope: &Scope) -> Option<Accuracy> {
        let names = WAYS.map(|(name, _)| name);
        let Written::Call { callee, args } = &value.kind else {
            if value.kind != Written::Bad {
                self.unknown_word("", scope.at(value.span), "accuracy", &names);
            }
            return None;
        };
        let name = self.simple(callee, scope)?;
        let Some((word, known)) = WAYS.iter().find(|(word, _)| *word == name.text) else {
            self.unknown_word(&name.text, scope.at(name.span), "accuracy", &names);
            return None;
        };
        let (values, settings) = self.given(word, known, args, scope)?;
        let setting = settings.first().map(|(_, value)| *value);
        match *word {
            "trained" => {
                let by = self.only(&values, value, scope, "trained", "the name of a training")?;
                let by = self.item_of(by, scope, Kind::Training, "trained")?;
                let by = TrainingId::new(self.names.item(by).number);
                let epochs = match setting {
                    Some(epochs) => Some(self.count(epochs, scope, limits::EPOCHS, "`epochs` of `trained`")?),
                    None => None,
                };
                Some(Accuracy::Trained { by, epochs: epochs.and_then(|epochs| u64::try_from(epochs).ok()) })
            }
            "proxy" => {
                let name = self.only(&values, value, scope, "proxy", "the name of a proxy")?;
                let name = self.word(name, scope, "proxy", &Accuracy::PROXIES)?;
                let name = Accuracy::PROXIES.into_iter().find(|known| *known == name)?;
                let data = match setting {
                    Some(folder) => Some(self.text_value(folder, scope, "`data` of `proxy`")?),
                    None => None,
                };
                Some(Accuracy::Proxy { name, data })
            }
            _ => {
                if values.is_empty() {
                    return self.nothing_given(value, scope, "command", "the name of a program in quotation marks");
                }
                let words = values.iter().map(|word| self.text_value(word, scope, "a word of `command`"));
                let words: Vec<String> = words.collect::<Option<_>>()?;
                let within = match setting {
                    Some(limit) => self.seconds(limit, scope)?,
                    None => WITHIN,
                };
                Some(Accuracy::Command { words, within })
            }
        }
    }

    fn given<'t>(&mut self, way: &str, known: &[&str], args: &'t [tree::Arg], scope: &Scope) -> Option<Given<'t>> {
        let (mut values, mut settings): Given<'t> = Default::default();
        for arg in args {
            if arg.name.is_none() {
                values.push(&arg.value);
                continue;
            }
            let earlier: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
            settings.push((self.setting_name(way, known, arg, scope, &earlier)?, &arg.value));
        }
        Some((values, settings))
    }

    /// The one value that a way takes.
    fn only<'t>(
        &mut self,
        values: &[&'t tree::Expr],
        whole: &tree::Expr,
        scope: &Scope,
        way: &str,
        what: &str,
    ) -> Option<&'t tree::Expr> {
        match values {
            [only] => Some(only),
            [] => self.nothing_given(whole, scope, way, what),
            [_, more, ..] => {
                let found = Diagnostic::error(codes::TOO_MANY_ARGUMENTS, format!("`{way}` takes {what} and no more"));
                self.push(found.label(scope.at(more.span), "one too many"));
                None
            }
        }
    }

    fn nothing_given<T>(&mut self, whole: &tree::Expr, scope: &Scope, way: &str, what: &str) -> Option<T> {
        let found = Diagnostic::error(codes::MISSING_ARGUMENT, format!("`{way}` takes {what}"));
        self.push(found.label(scope.at(whole.span), "there is none"));
        None
    }

    fn text_value(&mut self, written: &tree::Expr, scope: &Scope, role: &str) -> Option<String> {
        match self.of_type(written, scope, &Type::Text, role)?.kind {
            ExprKind::Text(text) => Some(text),
            _ => None,
        }
    }

    fn seconds(&mut self, written: &tree::Expr, scope: &Scope) -> Option<f64> {
        let expr = self.of_type(written, scope, &Type::Real(TIME), "`within` of `command`")?;
        let seconds = self.constant(&expr)?.and_then(|value| value.number())?;
        if seconds > 0.0 && seconds <= limits::BUDGET_SECONDS {
            return Some(seconds);
        }
        let found = Diagnostic::error(codes::LIMIT, "a command has more than no time and at most ten years");
        self.push(found.label(expr.location, "outside these bounds"));
        None
    }
}
