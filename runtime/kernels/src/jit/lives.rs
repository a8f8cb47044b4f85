//! From when to when each buffer is in use, told from the calls that are left after fusing.

use super::lower::Program;
use crate::memory::Timeline;
use cnasc_bundle::{Action, Share};
use cnasc_ir::TensorId;

/// Walks through the share's actions; each call and each exchange is a moment of its own. A buffer that nothing uses has no size; others keep their place
/// for `linger` moments after their last use.
pub fn lives(program: &Program<'_>, share: &Share, output: TensorId, linger: u32) -> Timeline {
    let mut walk = Walk { program, timeline: Timeline::default(), first: vec![None; program.buffers.len()] };
    if share.takes_image {
        walk.tensor(TensorId(0));
    }
    for (action, calls) in share.actions.iter().zip(&program.actions) {
        match action {
            Action::Receive { tensor, .. } | Action::Send { tensor, .. } => walk.tensor(*tensor),
            Action::Compute { .. } => {
                for call in calls {
                    walk.timeline.tick();
                    call.inputs.iter().chain([&call.output]).for_each(|&buffer| walk.touch(buffer));
                }
            }
        }
    }
    if share.gives_answer {
        walk.tensor(output);
        if let Some(item) = program.buffer_of[output.index()].and_then(|buffer| walk.first[buffer]) {
            walk.timeline.keep(item);
        }
    }
    walk.finish().lingering(linger)
}

struct Walk<'a> {
    program: &'a Program<'a>,
    timeline: Timeline,
    /// By buffer, its item in the timeline.
    first: Vec<Option<usize>>,
}

impl Walk<'_> {
    fn tensor(&mut self, tensor: TensorId) {
        self.timeline.tick();
        if let Some(buffer) = self.program.buffer_of[tensor.index()] {
            self.touch(buffer);
        }
    }

    fn touch(&mut self, buffer: usize) {
        match self.first[buffer] {
            Some(item) => self.timeline.touch(item),
            None => self.first[buffer] = Some(self.timeline.add(4 * self.program.buffers[buffer].len())),
        }
    }

    /// Items in the order of the buffers.
    fn finish(mut self) -> Timeline {
        let missing = |timeline: &mut Timeline| timeline.add(0);
        let order: Vec<usize> =
            self.first.iter().map(|item| item.unwrap_or_else(|| missing(&mut self.timeline))).collect();
        self.timeline.in_order(&order)
    }
}
