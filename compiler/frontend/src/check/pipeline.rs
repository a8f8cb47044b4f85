//! Pipelines of operators, as blocks, stems, heads and shrinks have them.

use super::{Checker, Scope, Typed};
use crate::constant::Value;
use crate::limits::{self, Limit};
use crate::resolve::{Binding, ItemId, Kind, listed};
use crate::{codes, nearest};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, Arg, ExprKind as Written, Name};
use cnasc_ir::program::{Aggregate, Block, Expr, ExprKind, Operator, OperatorDefault, OperatorParam, Stage, Type};

/// Where a pipeline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A node's computation.
    Block,
    /// `stem` or `head`.
    Section,
    /// What makes a node's image smaller.
    Shrink,
    /// A `scale`.
    Scale,
}

/// The names of all operators.
const OPERATORS: [&str; 19] = [
    "aggregate",
    "relu",
    "relu6",
    "clip",
    "leaky_relu",
    "sigmoid",
    "hard_sigmoid",
    "hard_swish",
    "softmax",
    "lrn",
    "scale",
    "conv",
    "depthwise",
    "pointwise",
    "bn",
    "maxpool",
    "avgpool",
    "global_avg",
    "linear",
];

/// Names of other places and what is meant by them.
const FOREIGN: [(&str, &str); 13] = [
    ("batchnorm", "bn"),
    ("batch_norm", "bn"),
    ("max_pool", "maxpool"),
    ("avg_pool", "avgpool"),
    ("dense", "linear"),
    ("fc", "linear"),
    ("gap", "global_avg"),
    ("global_avgpool", "global_avg"),
    ("conv2d", "conv"),
    ("hardswish", "hard_swish"),
    ("hardsigmoid", "hard_sigmoid"),
    ("leakyrelu", "leaky_relu"),
    ("local_response_norm", "lrn"),
];

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        "relu" => Operator::Relu,
        "sigmoid" => Operator::Sigmoid,
        "relu6" => Operator::Relu6,
        "clip" => Operator::Clip,
        "leaky_relu" => Operator::LeakyRelu,
        "hard_swish" => Operator::HardSwish,
        "hard_sigmoid" => Operator::HardSigmoid,
        "softmax" => Operator::Softmax,
        "lrn" => Operator::Lrn,
        "scale" => Operator::Scale,
        "conv" => Operator::Conv,
        "depthwise" => Operator::Depthwise,
        "pointwise" => Operator::Pointwise,
        "bn" => Operator::BatchNorm,
        "maxpool" => Operator::MaxPool,
        "avgpool" => Operator::AvgPool,
        "global_avg" => Operator::GlobalAvg,
        "linear" => Operator::Linear,
        "stride" => Operator::Stride,
        _ => return None,
    })
}

pub(super) const AGGREGATES: [&str; 6] = ["weighted", "sigmoid_weights", "sigmoid_inputs", "sum", "mean", "concat"];

pub(super) fn aggregate(name: &str) -> Option<Aggregate> {
    Some(match name {
        "weighted" | "sigmoid_weights" => Aggregate::SigmoidWeights,
        "sigmoid_inputs" => Aggregate::SigmoidInputs,
        "sum" => Aggregate::Sum,
        "mean" => Aggregate::Mean,
        "concat" => Aggregate::Concat,
        _ => return None,
    })
}

/// The bounds of a parameter of an operator.
pub(super) fn limit_of(parameter: &str) -> Limit {
    match parameter {
        "kernel" => limits::KERNEL,
        "stride" | "by" => limits::STRIDE,
        "padding" => limits::PADDING,
        "channels" | "groups" => limits::CHANNELS,
        "size" => limits::LRN_SIZE,
        _ => limits::OUTPUTS,
    }
}

