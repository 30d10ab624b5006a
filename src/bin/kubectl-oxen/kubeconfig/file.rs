//! One file, read as kubectl reads it. kube's own reader refuses a context without a cluster, takes
//! an empty text for a value, and refuses base64 with line breaks.

use std::path::Path;

use kube::config::Kubeconfig;
use serde::Deserialize;
use serde_yaml::{Deserializer, Mapping, Value};

/// Where an entry of the file names another file, relative to its own folder.
const PATHS: &[&str] = &[
    "certificate-authority",
    "client-certificate",
    "client-key",
    "tokenFile",
];

/// Reads a file.
///
/// # Errors
///
/// The file can't be read, or is not valid. The parser's own words aren't told, because they can
/// quote the file, which holds secrets.
pub(super) fn read(path: &Path) -> Result<Kubeconfig, String> {
    let shown = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| format!("the kubeconfig {shown} can't be read: {error}."))?;
    parse(&bytes, path.parent().unwrap_or(path)).ok_or_else(|| {
        format!(
            "the kubeconfig {shown} is not valid. Check it with: kubectl config view --kubeconfig \
             {shown}"
        )
    })
}

fn parse(bytes: &[u8], folder: &Path) -> Option<Kubeconfig> {
    // Editors of Windows begin a file with this byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut merged = Kubeconfig::default();
    for document in Deserializer::from_slice(bytes) {
        let mut document = Value::deserialize(document).ok()?;
        // An empty file is an empty kubeconfig.
        if document.is_null() {
            continue;
        }
        for context in entries(&mut document, "contexts", "context") {
            if context.get("cluster").is_none_or(Value::is_null) {
                context.insert("cluster".into(), "".into());
            }
        }
        for cluster in entries(&mut document, "clusters", "cluster") {
            adapt(cluster, folder);
        }
        for user in entries(&mut document, "users", "user") {
            adapt(user, folder);
        }
        merged = merged.merge(serde_yaml::from_value(document).ok()?).ok()?;
    }
    Some(merged)
}

/// The entries of a list of the file.
fn entries<'a>(
    document: &'a mut Value,
    list: &str,
    entry: &'a str,
) -> impl Iterator<Item = &'a mut Mapping> {
    let list = document.get_mut(list).and_then(Value::as_sequence_mut);
    let entries = list.into_iter().flatten();
    entries.filter_map(move |one| one.get_mut(entry)?.as_mapping_mut())
}

/// Takes empty texts and the line breaks of base64 out of an entry, and makes its paths absolute.
fn adapt(entry: &mut Mapping, folder: &Path) {
    entry.retain(|_, value| value.as_str().is_none_or(|text| !text.trim().is_empty()));
    for (name, value) in entry.iter_mut() {
        let Some(name) = name.as_str() else {
            continue;
        };
        if name == "exec" {
            // A command without a slash is looked for on PATH.
            let command = value.get_mut("command");
            let is_path = |value: &&mut Value| value.as_str().is_some_and(|it| it.contains('/'));
            command
                .filter(is_path)
                .into_iter()
                .for_each(|it| absolute(it, folder));
        } else if PATHS.contains(&name) {
            absolute(value, folder);
        } else if let (true, Value::String(text)) = (name.ends_with("-data"), value) {
            text.retain(|c| !c.is_whitespace());
        }
    }
}

fn absolute(value: &mut Value, folder: &Path) {
    let path = value.as_str().map(|path| folder.join(path));
    if let Some(path) = path.as_ref().and_then(|path| path.to_str()) {
        *value = path.into();
    }
}
