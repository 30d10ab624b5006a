//! A list of models that is read while its body arrives, one item at a time. A long list needs no
//! more memory than its longest item, and an item that can't be read doesn't affect the others.

use serde::de::IgnoredAny;

use super::fields::{Fields, text};

/// The field of the list that holds its items.
const ITEMS: &[u8] = b"\"data\"";

/// Splits a list into its items.
#[derive(Debug)]
pub(super) struct ItemReader {
    /// The largest size of one item, and of everything around the items, in bytes.
    limit: usize,
    /// The list's JSON without its items.
    outer: Vec<u8>,
    /// The item that is being read, or `None` if it is too long.
    item: Option<Vec<u8>>,
    /// Whether the current byte is among the items.
    among_items: bool,
    /// Whether the current array of items has contained anything but white space so far.
    started: bool,
    /// The number of arrays and objects that are open.
    depth: usize,
    /// Whether the current byte is within a string, and whether it is escaped there.
    string: bool,
    escaped: bool,
}

/// The error that the text around the items is longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl ItemReader {
    /// Makes a reader of items of up to this number of bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            outer: Vec::new(),
            item: Some(Vec::new()),
            among_items: false,
            started: false,
            depth: 0,
            string: false,
            escaped: false,
        }
    }

    /// Reads the next part of the body. `on_item` gets each item that ends in this part: its JSON,
    /// or `None` if the item is too long.
    ///
    /// # Errors
    ///
    /// Fails if the list is too long without its items.
    pub(super) fn feed(
        &mut self,
        chunk: &[u8],
        mut on_item: impl FnMut(Option<&[u8]>),
    ) -> Result<(), TooLong> {
        let mut rest = chunk;
        while !rest.is_empty() {
            // Most bytes have no meaning by themselves.
            let plain = rest.iter().position(|byte| self.means_something(*byte));
            let (plain, after) = rest.split_at(plain.unwrap_or(rest.len()));
            self.keep(plain)?;
            let Some((byte, after)) = after.split_first() else {
                break;
            };
            rest = after;
            self.step(*byte, &mut on_item)?;
        }
        Ok(())
    }

    /// Ends the list.
    ///
    /// # Errors
    ///
    /// Says why the body is not a list. The error quotes only the name of a field.
    pub(super) fn end(self) -> Result<(), String> {
        let outer = text(&self.outer);
        let items: Vec<IgnoredAny> = Fields::read(&outer)?.required("data")?;
        // The items have been removed, unless their field's name is written with an escape.
        if items.is_empty() {
            Ok(())
        } else {
            Err("the field data is not a list that can be read".into())
        }
    }

    fn means_something(&self, byte: u8) -> bool {
        if self.string {
            self.escaped || matches!(byte, b'"' | b'\\')
        } else {
            matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b',')
        }
    }

    fn step(&mut self, byte: u8, on_item: &mut impl FnMut(Option<&[u8]>)) -> Result<(), TooLong> {
        if self.string {
            let escaped = std::mem::take(&mut self.escaped);
            match byte {
                b'\\' if !escaped => self.escaped = true,
                b'"' if !escaped => self.string = false,
                _ => {}
            }
            return self.keep(&[byte]);
        }
        match byte {
            b'"' => self.string = true,
            b'[' if self.depth == 1 && !self.among_items && self.follows_name() => {
                self.keep(&[byte])?;
                self.depth += 1;
                self.among_items = true;
                self.started = false;
                return Ok(());
            }
            b',' if self.among_items && self.depth == 2 => {
                self.end_item(on_item);
                self.started = true;
                return Ok(());
            }
            b']' if self.among_items && self.depth == 2 => {
                if self.started || self.holds_something() {
                    self.end_item(on_item);
                }
                self.among_items = false;
                self.depth -= 1;
            }
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.keep(&[byte])
    }

    /// Returns true directly after the name of the field that holds the items.
    fn follows_name(&self) -> bool {
        let outer = self.outer.trim_ascii_end();
        let name = outer.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
        let before = name.and_then(|name| name.strip_suffix(ITEMS));
        before.is_some_and(|before| matches!(before.trim_ascii_end().last(), Some(b'{' | b',')))
    }

    fn holds_something(&self) -> bool {
        let item = self.item.as_ref();
        item.is_none_or(|item| !item.trim_ascii().is_empty())
    }

    fn end_item(&mut self, on_item: &mut impl FnMut(Option<&[u8]>)) {
        on_item(self.item.as_deref());
        match &mut self.item {
            Some(item) => item.clear(),
            None => self.item = Some(Vec::new()),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.among_items {
            let limit = self.limit;
            let fits = |item: &Vec<u8>| item.len() + bytes.len() <= limit;
            self.item = self.item.take().filter(fits);
            if let Some(item) = &mut self.item {
                item.extend_from_slice(bytes);
            }
            return Ok(());
        }
        if self.outer.len() + bytes.len() > self.limit {
            return Err(TooLong);
        }
        self.outer.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items of a list whose body arrives in parts of this size, and how the list ends.
    fn read_in(size: usize, body: &str, limit: usize) -> (Vec<String>, Result<(), String>) {
        let mut reader = ItemReader::new(limit);
        let mut items = Vec::new();
        for chunk in body.as_bytes().chunks(size) {
            let fed = reader.feed(chunk, |item| {
                items.push(match item {
                    Some(item) => String::from_utf8_lossy(item).trim().to_owned(),
                    None => "(too long)".to_owned(),
                });
            });
            if fed.is_err() {
                return (items, Err("too long".into()));
            }
        }
        (items, reader.end())
    }

    fn read(body: &str) -> (Vec<String>, Result<(), String>) {
        let whole = read_in(body.len().max(1), body, 100);
        for size in [1, 2, 3, 7] {
            assert_eq!(
                read_in(size, body, 100),
                whole,
                "in parts of {size}: {body}"
            );
        }
        whole
    }

    #[test]
    fn the_items_of_a_list_come_one_by_one() {
        for (body, items) in [
            (r#"{"data":[]}"#, &[][..]),
            (r#"{"object":"list","data":[ ],"more":[1,2]}"#, &[]),
            (
                r#"{"data":[{"a":[1,{"b":2}]},{}]}"#,
                &[r#"{"a":[1,{"b":2}]}"#, "{}"],
            ),
            (
                r#"{ "x" : {"data":[9]} , "data" : [ 1 , null ] }"#,
                &["1", "null"],
            ),
            (r#"{"data":["]},[\"","\\"]}"#, &[r#""]},[\"""#, r#""\\""#]),
            (r#"{"x\"data":[9],"data":[1],"y":"\"data\":["}"#, &["1"]),
        ] {
            let (found, end) = read(body);
            assert_eq!(
                (found.as_slice(), end),
                (
                    items
                        .iter()
                        .map(|it| (*it).to_owned())
                        .collect::<Vec<_>>()
                        .as_slice(),
                    Ok(())
                ),
                "{body}"
            );
        }
        let (found, end) = read("\u{feff}{\"data\":[1]}");
        assert_eq!((found, end), (vec!["1".to_owned()], Ok(())));
    }

    #[test]
    fn an_item_that_is_too_long_is_lost_alone() {
        let long = "x".repeat(100);
        let body = format!(r#"{{"data":[1,{{"a":"{long}"}},2,"{long}"]}}"#);
        let (items, end) = read(&body);
        assert_eq!(items, ["1", "(too long)", "2", "(too long)"]);
        assert_eq!(end, Ok(()));
        let (_, end) = read(&format!(r#"{{"data":[],"more":"{long}"}}"#));
        assert_eq!(end, Err("too long".into()));
    }

    #[test]
    fn an_odd_separator_makes_an_odd_item() {
        let (items, end) = read(r#"{"data":[,1 2,]}"#);
        assert_eq!(items, ["", "1 2", ""]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn what_is_not_a_whole_list_is_refused() {
        for (body, problem) in [
            ("", "incomplete JSON"),
            ("<html>", "not JSON"),
            ("[1,2]", "JSON that is not an object"),
            ("{}", "the field data is missing"),
            (r#"{"status":"error"}"#, "the field data is missing"),
            (r#"{"data":null}"#, "the field data is missing"),
            (
                r#"{"data":{"data":[1]}}"#,
                "the field data is of the wrong type",
            ),
            (
                r#"{"data":[1],"data":[2]}"#,
                "the field data is present more than once",
            ),
            (r#"{"data":[1],"x":tru}"#, "not JSON at the field x"),
            (r#"{"data":[1]} x"#, "not JSON"),
        ] {
            assert_eq!(read(body).1, Err(problem.into()), "{body}");
        }
        for cut in [
            r#"{"data":[1"#,
            r#"{"data":[1,"#,
            r#"{"data":["x"#,
            r#"{"data":[1]"#,
        ] {
            let problem = read(cut).1.unwrap_err();
            assert!(problem.starts_with("incomplete JSON"), "{cut}: {problem}");
        }
    }
}
