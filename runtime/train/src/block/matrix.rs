//! Products of matrices in rows: slices and extents → the product, by the library gemm, on the calling thread.

#![allow(unsafe_code, reason = "the library takes pointers; their extents are checked here")]

/// Which of the factors is given transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transposed {
    /// None.
    Neither,
    /// The left one, so that its rows are columns.
    Left,
    /// The right one.
    Right,
}

/// `to` becomes `keep`·`to` plus the product of an m×k and a k×n matrix; `keep` is 0 or 1.
///
/// # Panics
/// Where a slice has not the elements of its matrix.
pub fn multiply(
    to: &mut [f32],
    left: &[f32],
    right: &[f32],
    [m, k, n]: [usize; 3],
    transposed: Transposed,
    keep: bool,
) {
    assert!(to.len() == m * n && left.len() == m * k && right.len() == k * n, "the slices are the matrices");
    if to.is_empty() || k == 0 {
        to.iter_mut().for_each(|value| *value = if keep { *value } else { 0.0 });
        return;
    }
    let (m_, k_, n_) = (m.cast_signed(), k.cast_signed(), n.cast_signed());
    let (left_column, left_row) = if transposed == Transposed::Left { (m_, 1) } else { (1, k_) };
    let (right_column, right_row) = if transposed == Transposed::Right { (k_, 1) } else { (1, n_) };
    // SAFETY: element (i, j) of a matrix of r rows and c columns lies at i·c + j, or j·r + i where it is transposed, which is below r·c, the
    // length of its slice as asserted; `to` is borrowed alone. The library touches no others, and reads `to` only where it is kept.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            to.as_mut_ptr(),
            1,
            n_,
            keep,
            left.as_ptr(),
            left_column,
            left_row,
            right.as_ptr(),
            right_column,
            right_row,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_sums_of_products() {
        for [m, k, n] in [[1, 1, 1], [3, 5, 2], [17, 9, 33], [4, 0, 3], [0, 2, 2]] {
            let value = |seed: usize| move |index: usize| ((index * 7 + seed) % 11) as f32 - 5.0;
            let left: Vec<f32> = (0..m * k).map(value(1)).collect();
            let right: Vec<f32> = (0..k * n).map(value(2)).collect();
            let turn = |matrix: &[f32], rows: usize, columns: usize| -> Vec<f32> {
                (0..rows * columns).map(|at| matrix[at % rows * columns + at / rows]).collect()
            };
            let wanted = |before: f32| -> Vec<f32> {
                let element =
                    |at: usize| (0..k).map(|place| left[at / n * k + place] * right[place * n + at % n]).sum::<f32>();
                (0..m * n).map(|at| before + element(at)).collect()
            };
            for (transposed, left, right) in [
                (Transposed::Neither, left.clone(), right.clone()),
                (Transposed::Left, turn(&left, m, k), right.clone()),
                (Transposed::Right, left.clone(), turn(&right, k, n)),
            ] {
                for keep in [false, true] {
                    let mut to = vec![3.0; m * n];
                    multiply(&mut to, &left, &right, [m, k, n], transposed, keep);
                    assert_eq!(to, wanted(if keep { 3.0 } else { 0.0 }), "{m} {k} {n} {transposed:?}");
                }
            }
        }
    }
}
