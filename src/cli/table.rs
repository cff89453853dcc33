//! A listing: a head and rows of cells. Nothing that comes from outside drives the terminal. Pure.

use std::fmt::Display;

use serde_json::Value;

use crate::logic::printable::{cut, printable, width};

/// The widest a cell may get on a terminal, in columns; a table that is not for eyes has everything.
const WIDEST: usize = 60;

/// Rows under a head.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// A column's name, and the side its cells lean to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    /// Text.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Left(name) | Self::Right(name) => name,
        }
    }
}

impl Table {
    pub(super) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; what it lacks is empty.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell).into_owned()).collect());
    }

    /// A table of JSON objects: the columns' names are the members', with `-` for `_`.
    pub(super) fn of_objects(columns: &[Column], objects: &[Value]) -> Self {
        let mut table = Self::new(columns);
        for object in objects {
            table.row(columns.iter().map(|column| member(object, &column.name().to_lowercase().replace('-', "_"))));
        }
        table
    }

    /// In columns, two blanks between them.
    pub(super) fn aligned(&self) -> String {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| cut(cell, WIDEST).into_owned()).collect()).collect();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let widest = cells.iter().filter_map(|row| row.get(index)).map(|cell| width(cell)).max().unwrap_or(0);
                widest.max(width(column.name()))
            })
            .collect();
        let head: Vec<String> = self.columns.iter().map(|column| column.name().to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&head).chain(&cells) {
            let mut line = String::new();
            for ((column, width_of_column), cell) in self.columns.iter().zip(&widths).zip(row) {
                let padding = " ".repeat(width_of_column.saturating_sub(width(cell)));
                match column {
                    Column::Left(_) => line.extend([cell, &padding, "  "]),
                    Column::Right(_) => line.extend([&padding, cell.as_str(), "  "]),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// One tab between cells: for programs, which need no alignment.
    pub(super) fn separated(&self) -> String {
        let head: Vec<&str> = self.columns.iter().map(|column| column.name()).collect();
        let mut text = head.join("\t");
        text.push('\n');
        for row in &self.rows {
            text.push_str(&row.join("\t"));
            text.push('\n');
        }
        text
    }
}

/// A member of `object` as a cell; `-` for what is null or missing.
pub(super) fn member(object: &Value, name: &str) -> String {
    match object.get(name) {
        None | Some(Value::Null) => match object.get(format!("{name}_base64")) {
            Some(Value::String(bytes)) => format!("base64:{bytes}"),
            _ => "-".to_owned(),
        },
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.len().to_string(),
        Some(other) => other.to_string(),
    }
}

/// A number as a cell; `-` for none.
pub(super) fn number(number: Option<impl Display>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// A size in bytes as a cell: rounded for eyes, exact for programs.
pub(super) fn size(bytes: Option<i64>, terminal: bool) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let Some(bytes) = bytes.filter(|_| terminal) else { return number(bytes) };
    let (mut shown, mut unit) = (bytes as f64, None);
    for larger in UNITS {
        // What would be rounded to 1024.0 belongs to the next unit.
        if shown < if unit.is_none() { 1024.0 } else { 1023.95 } {
            break;
        }
        (shown, unit) = (shown / 1024.0, Some(larger));
    }
    unit.map_or_else(|| format!("{bytes} B"), |unit| format!("{shown:.1} {unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let mut table = Table::new(&[Column::Left("FORWARD"), Column::Right("LAG"), Column::Left("STATE")]);
        table.row(["a".into(), "7".into(), "running".into()]);
        table.row(["告警转发".into(), "1000".into(), "\u{1b}[31mred".into()]);
        assert_eq!(
            table.aligned(),
            "FORWARD    LAG  STATE\n\
             a            7  running\n\
             告警转发  1000  \\x1b[31mred\n"
        );
        assert_eq!(table.separated(), "FORWARD\tLAG\tSTATE\na\t7\trunning\n告警转发\t1000\t\\x1b[31mred\n");
    }

    #[test]
    fn a_tab_within_a_cell_makes_no_column() {
        let mut table = Table::new(&[Column::Left("KEY")]);
        table.row(["a\tb\nc".into()]);
        assert_eq!(table.separated(), "KEY\na\\tb\\nc\n");
    }

    #[test]
    fn a_long_cell_is_cut_for_eyes_alone() {
        let mut table = Table::new(&[Column::Left("REASON")]);
        table.row(["x".repeat(100)]);
        assert_eq!(table.aligned(), format!("REASON\n{}…\n", "x".repeat(59)));
        assert!(table.separated().contains(&"x".repeat(100)));
    }

    #[test]
    fn members_of_objects() {
        let object =
            json!({"id": 7, "key": null, "key_base64": "/w==", "reason": "no", "unsettled": [1, 2], "status": null});
        let table = Table::of_objects(
            &[
                Column::Left("ID"),
                Column::Left("KEY"),
                Column::Left("REASON"),
                Column::Left("UNSETTLED"),
                Column::Left("STATUS"),
                Column::Left("FIRST-FAILED-AT"),
            ],
            &[object],
        );
        assert_eq!(table.separated().lines().nth(1), Some("7\tbase64:/w==\tno\t2\t-\t-"));
    }

    #[test]
    fn sizes_are_rounded_for_eyes_alone() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (1024 * 1024, "1.0 MiB"),
            (5_000_000_000, "4.7 GiB"),
            (i64::MAX, "8192.0 PiB"),
        ] {
            assert_eq!(size(Some(bytes), true), shown, "{bytes}");
        }
        assert_eq!((size(Some(1_536), false), size(None, true)), ("1536".to_owned(), "-".to_owned()));
    }
}
