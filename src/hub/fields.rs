//! JSON objects that are read one field at a time. A field that isn't read is skipped unparsed, so
//! that nothing in it can make the object unreadable.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::decide::quote;

/// The fields of a JSON object in their order, unparsed.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Reads an object into its fields, and keeps the name of the field whose value is being read.
struct Object<'a, 'de> {
    fields: &'a mut Vec<(Cow<'de, str>, &'de RawValue)>,
    current: &'a mut Option<Cow<'de, str>>,
}

/// The name of a field. Bytes that are not UTF-8, and lone surrogates, don't make it unreadable.
struct Name;

/// The text of a body, without a byte order mark. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    String::from_utf8_lossy(body)
}

/// Reads an optional field. A field of a wrong type counts as absent.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: for<'a> Deserialize<'a>,
{
    let value = Box::<RawValue>::deserialize(deserializer)?;
    Ok(parse(&value))
}

/// The value of a JSON text, or `None` for `null` and for another type.
pub(super) fn parse<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    serde_json::from_str::<Option<T>>(value.get())
        .ok()
        .flatten()
}

impl<'a> Fields<'a> {
    /// The fields of a JSON object.
    ///
    /// # Errors
    ///
    /// Says why the text is not an object. The error quotes only the name of a field.
    pub(super) fn read(json: &'a str) -> Result<Self, String> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let mut fields = Self(Vec::new());
        let mut current = None;
        let object = Object {
            fields: &mut fields.0,
            current: &mut current,
        };
        let read = deserializer.deserialize_map(object);
        match read.and_then(|()| deserializer.end()) {
            Ok(()) => Ok(fields),
            Err(error) => {
                let field = current.map(|name| format!(" at the field {}", quote(&name)));
                Err(format!("{}{}", problem(&error), field.unwrap_or_default()))
            }
        }
    }

    /// The field's value, or `None` if it is absent, `null`, or of another type. Of several fields
    /// of this name, the last one counts.
    pub(super) fn lenient<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        self.all(name).last().and_then(parse)
    }

    /// The field's value as [`lenient`](Self::lenient) reads it, or `None` if it is not an object.
    /// Serde also reads an array as an object.
    pub(super) fn lenient_object<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        let value = self.all(name).last()?;
        value.get().starts_with('{').then(|| parse(value)).flatten()
    }

    /// The field's value, or `None` if it is absent, `null`, of another type, or present more than
    /// once.
    pub(super) fn unambiguous<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        self.optional(name).ok().flatten()
    }

    /// The field's value, or `None` if it is absent or `null`.
    ///
    /// # Errors
    ///
    /// Names the field if it is of another type or present more than once.
    pub(super) fn optional<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, String> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => serde_json::from_str(value.get())
                .map_err(|_| format!("the field {name} is of the wrong type")),
            (Some(_), Some(_)) => Err(format!("the field {name} is present more than once")),
        }
    }

    /// The field's value.
    ///
    /// # Errors
    ///
    /// Names the field if it is absent, `null`, of another type, or present more than once.
    pub(super) fn required<T: Deserialize<'a>>(&self, name: &str) -> Result<T, String> {
        let value = self.optional(name)?;
        value.ok_or_else(|| format!("the field {name} is missing"))
    }

    /// All fields in their order, unparsed.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a RawValue> {
        self.iter()
            .filter(move |(field, _)| *field == name)
            .map(|(_, value)| value)
    }
}

fn problem(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "JSON that is not an object",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Eof => "incomplete JSON",
        serde_json::error::Category::Io => "no body",
    }
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            *self.current = Some(name.clone());
            self.fields.push((name, map.next_value()?));
            *self.current = None;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned().into())
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field `known` of an object that also has this field, which is not read.
    fn beside(unread: &str) -> Option<u32> {
        let json = format!(
            r#"{{"first":{unread},"known":7,{unread_name}:1}}"#,
            unread_name = r#""\ud800""#
        );
        Fields::read(&json).unwrap().lenient("known")
    }

    #[test]
    fn an_unread_field_may_hold_what_no_parser_reads() {
        let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        for unread in [
            "9".repeat(400).as_str(),
            r#""\ud800""#,
            "1e999",
            &nested,
            &deep,
        ] {
            assert_eq!(beside(unread), Some(7), "{:.20}", unread);
        }
    }

    #[test]
    fn a_byte_order_mark_and_bytes_that_are_not_utf_8_are_no_obstacle() {
        let body = b"\xef\xbb\xbf{\"text\":\"\xff\",\"known\":7}";
        let json = text(body);
        let fields = Fields::read(&json).unwrap();
        assert_eq!(fields.lenient::<u32>("known"), Some(7));
        assert_eq!(
            fields.lenient::<String>("text").as_deref(),
            Some("\u{fffd}")
        );
    }

    #[test]
    fn what_cannot_be_read_names_the_field_and_nothing_else() {
        let read = |json: &str| Fields::read(json).err();
        for (json, problem) in [
            ("", "incomplete JSON"),
            ("<html>secret", "not JSON"),
            ("null", "JSON that is not an object"),
            ("[]", "JSON that is not an object"),
            ("{} {}", "not JSON"),
            (r#"{"id":"secret""#, "incomplete JSON"),
            (r#"{"id":"secret"#, "incomplete JSON at the field id"),
            (
                r#"{"id":"x","pricing":{"a":tru}}"#,
                "not JSON at the field pricing",
            ),
        ] {
            assert_eq!(read(json).as_deref(), Some(problem), "{json}");
        }
    }

    #[test]
    fn a_field_is_missing_ambiguous_or_of_the_wrong_type() {
        let json = r#"{"twice":"a","twice":"b","number":7,"null":null}"#;
        let fields = Fields::read(json).unwrap();
        for (name, problem) in [
            ("absent", "the field absent is missing"),
            ("null", "the field null is missing"),
            ("number", "the field number is of the wrong type"),
            ("twice", "the field twice is present more than once"),
        ] {
            assert_eq!(fields.required::<String>(name), Err(problem.to_owned()));
            assert_eq!(fields.unambiguous::<String>(name), None);
        }
        assert_eq!(fields.optional::<String>("null"), Ok(None));
        assert_eq!(fields.lenient::<String>("number"), None);
        assert_eq!(fields.lenient::<String>("twice").as_deref(), Some("b"));
    }
}
