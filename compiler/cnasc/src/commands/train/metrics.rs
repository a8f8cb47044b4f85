//! Figures of a run, a row an epoch: `metrics.csv`.

use crate::failure::Failure;
use crate::output::write_file;
use serde::Serialize;
use std::path::Path;

/// What an epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Counted from 1.
    pub epoch: u32,
    /// The last step's.
    pub learning_rate: f32,
    /// On the images as they were shown, while it learnt.
    pub train_loss: f32,
    /// The same.
    pub train_accuracy: f32,
    /// On the images that it is judged by, as they are.
    pub loss: f32,
    /// The same.
    pub accuracy: f32,
    /// Of learning, judging not counted.
    pub seconds: f64,
    /// Learnt from in a second.
    pub images_per_second: f64,
}

const HEADINGS: &str = "epoch,learning_rate,train_loss,train_accuracy,loss,accuracy,seconds,images_per_second";

/// Writes all rows.
///
/// # Errors
/// Where the file can't be written.
pub fn write(path: &Path, rows: &[Row]) -> Result<(), Failure> {
    let line = |row: &Row| {
        format!(
            "{},{},{},{},{},{},{:.3},{:.1}\n",
            row.epoch,
            row.learning_rate,
            row.train_loss,
            row.train_accuracy,
            row.loss,
            row.accuracy,
            row.seconds,
            row.images_per_second
        )
    };
    let lines: String = rows.iter().map(line).collect();
    write_file(path, format!("{HEADINGS}\n{lines}").as_bytes())
}

/// The rows of the first `epochs` of a file; fewer where it has not those, since figures are not worth failing for.
#[must_use]
pub fn read(path: &Path, epochs: u32) -> Vec<Row> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let rows = text.lines().skip(1).map_while(row);
    rows.take_while(|row| row.epoch <= epochs).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.split(',');
    let epoch = cells.next()?.parse().ok()?;
    let mut single = || cells.next()?.parse::<f32>().ok();
    let (learning_rate, train_loss, train_accuracy) = (single()?, single()?, single()?);
    let (loss, accuracy) = (single()?, single()?);
    let (seconds, images_per_second) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
    Some(Row { epoch, learning_rate, train_loss, train_accuracy, loss, accuracy, seconds, images_per_second })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let row = |epoch| Row {
            epoch,
            learning_rate: 0.1,
            train_loss: 1.25,
            train_accuracy: 0.5,
            loss: 2.0,
            accuracy: 0.75,
            seconds: 3.5,
            images_per_second: 100.5,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.csv");
        write(&path, &[row(1), row(2), row(3)]).expect("it can be written");
        assert_eq!(read(&path, 2), [row(1), row(2)]);
        assert_eq!(read(&folder.path().join("none"), 2), []);
    }
}
