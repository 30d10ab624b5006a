//! The API server's log of requests.

use crate::{Error, Result};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// A request that the API server has responded to. A field that doesn't apply to it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` and so on.
    pub verb: String,
    /// The path and the query.
    pub uri: String,
    /// The name of the user who sent the request.
    pub user: String,
    /// The header `User-Agent`.
    pub user_agent: String,
    /// The API group, empty for the core group.
    pub group: String,
    /// The resource in the plural, such as `oxenmodels`.
    pub resource: String,
    /// The subresource, such as `status`.
    pub subresource: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The HTTP status code of the response.
    pub code: u16,
}

impl Request {
    /// Whether the request can change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// An event of the audit log, which has one event per line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    user: EventUser,
    #[serde(default)]
    object_ref: EventObject,
    #[serde(default)]
    response_status: EventStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EventUser {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EventObject {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EventStatus {
    code: u16,
}

/// Reads the log, or its requests in one namespace. A missing file means that there are no
/// requests, because the API server creates the file for the first one.
pub(crate) fn read(path: &Path, namespace: Option<&str>) -> Result<Vec<Request>> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, namespace),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("the API server's request log could not be read")(
            error,
        )),
    }
}

fn parse(text: &str, namespace: Option<&str>) -> Result<Vec<Request>> {
    // Few of the many lines are about one namespace, and only those are decoded.
    let field = namespace.map(|namespace| format!("\"namespace\":{namespace:?}"));
    let concerns = |line: &&str| field.as_ref().is_none_or(|field| line.contains(field));
    // A last line without a newline is still being written.
    let lines = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let mut requests = Vec::new();
    for line in lines.filter(concerns) {
        let event: Event = serde_json::from_str(line)?;
        let within = namespace.is_none_or(|namespace| event.object_ref.namespace == namespace);
        // After a panic in a handler, the log has an event of the stage Panic, and then one of the
        // stage ResponseComplete.
        if within && event.stage == "ResponseComplete" {
            requests.push(Request::from(event));
        }
    }
    Ok(requests)
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        Self {
            verb: event.verb,
            uri: event.request_uri,
            user: event.user.username,
            user_agent: event.user_agent,
            group: event.object_ref.api_group,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            code: event.response_status.code,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const DONE: &str = r#"{"stage":"ResponseComplete","verb":"patch","requestURI":"/x?y","user":{"username":"admin"},"objectRef":{"resource":"oxenmodels","namespace":"default","name":"a","apiGroup":"oxen.ai","subresource":"status"},"responseStatus":{"code":409}}"#;

    #[test]
    fn incomplete_last_line_is_ignored() {
        let half = &DONE[..40];
        let read = parse(&format!("{DONE}\n{half}"), None).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(
            (read[0].subresource.as_str(), read[0].code),
            ("status", 409)
        );
        assert!(read[0].is_write());
    }

    #[test]
    fn request_with_several_events_is_counted_once() {
        let panicked = DONE.replace("ResponseComplete", "Panic");
        let log = format!("{panicked}\n{DONE}\n");
        assert_eq!(parse(&log, None).unwrap().len(), 1);
    }

    #[test]
    fn only_the_requests_of_a_namespace_are_read() {
        let elsewhere = DONE.replace("default", "other");
        let log = format!("{elsewhere}\n{DONE}\n");
        let read = parse(&log, Some("default")).unwrap();
        assert_eq!((read.len(), read[0].namespace.as_str()), (1, "default"));
        assert_eq!(parse(&log, None).unwrap().len(), 2);
    }
}
