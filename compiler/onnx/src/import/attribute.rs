//! The settings of a node, by name and type.

use super::error::{Problem, shown, wrong};
use crate::proto::{Attribute, AttributeKind, Node, Tensor};

/// Reads the settings of one node. A setting of another type than it should have is an error; one that is not asked for is not looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes<'a> {
    list: &'a [Attribute],
}

impl<'a> Attributes<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        Self { list: &node.attribute }
    }

    /// Of what has no settings.
    pub(super) fn none() -> Self {
        Self { list: &[] }
    }

    fn find(self, name: &str, kind: AttributeKind) -> Result<Option<&'a Attribute>, Problem> {
        let Some(found) = self.list.iter().find(|attribute| attribute.name == name) else { return Ok(None) };
        // The type was not written by the first version of ONNX.
        if found.r#type == kind as i32 || found.r#type == AttributeKind::Undefined as i32 {
            Ok(Some(found))
        } else {
            wrong(format!("has a setting `{}` of another type than {kind:?}", shown(name)))
        }
    }

    /// Whether it is set at all.
    pub(super) fn has(self, name: &str) -> bool {
        self.list.iter().any(|attribute| attribute.name == name)
    }

    pub(super) fn int(self, name: &str, default: i64) -> Result<i64, Problem> {
        Ok(self.find(name, AttributeKind::Int)?.map_or(default, |attribute| attribute.i))
    }

    pub(super) fn flag(self, name: &str) -> Result<bool, Problem> {
        Ok(self.int(name, 0)? != 0)
    }

    pub(super) fn float(self, name: &str, default: f32) -> Result<f32, Problem> {
        Ok(self.find(name, AttributeKind::Float)?.map_or(default, |attribute| attribute.f))
    }

    pub(super) fn ints(self, name: &str) -> Result<Option<&'a [i64]>, Problem> {
        Ok(self.find(name, AttributeKind::Ints)?.map(|attribute| attribute.ints.as_slice()))
    }

    pub(super) fn floats(self, name: &str) -> Result<Option<&'a [f32]>, Problem> {
        Ok(self.find(name, AttributeKind::Floats)?.map(|attribute| attribute.floats.as_slice()))
    }

    pub(super) fn tensor(self, name: &str) -> Result<Option<&'a Tensor>, Problem> {
        Ok(self.find(name, AttributeKind::Tensor)?.and_then(|attribute| attribute.t.as_ref()))
    }

    pub(super) fn text(self, name: &str, default: &'static str) -> Result<&'a str, Problem> {
        match self.find(name, AttributeKind::Text)? {
            None => Ok(default),
            Some(attribute) => match std::str::from_utf8(&attribute.s) {
                Ok(text) => Ok(text),
                Err(_) => wrong(format!("has a setting `{}` that is no text", shown(name))),
            },
        }
    }
}
