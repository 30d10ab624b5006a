//! The API server's log of requests.

use crate::{Error, Result};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// A request that the API server has answered. What a request doesn't have is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` and so on.
    pub verb: String,
    /// The path and the query.
    pub uri: String,
    /// Who asked.
    pub user: String,
    /// With which program.
    pub user_agent: String,
    /// The API group, empty for the core group.
    pub group: String,
    /// The resource in the plural, such as `oxenmodels`.
    pub resource: String,
    /// Such as `status`.
    pub subresource: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The HTTP status code of the answer.
    pub code: u16,
}

impl Request {
    /// Whether it could change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// The audit log has one event a line.
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

/// Reads the log. No file is no requests: the server makes it with the first one.
pub(crate) fn read(path: &Path) -> Result<Vec<Request>> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("the API server's request log could not be read")(
            error,
        )),
    }
}

fn parse(text: &str) -> Result<Vec<Request>> {
    // A line without its end is still being written.
    let lines = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let mut requests = Vec::new();
    for line in lines {
        let event: Event = serde_json::from_str(line)?;
        // A panic in a handler has a stage of its own; the answer's follows.
        if event.stage == "ResponseComplete" {
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
    fn a_line_that_is_still_being_written_is_left_for_the_next_look() {
        let half = &DONE[..40];
        let read = parse(&format!("{DONE}\n{half}")).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(
            (read[0].subresource.as_str(), read[0].code),
            ("status", 409)
        );
        assert!(read[0].is_write());
    }

    #[test]
    fn a_request_counts_once_whatever_stages_it_had() {
        let panicked = DONE.replace("ResponseComplete", "Panic");
        assert_eq!(parse(&format!("{panicked}\n{DONE}\n")).unwrap().len(), 1);
    }
}
