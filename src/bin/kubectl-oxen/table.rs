//! Tables of plain text.

use crate::clean::{self, cells, cut, cut_to};

/// The space between two columns.
const GAP: usize = 2;

/// What a table may lose where the terminal is narrower than it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The column stays as it is.
    Keep,
    /// The column is left out. The lowest number goes first.
    Drop(u8),
    /// The column is cut, after all columns that may be left out.
    Cut,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The heading.
    pub heading: &'static str,
    /// Whether the cells are numbers, which end at the same place.
    pub right: bool,
    /// What happens where the terminal is narrow.
    pub fit: Fit,
}

impl Column {
    /// A column of words that stays.
    pub const fn new(heading: &'static str) -> Self {
        Self {
            heading,
            right: false,
            fit: Fit::Keep,
        }
    }

    /// The column with another rule for a narrow terminal.
    pub const fn fit(self, fit: Fit) -> Self {
        Self { fit, ..self }
    }

    /// The column with cells that end at the same place.
    pub const fn right(self) -> Self {
        Self {
            right: true,
            ..self
        }
    }
}

/// The table's lines, the heading first. No line is wider than `width`; without a width, nothing is
/// left out or cut. No cell changes the terminal.
pub fn lines(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    // White space stays as it is, because it aligns the parts of a cell.
    let clean = |cell: &String| clean::lines(cell).replace('\n', " ");
    let clean = |row: &Vec<String>| row.iter().map(clean).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(clean).collect();
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let mut widths: Vec<usize> = (0..columns.len())
        .map(|at| {
            let in_rows = rows
                .iter()
                .map(|row| row.get(at).map_or(0, |cell| cells(cell)));
            in_rows.max().unwrap_or(0).max(columns[at].heading.len())
        })
        .collect();
    if let Some(width) = width {
        fit(columns, &mut shown, &mut widths, width);
    }
    let heading: Vec<String> = columns.iter().map(|column| column.heading.into()).collect();
    std::iter::once(&heading)
        .chain(&rows)
        .map(|row| {
            let line = line(columns, row, &shown, &widths);
            cut_to(&line, width)
        })
        .collect()
}

fn total(shown: &[usize], widths: &[usize]) -> usize {
    let all: usize = shown.iter().map(|at| widths[*at] + GAP).sum();
    all.saturating_sub(GAP)
}

fn fit(columns: &[Column], shown: &mut Vec<usize>, widths: &mut [usize], width: usize) {
    let mut optional: Vec<(u8, usize)> = (shown.iter())
        .filter_map(|at| match columns[*at].fit {
            Fit::Drop(order) => Some((order, *at)),
            Fit::Keep | Fit::Cut => None,
        })
        .collect();
    optional.sort_unstable();
    for (_, gone) in optional {
        if total(shown, widths) > width {
            shown.retain(|at| *at != gone);
        }
    }
    let cuttable: Vec<usize> = (shown.iter().copied())
        .filter(|at| columns[*at].fit == Fit::Cut)
        .collect();
    // The widest one is cut first, so that they end up equal.
    while total(shown, widths) > width {
        let widest = cuttable.iter().copied().max_by_key(|at| widths[*at]);
        match widest {
            Some(at) if widths[at] > columns[at].heading.len() => widths[at] -= 1,
            _ => break,
        }
    }
}

fn line(columns: &[Column], row: &[String], shown: &[usize], widths: &[usize]) -> String {
    let mut line = String::new();
    for at in shown {
        let cell = row.get(*at).map(String::as_str).unwrap_or_default();
        let cell = cut(cell, widths[*at]);
        let padding = " ".repeat(widths[*at].saturating_sub(cells(&cell)));
        if !line.is_empty() {
            line.push_str(&" ".repeat(GAP));
        }
        if columns[*at].right {
            line.push_str(&padding);
            line.push_str(&cell);
        } else {
            line.push_str(&cell);
            line.push_str(&padding);
        }
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::new("NAME").fit(Fit::Cut),
        Column::new("UNTIL").fit(Fit::Drop(0)),
        Column::new("REASON").fit(Fit::Cut),
        Column::new("/HOUR").right().fit(Fit::Drop(1)),
    ];

    fn rows() -> Vec<Vec<String>> {
        [
            ["support-bot", "18:00", "Active", "2.50"],
            ["日本語", "Mon 08:00", "ProgressDeadlineExceeded", "-"],
        ]
        .map(|row| row.map(str::to_owned).to_vec())
        .to_vec()
    }

    #[test]
    fn a_pipe_gets_everything_and_cells_are_aligned() {
        assert_eq!(
            lines(&COLUMNS, &rows(), None),
            [
                "NAME         UNTIL      REASON                    /HOUR",
                "support-bot  18:00      Active                     2.50",
                "日本語       Mon 08:00  ProgressDeadlineExceeded      -",
            ]
        );
    }

    #[test]
    fn a_narrow_terminal_loses_columns_first_and_then_ends_of_cells() {
        let at = |width| lines(&COLUMNS, &rows(), Some(width));
        assert_eq!(at(50)[0], "NAME         REASON                    /HOUR");
        assert_eq!(at(40)[0], "NAME         REASON");
        assert_eq!(at(30)[2], "日本語       ProgressDeadli...");
        for width in 0..80 {
            for line in at(width) {
                assert!(cells(&line) <= width, "{width}: {line:?}");
            }
        }
    }
}
