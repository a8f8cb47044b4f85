//! Any order of any number of axes, made of orders of three.

use cnasc_ir::Shape;
use cnasc_ir::op::Axis;

/// Three extents whose axes are brought to another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Before.
    pub extents: [u64; 3],
    /// The old axis of each new one.
    pub axes: [Axis; 3],
}

/// The first two of three axes exchanged.
const SWAP: [Axis; 3] = [Axis::Rows, Axis::Channels, Axis::Columns];

/// The one order of the axes that a tensor of `dims` has already as `found`, and shall have as `wanted`, that makes `order`, if there
/// is one: nothing is reshaped then. Axes of one place may stand anywhere.
pub(super) fn direct(found: Shape, dims: &[u64], order: &[usize], wanted: Option<Shape>) -> Option<Turn> {
    let long = |shape: Shape| Axis::ALL.into_iter().filter(move |&axis| shape.extent(axis) != 1);
    let (from, to): (Vec<Axis>, Vec<Axis>) = (long(found).collect(), long(wanted?).collect());
    let old: Vec<usize> = (0..dims.len()).filter(|&axis| dims[axis] != 1).collect();
    let new: Vec<usize> = order.iter().copied().filter(|&axis| dims[axis] != 1).collect();
    let fits = from.len() == old.len()
        && to.len() == old.len()
        && from.iter().zip(&old).all(|(&axis, &place)| u64::from(found.extent(axis)) == dims[place]);
    if !fits || old == new {
        return None;
    }
    let mut rest = Axis::ALL.into_iter().filter(|axis| !from.contains(axis));
    let mut axes = Vec::with_capacity(3);
    for axis in Axis::ALL {
        match to.iter().position(|&other| other == axis) {
            Some(place) => axes.push(from[old.iter().position(|&other| other == new[place])?]),
            None => axes.push(rest.next()?),
        }
    }
    let extents = Axis::ALL.map(|axis| u64::from(found.extent(axis)));
    Some(Turn { extents, axes: axes.try_into().ok()? })
}

/// Orders of three blocks of axes that, one after the other, make `order`; one where that is enough, none where nothing moves.
///
/// More than three blocks are sorted as a ring: each is brought behind the one that it shall follow, and at last the ring is turned
/// to where it begins.
pub(super) fn turns(dims: &[u64], order: &[usize]) -> Vec<Turn> {
    let (blocks, wanted) = blocks(dims, order);
    let mut list: Vec<usize> = (0..blocks.len()).collect();
    let mut turns = Vec::new();
    if wanted == list {
        return turns;
    }
    if let &[a, b, c] = wanted.as_slice() {
        turns.push(Turn { extents: [blocks[0], blocks[1], blocks[2]], axes: [a, b, c].map(|block| Axis::ALL[block]) });
        return turns;
    }
    let size = |part: &[usize]| part.iter().map(|&block| blocks[block]).product::<u64>();
    let place = |list: &[usize], block: usize| list.iter().position(|&other| other == block).unwrap_or(0);
    let rotate = |list: &mut Vec<usize>, turns: &mut Vec<Turn>, count: usize| {
        if !count.is_multiple_of(list.len()) {
            let (before, behind) = list.split_at(count);
            turns.push(Turn { extents: [size(before), size(behind), 1], axes: SWAP });
            list.rotate_left(count);
        }
    };
    for pair in wanted.windows(2) {
        let (leader, follower) = (pair[0], pair[1]);
        let behind = (place(&list, leader) + 1) % list.len();
        if list[behind] == follower {
            continue;
        }
        rotate(&mut list, &mut turns, behind);
        let passed = place(&list, follower);
        let (before, rest) = list.split_at(passed);
        turns.push(Turn { extents: [size(before), size(&rest[..1]), size(&rest[1..])], axes: SWAP });
        list[..=passed].rotate_right(1);
    }
    let first = place(&list, wanted[0]);
    rotate(&mut list, &mut turns, first);
    turns
}