impl Checker<'_> {
    pub(super) fn block(&mut self, id: ItemId, pipeline: &tree::Expr) -> Option<Block> {
        let scope = self.scope(id);
        let pipeline = self.pipeline(pipeline, &scope, Place::Block);
        let params = self.params(id);
        let name = self.names.item(id).name.text.clone();
        Some(Block { name, params: params?, pipeline: pipeline?, location: self.names.location(id) })
    }

    /// The operators of a pipeline; none where one has an error.
    pub(super) fn pipeline(&mut self, written: &tree::Expr, scope: &Scope, place: Place) -> Option<Vec<Stage>> {
        let mut flat = Vec::new();
        flatten(written, &mut flat);
        let stages: Vec<Option<Stage>> =
            flat.iter().enumerate().map(|(index, stage)| self.stage(stage, index, scope, place)).collect();
        stages.into_iter().collect()
    }

    fn stage(&mut self, written: &tree::Expr, index: usize, scope: &Scope, place: Place) -> Option<Stage> {
        let here = scope.at(written.span);
        let (callee, args) = match &written.kind {
            Written::Bad => return None,
            Written::Path(path) => (path, None),
            Written::Call { callee, args } => (callee, Some(args.as_slice())),
            _ => {
                self.push(
                    Diagnostic::error(codes::PIPELINE_PLACE, "expected an operator, found a value")
                        .label(here, "not an operator")
                        .note(format!("operators are {}", listed(OPERATORS))),
                );
                return None;
            }
        };
        let name = self.simple(callee, scope)?;
        if name.text == "aggregate" {
            let kind = self.aggregate(name, args, scope)?;
            self.aggregate_place(index, place, here)?;
            return Some(Stage {
                operator: Operator::Aggregate(kind),
                args: Vec::new(),
                inner: Vec::new(),
                location: here,
            });
        }
        let Some(operator) = operator(&name.text) else {
            return self.block_stage(written, name, scope);
        };
        if operator == Operator::Stride && place != Place::Shrink {
            let found = Diagnostic::error(codes::OPERATOR_PLACE, "`stride` alone is for a `shrink` only");
            self.push(
                found
                    .label(here, "not possible here")
                    .note("convolutions and pools take a stride of their own, as in `conv(3, 16, stride: 2)`"),
            );
            return None;
        }
        if place == Place::Shrink && matches!(operator, Operator::GlobalAvg | Operator::Linear) {
            self.push(
                Diagnostic::error(codes::OPERATOR_PLACE, format!("`{}` can't be in a `shrink`", name.text))
                    .label(here, "leaves a single pixel")
                    .note("`shrink` takes pools and strided convolutions"),
            );
            return None;
        }
        if operator == Operator::Scale {
            let inner = self.scale(args.unwrap_or_default(), scope, here)?;
            return Some(Stage { operator, args: Vec::new(), inner, location: here });
        }
        let args = self.operator_arguments(name, operator, args.unwrap_or_default(), scope, (place, here))?;
        Some(Stage { operator, args, inner: Vec::new(), location: here })
    }

    /// The pipeline in `scale(…)`.
    fn scale(&mut self, args: &[Arg], scope: &Scope, here: Location) -> Option<Vec<Stage>> {
        let [Arg { name: None, value }] = args else {
            self.push(
                Diagnostic::error(codes::MISSING_ARGUMENT, "`scale` takes one pipeline: what makes the factor")
                    .label(here, "expected one pipeline")
                    .note("for example `scale(global_avg -> pointwise(8) -> relu -> pointwise -> sigmoid)`"),
            );
            return None;
        };
        self.pipeline(value, scope, Place::Scale)
    }

    /// The one word in `aggregate(…)`.
    fn aggregate(&mut self, name: &Name, args: Option<&[Arg]>, scope: &Scope) -> Option<Aggregate> {
        let [Arg { name: None, value }] = args.unwrap_or_default() else {
            let here = scope.at(name.span);
            let found = Diagnostic::error(codes::MISSING_ARGUMENT, "`aggregate` takes one word: how inputs become one")
                .label(here, format!("expected {}", super::entries::alternatives(&AGGREGATES)));
            self.push(if args.is_none() {
                found.suggest(here, "aggregate(sum)", "say how, for example")
            } else {
                found
            });
            return None;
        };
        if let Written::Path(path) = &value.kind
            && let [word] = path.segments.as_slice()
        {
            if word.text == "attention" {
                self.push(
                    Diagnostic::error(codes::LATER_ATTENTION, "aggregation by attention is not there yet")
                        .label(scope.at(value.span), "not there in this release")
                        .note("its factors would depend on the image; those of `weighted` are learned once, so that they cost nothing when the network runs")
                        .suggest(scope.at(value.span), "weighted", "learn one weight an input instead"),
                );
                return None;
            }
            if let Some(kind) = aggregate(&word.text) {
                return Some(kind);
            }
        }
        self.word(value, scope, "aggregate", &AGGREGATES);
        None
    }

    fn aggregate_place(&mut self, index: usize, place: Place, here: Location) -> Option<()> {
        let (message, note) = match place {
            Place::Block if index == 0 => return Some(()),
            Place::Block => {
                ("`aggregate` must be the first operator", "only the first operator of a node has several inputs")
            }
            Place::Section => (
                "`aggregate` is for blocks only",
                "a `stem` or a `head` has one input, what the section before it gives",
            ),
            Place::Shrink => ("`aggregate` is for blocks only", "a `shrink` has one input, what its node gives"),
            Place::Scale => ("`aggregate` can't be in a `scale`", "a `scale` has one input, what reaches it"),
        };
        self.push(Diagnostic::error(codes::OPERATOR_PLACE, message).label(here, "not possible here").note(note));
        None
    }

    /// A block, or a parameter that is one, in the place of operators.
    fn block_stage(&mut self, written: &tree::Expr, name: &Name, scope: &Scope) -> Option<Stage> {
        let param = scope.params.iter().find(|(known, _)| *known == name.text);
        let block = match (param, self.names.modules[scope.module].scope.get(&name.text)) {
            (Some((_, ty)), _) => *ty == Some(Type::Block),
            (None, Some(Binding::Item(id))) => self.names.item(*id).kind == Kind::Block,
            (None, _) => false,
        };
        if !block {
            self.unknown_operator(name, scope);
            return None;
        }
        let expr = self.of_type(written, scope, &Type::Block, "an operator")?;
        Some(Stage {
            operator: Operator::Block,
            args: vec![Some(expr)],
            inner: Vec::new(),
            location: scope.at(written.span),
        })
    }

    fn unknown_operator(&mut self, name: &Name, scope: &Scope) {
        let here = scope.at(name.span);
        if self.names.modules[scope.module].scope.get(&name.text) == Some(&Binding::Poisoned) {
            return;
        }
        let foreign = FOREIGN.iter().find(|(foreign, _)| *foreign == name.text.to_lowercase());
        self.unknown += 1;
        let few = self.unknown <= limits::LIKENESSES;
        let names = self.names;
        let visible = names.modules[scope.module].scope.iter().filter(|_| few);
        let blocks =
            visible.filter(|(_, binding)| matches!(binding, Binding::Item(id) if names.item(*id).kind == Kind::Block));
        let known = OPERATORS.into_iter().chain(blocks.map(|(name, _)| name.as_str()));
        let meant = foreign.map(|(_, meant)| *meant).or_else(|| nearest::nearest(&name.text, known));
        let found = Diagnostic::error(codes::UNKNOWN_OPERATOR, format!("there is no operator `{}`", name.text))
            .label(here, "not an operator")
            .note(format!("operators are {}, and the blocks of the file", listed(OPERATORS)));
        self.push(match meant {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        });
    }

    /// One value a parameter, in their order, defaults filled in.
    fn operator_arguments(
        &mut self,
        name: &Name,
        operator: Operator,
        args: &[Arg],
        scope: &Scope,
        (place, here): (Place, Location),
    ) -> Option<Vec<Option<Expr>>> {
        let params = operator.params();
        let mut values: Vec<Option<Expr>> = vec![None; params.len()];
        let mut given: Vec<Option<Location>> = vec![None; params.len()];
        let mut whole = true;
        let mut next = 0;
        for arg in args {
            let index = match &arg.name {
                Some(label) => params.iter().position(|(param, _)| *param == label.text),
                None => Some(next).filter(|next| *next < params.len()),
            };
            let location = scope.at(arg.value.span);
            let Some(index) = index else {
                whole = false;
                self.stray_operand(name, params, arg, scope);
                continue;
            };
            next = index + 1;
            if let Some(first) = given[index] {
                whole = false;
                let message = format!("`{}` of `{}` is given twice", params[index].0, name.text);
                let found = Diagnostic::error(codes::DUPLICATE_ARGUMENT, message);
                self.push(found.label(location, "the second one").label(first, "the first one"));
                continue;
            }
            given[index] = Some(location);
            match self.operator_operand(&arg.value, scope, params[index], &name.text) {
                Some(value) => values[index] = Some(value),
                None => whole = false,
            }
        }
        self.operator_defaults(name, operator, &mut values, whole, (place, here))?;
        whole.then_some(values)
    }

    /// A whole number within the bounds of what it is for, a number, or a truth value.
    fn operator_operand(
        &mut self,
        written: &tree::Expr,
        scope: &Scope,
        (parameter, default): OperatorParam,
        owner: &str,
    ) -> Option<Expr> {
        let role = format!("`{parameter}` of `{owner}`");
        if default.is_real() {
            return self.of_type(written, scope, &Type::Real(crate::units::PLAIN), &role);
        }
        if parameter == "bias" {
            return self.of_type(written, scope, &Type::Bool, &role);
        }
        let expr = self.of_type(written, scope, &Type::Int, &role)?;
        self.within(&expr, limit_of(parameter))?;
        Some(expr)
    }

    /// Reports a constant outside its bounds.
    pub(super) fn within(&mut self, expr: &Expr, limit: Limit) -> Option<()> {
        match self.constant(expr)? {
            Some(Value::Int(value)) if !limit.allows(value) => {
                let Limit { what, least, most } = limit;
                let message = format!("{what} is {least} to {most}, this one is {value}");
                let label = if value < least { "too small" } else { "too large" };
                self.push(Diagnostic::error(codes::LIMIT, message).label(expr.location, label));
                None
            }
            _ => Some(()),
        }
    }

    fn stray_operand(&mut self, name: &Name, params: &[(&'static str, OperatorDefault)], arg: &Arg, scope: &Scope) {
        let names: Vec<&str> = params.iter().map(|(param, _)| *param).collect();
        let takes = if names.is_empty() {
            format!("`{}` takes nothing", name.text)
        } else {
            format!("`{}` takes {}", name.text, listed(names.iter().copied()))
        };
        let Some(label) = &arg.name else {
            self.push(
                Diagnostic::error(codes::TOO_MANY_ARGUMENTS, format!("`{}` is given too many arguments", name.text))
                    .label(scope.at(arg.value.span), "one too many")
                    .note(takes),
            );
            return;
        };
        let here = scope.at(label.span);
        let found =
            Diagnostic::error(codes::UNKNOWN_PARAMETER, format!("`{}` has no parameter `{}`", name.text, label.text))
                .label(here, "not a parameter")
                .note(takes);
        self.push(match nearest::nearest(&label.text, names) {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        });
    }

    fn operator_defaults(
        &mut self,
        name: &Name,
        operator: Operator,
        values: &mut [Option<Expr>],
        whole: bool,
        (place, here): (Place, Location),
    ) -> Option<()> {
        let first = values.first().cloned().flatten();
        let mut missing = Vec::new();
        for ((param, default), value) in operator.params().iter().zip(values.iter_mut()) {
            if value.is_some() {
                continue;
            }
            match default {
                OperatorDefault::Is(number) => *value = Some(Expr { kind: ExprKind::Int(*number), location: here }),
                OperatorDefault::Millionths(count) => {
                    *value = Some(Expr { kind: ExprKind::Real(*count as f64 / 1e6), location: here });
                }
                OperatorDefault::First => value.clone_from(&first),
                OperatorDefault::NodeChannels if place != Place::Section => {}
                OperatorDefault::HalfKernel | OperatorDefault::Unnormed => {}
                OperatorDefault::Required | OperatorDefault::Number | OperatorDefault::NodeChannels => {
                    missing.push(*param);
                }
            }
        }
        if missing.is_empty() || !whole {
            return Some(());
        }
        let message = format!("`{}` needs {}", name.text, listed(missing.iter().copied()));
        let found = Diagnostic::error(codes::MISSING_ARGUMENT, message).label(here, "not given here");
        if missing != ["channels"] {
            self.push(found);
            return None;
        }
        let found = found.note("in a block channels are the node's; elsewhere they must be given");
        let example = match self.text(here).strip_suffix(')') {
            Some(open) => format!("{}, channels: 16)", open.trim_end().trim_end_matches(',')),
            None => format!("{}(channels: 16)", name.text),
        };
        self.push(found.suggest(here, example.replace("(,", "("), "give them, for example"));
        None
    }

    /// A number of 0..1: reports constants outside.
    pub(super) fn probability(&mut self, written: &tree::Expr, scope: &Scope, role: &str) -> Option<Expr> {
        let typed = self.value(written, scope)?;
        self.probability_of(typed, written, scope, role)
    }

    /// The same of a value that is checked already.
    pub(super) fn probability_of(
        &mut self,
        typed: Typed,
        written: &tree::Expr,
        scope: &Scope,
        role: &str,
    ) -> Option<Expr> {
        let value = self.constant(&typed.expr)?.and_then(|value| value.number());
        let expr = self.fitted(typed, written, scope, &Type::Real(crate::units::PLAIN), role)?;
        match value {
            Some(value) if !super::bounds::is_probability(value) => {
                let found = Diagnostic::error(codes::PROBABILITY, format!("{role} must be within 0..1, found {value}"))
                    .label(expr.location, if value < 0.0 { "below 0" } else { "above 1" });
                let percent = (1.0..=100.0).contains(&value) && matches!(written.kind, Written::Number { .. });
                self.push(if percent {
                    let share = format!("{:?}", value / 100.0);
                    found.suggest(expr.location, share, "if this is in percent, write the share")
                } else {
                    found
                });
                None
            }
            _ => Some(expr),
        }
    }
}

/// The stages of a pipeline, those in parentheses among them.
fn flatten<'w>(written: &'w tree::Expr, stages: &mut Vec<&'w tree::Expr>) {
    match &written.kind {
        Written::Pipeline(parts) => parts.iter().for_each(|part| flatten(part, stages)),
        _ => stages.push(written),
    }
}
