//! Lines that can be pasted into a shell, and the quotes of the values in them.

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

/// The text as one word of a shell. Each character that changes the terminal becomes a space.
pub fn quote(text: &str) -> String {
    let text = clean::line(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The words of a line of shell, with their quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    let mut escaped = false;
    for c in line.chars() {
        let was_escaped = std::mem::replace(&mut escaped, c == '\\' && quote.is_none());
        match (c, quote) {
            _ if was_escaped => escaped = false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_one_word_of_a_shell() {
        for (text, quoted) in [
            ("team-a", "team-a"),
            ("--user=jane@acme.com", "--user=jane@acme.com"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(id)\n;`id`", "'$(id) ;`id`'"),
            ("it's a", r"'it'\''s a'"),
        ] {
            assert_eq!(quote(text), quoted);
            let line = format!("a {quoted} b");
            assert_eq!(words(&line), ["a", quoted, "b"], "{line}");
        }
    }
}
