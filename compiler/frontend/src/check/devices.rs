//! `device` declarations, evaluated to their figures.

use super::entries::{Body, Slot};
use super::{Checker, Scope};
use crate::constant::Value;
use crate::units::{self, COMPUTE, DATA, POWER};
use crate::{codes, limits};
use cnasc_base::Diagnostic;
use cnasc_grammar::tree::{self, EntryKind};
use cnasc_ir::fleet::{Backend, Device};
use cnasc_ir::program::{Dimension, Type};

/// Bits of a byte: quantities of data are held in bits, fleets and measures in bytes.
pub(super) const BITS: f64 = 8.0;

impl<'a> Checker<'a> {
    pub(super) fn device(&mut self, body: &mut Body<'a>) -> Option<Device> {
        let (mut compute, mut memory): (Slot<Option<f64>>, Slot<Option<f64>>) = (None, None);
        let mut cores: Slot<Option<i64>> = None;
        let mut backend: Slot<Option<Backend>> = None;
        let mut power: Slot<Option<f64>> = None;
        let declaration = body.declaration;
        for entry in &declaration.entries {
            let location = body.scope.at(entry.span);
            let EntryKind::Property { name, value } = &entry.kind else {
                self.stranger(body, entry);
                continue;
            };
            match name.text.as_str() {
                "compute" => {
                    let figure = self.figure(value, &body.scope, COMPUTE, "`compute`");
                    self.once(&mut compute, figure, "compute", location);
                }
                "memory" => {
                    let figure = self.figure(value, &body.scope, DATA, "`memory`");
                    self.once(&mut memory, figure, "memory", location);
                }
                "cores" => {
                    let count = self.count(value, &body.scope, limits::CORES, "`cores`");
                    self.once(&mut cores, count, "cores", location);
                }
                "power" => {
                    let figure = self.figure(value, &body.scope, POWER, "`power`");
                    self.once(&mut power, figure, "power", location);
                }
                "backend" => {
                    let checked = self.backend(value, &body.scope);
                    self.once(&mut backend, checked, "backend", location);
                }
                _ => self.stranger(body, entry),
            }
        }
        let compute = self.required(compute, body, "compute", "compute 8 GFLOP/s");
        let memory = self.required(memory, body, "memory", "memory 1 GiB");
        let cores = self.required(cores, body, "cores", "cores 4");
        let (compute, memory, cores) = (compute?.0?, memory?.0?, cores?.0?);
        Some(Device {
            name: declaration.name.text.clone(),
            kind: declaration.name.text.clone(),
            compute,
            memory: memory / BITS,
            cores: u32::try_from(cores).ok()?,
            backend: backend.map_or(Some(Backend::Jit), |backend| backend.0)?,
            power: power.map_or(Some(None), |power| power.0.map(Some))?,
        })
    }

    /// A figure of a device or a link: above 0, in base units.
    pub(super) fn figure(
        &mut self,
        written: &tree::Expr,
        scope: &Scope,
        dimension: Dimension,
        role: &str,
    ) -> Option<f64> {
        let expr = self.of_type(written, scope, &Type::Real(dimension), role)?;
        let value = self.constant(&expr)?.and_then(|value| value.number())?;
        if value > 0.0 {
            return Some(value);
        }
        let example = units::example(dimension).unwrap_or("1.0");
        self.push(
            Diagnostic::error(codes::LIMIT, format!("{role} must be above 0"))
                .label(expr.location, format!("expected a figure such as `{example}`")),
        );
        None
    }

    /// A whole number within bounds, known now.
    pub(super) fn count(
        &mut self,
        written: &tree::Expr,
        scope: &Scope,
        limit: limits::Limit,
        role: &str,
    ) -> Option<i64> {
        let expr = self.of_type(written, scope, &Type::Int, role)?;
        self.within(&expr, limit)?;
        match self.constant(&expr)? {
            Some(Value::Int(value)) => Some(value),
            _ => None,
        }
    }

    fn backend(&mut self, value: &tree::Expr, scope: &Scope) -> Option<Backend> {
        match self.word(value, scope, "backend", &["jit", "reference", "burn"])? {
            "reference" => Some(Backend::Reference),
            "burn" => Some(Backend::Burn),
            _ => Some(Backend::Jit),
        }
    }
}
