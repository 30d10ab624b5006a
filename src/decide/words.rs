//! The hub's words, as a message shows them. A text of the hub is shortened and put on one line
//! only where it is shown. Values that are compared stay as the hub sent them.

use std::collections::BTreeSet;

/// The most of the hub's words that a message quotes, in characters.
const QUOTE: usize = 200;

/// What precedes the words of the model's deployments, at the end of a message.
const NOTED: &str = " The hub says of the deployment: ";

/// What stands between the words of several deployments.
const SEPARATOR: &str = "; ";

/// The words on one line, without control characters, and no longer than a message should be.
pub(crate) fn quote(words: &str) -> String {
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

/// The words, with `0` in place of each token that contains a digit. Texts that differ only in such
/// tokens, as in a request ID, a time or a count, count as the same.
pub(crate) fn without_digits(words: &str) -> String {
    let tokens = words.split_whitespace().map(|token| {
        if token.chars().any(char::is_numeric) {
            "0"
        } else {
            token
        }
    });
    tokens.collect::<Vec<_>>().join(" ")
}

/// The message, followed by the hub's words about the model's deployments.
pub(super) fn with_notes(message: &str, notes: &[String]) -> String {
    if notes.is_empty() {
        return message.to_owned();
    }
    let notes = notes.join(SEPARATOR);
    let end = if notes.ends_with('.') { "" } else { "." };
    format!("{message}{NOTED}{notes}{end}")
}

/// Splits a message into the operator's own words and the hub's words about the model's
/// deployments.
pub(super) fn split_notes(message: &str) -> (&str, &str) {
    message.split_at(message.find(NOTED).unwrap_or(message.len()))
}

/// Returns true when two messages end with the same words of the hub, in any order. They are what
/// [`split_notes`] splits off.
pub(super) fn are_same_notes(one: &str, other: &str) -> bool {
    each_note(one) == each_note(other)
}

fn each_note(notes: &str) -> BTreeSet<String> {
    let notes = notes.strip_prefix(NOTED).unwrap_or(notes);
    let notes = notes.strip_suffix('.').unwrap_or(notes);
    notes.split(SEPARATOR).map(without_digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_on_one_line_and_cut() {
        for (words, quoted) in [
            ("no GPU", "no GPU"),
            ("  no\r\n\tGPU \u{1b}[31m\u{85}", "no GPU [31m"),
            ("", ""),
        ] {
            assert_eq!(quote(words), quoted);
        }
        let long = quote(&"ü".repeat(9000));
        assert_eq!(long, format!("{}...", "ü".repeat(200)));
        assert_eq!(quote(&long), long, "quoted words can be quoted again");
    }

    #[test]
    fn words_that_differ_only_in_tokens_with_a_digit_are_the_same() {
        for (one, other, same) in [
            ("no GPU, try 3", "no GPU, try 12", true),
            ("at 2026-01-01T00:00:00Z", "at 2027-02-03T04:05:06Z", true),
            ("request req-7f3a failed", "request req-9 failed", true),
            ("3 of 8 are up", "12 of x8 are up", true),
            ("no  GPU", "no GPU", true),
            ("no GPU", "no CPU", false),
            ("try 3", "try", false),
            ("try 3", "retry 3", false),
            ("request abc", "request def", false),
        ] {
            assert_eq!(
                without_digits(one) == without_digits(other),
                same,
                "{one:?}, {other:?}"
            );
        }
    }

    #[test]
    fn notes_are_told_from_the_operators_own_words() {
        let note = |notes: &[&str]| {
            let notes: Vec<String> = notes.iter().map(|note| (*note).to_owned()).collect();
            with_notes("The model is error.", &notes)
        };
        assert_eq!(note(&[]), "The model is error.");
        let both = note(&["no GPU", "try 3"]);
        assert_eq!(
            both,
            "The model is error. The hub says of the deployment: no GPU; try 3."
        );
        assert!(note(&["no GPU."]).ends_with(": no GPU."));
        let own = |message: &str| split_notes(message).0.to_owned();
        assert_eq!(own(&both), "The model is error.");
        assert_eq!(split_notes(&note(&[])), ("The model is error.", ""));
        // Words of the hub that look like the operator's own are still the hub's.
        let odd = note(&["a The hub says of the deployment: b", "c; d."]);
        assert_eq!(own(&odd), "The model is error.");
        let same = |one: &str, other: &[&str]| {
            are_same_notes(split_notes(one).1, split_notes(&note(other)).1)
        };
        assert!(same(&both, &["try 4", "no GPU"]));
        assert!(!same(&both, &["no GPU"]));
        assert!(!same(&both, &[]));
        assert!(same("The model is inactive.", &[]));
        assert!(!same("The model is inactive.", &["no GPU"]));
    }
}
