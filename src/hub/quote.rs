//! The hub's words, as a message quotes them.

/// The most of the hub's words that a message quotes, in characters.
const QUOTE: usize = 200;

/// The words on one line, without control characters, and no longer than a message should be.
pub(super) fn quote(words: &str) -> String {
    let line: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= QUOTE {
        return line;
    }
    let cut: String = line.chars().take(QUOTE).collect();
    format!("{cut}...")
}
