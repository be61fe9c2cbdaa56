//! Columns of text as wide as they have to be.

use std::fmt::Write as _;

use crate::failure::Failure;
use crate::output;

/// Wider cells are cut, but for the last of a row.
const WIDEST: usize = 60;

pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self {
            rows: vec![head.map(str::to_owned).to_vec()],
        }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| output::plain(&cell)).to_vec());
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        self.lines().iter().try_for_each(|line| output::line(line))
    }

    fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count().min(WIDEST))
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                if column + 1 == row.len() {
                    line.push_str(cell);
                } else {
                    let width = widths[column];
                    let cell: String = cell.chars().take(WIDEST).collect();
                    // Writing to a String cannot fail.
                    let _ = write!(line, "{cell:<width$}  ");
                }
            }
            line.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_cells_cannot_command_the_terminal() {
        let mut table = Table::new(["ID", "STATE", "MESSAGE"]);
        table.row(["a".into(), "running".into(), "x\u{1b}[2J".into()]);
        table.row(["long-one".into(), "dead".into(), String::new()]);
        assert_eq!(
            table.lines(),
            [
                "ID        STATE    MESSAGE",
                "a         running  x\u{fffd}[2J",
                "long-one  dead",
            ]
        );
    }
}