/// Extents of blocks of axes that stay side by side, in their old order, and for each new place of a block its old one. Axes of one place
/// belong to none.
fn blocks(dims: &[u64], order: &[usize]) -> (Vec<u64>, Vec<usize>) {
    let next = |axis: usize| (axis + 1..dims.len()).find(|&axis| dims[axis] != 1);
    // In the new order, the first axis and the extent of each block.
    let mut starts: Vec<(usize, u64)> = Vec::new();
    let mut before = None;
    for axis in order.iter().copied().filter(|&axis| dims[axis] != 1) {
        match starts.last_mut() {
            Some((_, extent)) if before.and_then(next) == Some(axis) => *extent *= dims[axis],
            _ => starts.push((axis, dims[axis])),
        }
        before = Some(axis);
    }
    let mut sorted = starts.clone();
    sorted.sort_unstable();
    let places = starts.iter().map(|start| sorted.iter().position(|other| other == start).unwrap_or(0)).collect();
    (sorted.into_iter().map(|(_, extent)| extent).collect(), places)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in row-major order with their axes in another order, element by element.
    fn permute(values: &[u32], dims: &[u64], order: &[usize]) -> Vec<u32> {
        let mut strides = vec![1; dims.len()];
        for axis in (1..dims.len()).rev() {
            strides[axis - 1] = strides[axis] * dims[axis];
        }
        let new: Vec<u64> = order.iter().map(|&axis| dims[axis]).collect();
        let count: u64 = dims.iter().product();
        let each = (0..count).map(|place| {
            let (mut rest, mut from) = (place, 0);
            for axis in (0..new.len()).rev() {
                from += rest % new[axis] * strides[order[axis]];
                rest /= new[axis];
            }
            values[from as usize]
        });
        each.collect()
    }

    fn orders(rank: usize) -> Vec<Vec<usize>> {
        if rank == 0 {
            return vec![Vec::new()];
        }
        let shorter = orders(rank - 1);
        let insert = |order: &Vec<usize>, place: usize| {
            let mut order = order.clone();
            order.insert(place, rank - 1);
            order
        };
        shorter.iter().flat_map(|order| (0..rank).map(move |place| insert(order, place))).collect()
    }

    #[test]
    fn all_orders_of_up_to_six_axes() {
        for dims in [&[2, 3][..], &[2, 3, 4], &[2, 1, 3, 2], &[2, 3, 2, 1, 2], &[2, 3, 2, 4, 5, 3]] {
            let count: u64 = dims.iter().product();
            let values: Vec<u32> = (0..count as u32).collect();
            for order in orders(dims.len()) {
                let mut found = values.clone();
                let turns = turns(dims, &order);
                for turn in &turns {
                    found = permute(&found, &turn.extents, &turn.axes.map(Axis::index));
                }
                assert_eq!(found, permute(&values, dims, &order), "{dims:?} by {order:?}");
                assert!(turns.len() <= if dims.len() < 4 { 1 } else { 2 * dims.len() }, "{order:?} takes {turns:?}");
            }
        }
    }

    #[test]
    fn images_are_not_reshaped() {
        let image = Shape::new(6, 4, 5);
        let last = direct(image, &[1, 6, 4, 5], &[0, 2, 3, 1], Some(Shape::new(4, 5, 6)));
        let axes = [Axis::Rows, Axis::Columns, Axis::Channels];
        assert_eq!(last, Some(Turn { extents: [6, 4, 5], axes }));
        let row = direct(Shape::new(6, 1, 5), &[1, 6, 5], &[0, 2, 1], Some(Shape::new(5, 1, 6)));
        assert_eq!(row, Some(Turn { extents: [6, 1, 5], axes: [Axis::Columns, Axis::Rows, Axis::Channels] }));
        assert_eq!(direct(image, &[2, 3, 4, 5], &[1, 0, 2, 3], Some(image)), None, "two axes are its channels");
    }
}
