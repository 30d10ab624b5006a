//! Lines that can be pasted into a shell.

use super::report::INDENT;
use crate::clean;

/// A line to paste, continued with a backslash where it is too long. It is broken only between the
/// shell's words.
pub fn command(label: &str, line: &str, width: usize) -> Vec<String> {
    let indent = INDENT + label.len() + 2;
    let mut rows = vec![String::new()];
    for word in words(&clean::line(line)) {
        let row = rows.last_mut().map(std::mem::take).unwrap_or_default();
        let joined = clean::cells(&row) + 1 + clean::cells(&word);
        rows.pop();
        if row.is_empty() {
            rows.push(word);
        } else if indent + joined + 2 <= width {
            rows.push(format!("{row} {word}"));
        } else {
            rows.extend([format!("{row} \\"), word]);
        }
    }
    let label = format!("{}{label}: ", " ".repeat(INDENT));
    let shown = rows.into_iter().enumerate().map(|(at, row)| match at {
        0 => format!("{label}{row}"),
        _ => format!("{}{row}", " ".repeat(indent)),
    });
    shown.collect()
}

/// The words of a line of shell, with their quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match (c, quote) {
            (' ', None) => {
                words.push(String::new());
                continue;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words
}
