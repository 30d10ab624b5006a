//! Text of the hub and of the cluster, made safe for a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text without control characters, line breaks and characters that change the direction of
/// writing. Each run of these and of white space becomes one space.
pub fn line(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| if is_unsafe(c) { ' ' } else { c })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text with a space in place of each character that [`line()`] removes, but with its line
/// breaks and its indentation.
pub fn lines(text: &str) -> String {
    let safe = |c: char| if c != '\n' && is_unsafe(c) { ' ' } else { c };
    text.chars().map(safe).collect()
}

/// The JSON text with the same meaning and without characters that change the terminal. In a
/// string, an escape takes the place of each. Outside of strings, JSON has only white space of
/// them.
pub fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push(c),
            '\r' | '\t' => safe.push(' '),
            c if is_unsafe(c) => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}

/// Returns true where each line of the text can be shown as it is.
pub fn is_safe(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !is_unsafe(c))
}

/// Returns true for a character that moves the cursor, changes the terminal or the direction of
/// writing, or that YAML can't hold.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
            | '\u{fffe}' | '\u{ffff}')
}

/// The number of a terminal's cells that the text takes.
pub fn cells(text: &str) -> usize {
    text.width()
}

/// The text, cut to this number of cells. A text that is cut ends with `...`.
pub fn cut(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    let dots = &"..."[..width.min(3)];
    let room = width - dots.len();
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        // A character can change the width of the one before it, such as U+FE0F.
        if cells(&kept) > room {
            kept.truncate(last_wide(&kept));
            break;
        }
    }
    kept.push_str(dots);
    kept
}

/// The text in lines of at most this many cells, broken between words. A longer word is broken
/// itself. What continues a line has its indentation, unless that takes more than half of the
/// width.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let words = paragraph.trim_start_matches(' ');
        let indent = paragraph.len() - words.len();
        let indent = if indent > width / 2 { 0 } else { indent };
        let broken = break_words(words, width - indent);
        lines.extend(broken.into_iter().map(|line| match line.as_str() {
            "" => line,
            _ => " ".repeat(indent) + &line,
        }));
    }
    lines
}

/// The text as [`cut()`] makes it, or as it is without a width.
pub fn cut_to(text: &str, width: Option<usize>) -> String {
    width.map_or_else(|| text.to_owned(), |width| cut(text, width))
}

/// Returns the text in lines of at most `width` cells, or as one text without a width. Unsafe
/// characters are replaced as in [`lines()`], unlike in [`cut_to()`].
pub fn wrap_to(text: &str, width: Option<usize>) -> Vec<String> {
    let text = lines(text);
    width.map_or_else(|| vec![text.clone()], |width| wrap(&text, width))
}

/// One line without indentation, in lines of at most this many cells.
fn break_words(words: &str, width: usize) -> Vec<String> {
    let (mut lines, mut current) = (Vec::new(), String::new());
    for word in words.split(' ') {
        let joined = if current.is_empty() {
            cells(word)
        } else {
            cells(&current) + 1 + cells(word)
        };
        if joined > width && !current.trim().is_empty() {
            lines.push(std::mem::take(&mut current));
        } else if !current.is_empty() {
            current.push(' ');
        }
        for c in word.chars() {
            current.push(c);
            let at = last_wide(&current);
            if at > 0 && cells(&current) > width {
                let rest = current.split_off(at);
                lines.push(std::mem::replace(&mut current, rest));
            }
        }
    }
    lines.push(current);
    lines
}

/// Where the last character begins that takes cells. What follows it belongs to it.
fn last_wide(text: &str) -> usize {
    let wide = |(_, c): &(usize, char)| c.width().unwrap_or_default() > 0;
    let last = text.char_indices().rev().find(wide);
    last.map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_changes_the_terminal() {
        assert_eq!(line("a\x1b[2Jb\r\nc\u{202e}d\te"), "a [2Jb c d e");
        assert_eq!(line("  plain  text "), "plain text");
        assert_eq!(line("日本語 e\u{301} 🦬"), "日本語 e\u{301} 🦬");
        assert_eq!(line("\u{9b}31mred"), "31mred");
        assert_eq!(
            json("{\r\n\"a\": \"\u{9b}31m\u{202e}\u{7f}ä\"}"),
            "{ \n\"a\": \"\\u009b31m\\u202e\\u007fä\"}"
        );
        assert_eq!(json("\"a\u{fffe}\u{ffff}\""), "\"a\\ufffe\\uffff\"");
        assert_eq!(lines("  a\x1b[2J\n  b\u{202e}"), "  a [2J\n  b ");
    }

    #[test]
    fn text_is_cut_and_wrapped_by_cells() {
        assert_eq!(cut("日本語日本語", 12), "日本語日本語");
        assert_eq!(cut("日本語日本語", 10), "日本語...");
        assert_eq!(cut("abcdef", 2), "..");
        assert_eq!(cut("abcdef", 0), "");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a\nb", 10), ["a", "b"]);
        assert_eq!(wrap("a\n\nb", 10), ["a", "", "b"]);
        assert_eq!(wrap("a\n  one two\n", 7), ["a", "  one", "  two", ""]);
        assert_eq!(wrap("  one  two", 40), ["  one  two"]);
        assert_eq!(wrap("      one two", 7), ["one two"]);
        let emoji = "\u{2764}\u{fe0f}";
        assert_eq!(cells(emoji), 2);
        assert_eq!(cut(&emoji.repeat(3), 5), format!("{emoji}..."));
        assert_eq!(cut(&emoji.repeat(3), 4), "...");
        assert_eq!(wrap(&emoji.repeat(3), 5), [emoji.repeat(2), emoji.into()]);
        for width in 1..30 {
            let wrapped = wrap("error: 日本語日本語 and a-word-that-is-rather-long", width);
            let longest = wrapped.iter().map(|line| cells(line)).max().unwrap();
            assert!(longest <= width.max(2), "{width}: {wrapped:?}");
        }
    }
}
