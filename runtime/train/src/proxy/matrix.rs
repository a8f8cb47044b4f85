//! Symmetric matrices that are positive definite, by Cholesky's triangle: determinants and traces of inverses.

/// L of the matrix L · Lᵀ, row by row, each up to its diagonal.
pub struct Triangle(Vec<Vec<f64>>);

impl Triangle {
    /// That of the symmetric matrix of `size` rows with these elements; none where it is not positive definite.
    pub fn of(size: usize, element: impl Fn(usize, usize) -> f64) -> Option<Self> {
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(size);
        for row in 0..size {
            let mut next: Vec<f64> = Vec::with_capacity(row + 1);
            for column in 0..row {
                let above = &rows[column];
                next.push((element(row, column) - product(&next, above)) / above[column]);
            }
            let square = element(row, row) - product(&next, &next);
            // What is left by rounding of a matrix without an inverse is as small as this.
            if square <= 1e-12 * element(row, row).abs() {
                return None;
            }
            next.push(square.sqrt());
            rows.push(next);
        }
        Some(Self(rows))
    }

    /// The logarithm of the matrix' determinant.
    pub fn log_determinant(&self) -> f64 {
        self.0.iter().enumerate().map(|(index, row)| 2.0 * libm::log(row[index])).sum()
    }

    /// The sum of the diagonal of the matrix' inverse: of the squares of the triangle's inverse.
    pub fn trace_of_inverse(&self) -> f64 {
        let size = self.0.len();
        (0..size).map(|column| self.inverse_column(column).iter().map(|value| value * value).sum::<f64>()).sum()
    }

    /// A column of the triangle's inverse, by forward substitution; what is above the diagonal is 0.
    fn inverse_column(&self, column: usize) -> Vec<f64> {
        let mut values = vec![0.0; column];
        for (index, row) in self.0.iter().enumerate().skip(column) {
            let unit = if index == column { 1.0 } else { 0.0 };
            values.push((unit - product(&values, row)) / row[index]);
        }
        values
    }
}

/// Of as many elements as the shorter one has.
fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_by_hand() {
        // Determinant 4 · 3 − 2 · 2 = 8, inverse 1/8 · [3 −2; −2 4].
        let matrix = [[4.0, 2.0], [2.0, 3.0]];
        let triangle = Triangle::of(2, |row, column| matrix[row][column]).expect("positive definite");
        assert!((triangle.log_determinant() - libm::log(8.0)).abs() < 1e-12);
        assert!((triangle.trace_of_inverse() - 7.0 / 8.0).abs() < 1e-12);
    }

    #[test]
    fn a_matrix_without_an_inverse_has_none() {
        assert!(Triangle::of(3, |_, _| 1.0).is_none());
        assert!(Triangle::of(2, |row, column| if row == column { 1.0 } else { 2.0 }).is_none());
    }
}
