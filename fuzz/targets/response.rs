//! One response of the hub. Whatever its code, headers and body are, it is read without a panic, as
//! a model and as a list, only a success counts as one, and nothing that is read contains the API
//! key.
#![no_main]

use std::ops::ControlFlow;

use arbitrary::Arbitrary;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use oxen_operator::{
    decide::{CallOutcome, HubFault},
    hub::{ApiKey, Limits, ListReader, Model, Response, fold},
};
use url::Url;

const KEY: &str = "a-very-secret-key-4711";

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    code: u16,
    headers: Vec<(&'a str, &'a [u8])>,
    asked: &'a str,
    /// The two parts of the body, between which the hub may quote the key.
    body: [&'a [u8]; 2],
    quotes_key: bool,
}

impl Case<'_> {
    fn response(&self) -> Response {
        let code = StatusCode::from_u16(100 + self.code % 500).unwrap_or(StatusCode::OK);
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = match *name {
                "" | "r" => Ok(http::header::RETRY_AFTER),
                "t" => Ok(http::header::CONTENT_TYPE),
                name => HeaderName::from_bytes(name.as_bytes()),
            };
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        let key = if self.quotes_key { KEY.as_bytes() } else { b"" };
        let body = [self.body[0], key, self.body[1]].concat();
        Response {
            code,
            headers,
            body,
        }
    }
}

fuzz_target!(|case: Case<'_>| {
    let response = case.response();
    let key = ApiKey::new(KEY.as_bytes()).expect("the key is valid");
    let limits = Limits::default();
    let base = Url::parse("https://hub.oxen.ai/api/ai").expect("the URL is valid");
    // Whoever asks for a model by a name that holds the key is answered with it.
    let asked = if case.asked.contains(KEY) {
        "bot"
    } else {
        case.asked
    };

    let retrieved = response.read(asked, &key, &limits);
    assert!(retrieved.is_err() || response.code == StatusCode::OK);
    match retrieved {
        Ok(model) => {
            assert_identity_is_whole(&model);
            let folded = fold(asked, &model, &base);
            assert!(!format!("{folded:?}").contains(KEY), "{folded:?}");
            if let Ok(remote) = folded {
                assert_eq!(
                    (&remote.model.id, &remote.model.owner),
                    (&model.id, &model.owned_by)
                );
                let shown = remote
                    .others
                    .iter()
                    .map(|others| &others.counted)
                    .chain(&remote.notes);
                shown.for_each(|words| assert_is_shown(words));
            }
        }
        Err(fault) => {
            assert!(!format!("{fault:?}").contains(KEY), "{fault:?}");
            assert_within_limits(&fault, &limits);
        }
    }

    let outcome = response.outcome(&key, &limits);
    assert!(!format!("{outcome:?}").contains(KEY), "{outcome:?}");
    match &outcome {
        CallOutcome::Accepted => assert!(response.code.is_success()),
        // A call had no effect only where the hub says so itself.
        CallOutcome::Refused { fault, .. } => {
            assert!(response.code.is_client_error() && response.code != 407);
            assert_within_limits(fault, &limits);
        }
        CallOutcome::Unknown { wait, .. } => assert!(wait.is_none() || response.code == 503),
        CallOutcome::NotSent(_) => unreachable!("there is a response"),
    }
    assert_list_reads_the_same_in_parts(&response.body, &key);
});

/// Checks that a list is read to the same models however its body arrives, and that none of them
/// holds the key.
fn assert_list_reads_the_same_in_parts(body: &[u8], key: &ApiKey) {
    let limits = Limits {
        max_body: 4096,
        max_list: 1 << 16,
        ..Limits::default()
    };
    let read = |size: usize| {
        let mut list = ListReader::new(key, &limits);
        let mut models = Vec::new();
        for chunk in body.chunks(size) {
            let fed = list.feed(chunk, |model: Model| {
                models.push((model.id, model.owned_by));
                ControlFlow::Continue(())
            });
            if let Err(fault) = fed {
                return (models, Err(fault));
            }
        }
        (models, list.end())
    };
    let (models, end) = read(body.len().max(1));
    assert!(!format!("{models:?} {end:?}").contains(KEY), "{models:?}");
    for size in [1, 7] {
        let (in_parts, end_in_parts) = read(size);
        assert_eq!(end_in_parts.is_ok(), end.is_ok());
        if end.is_ok() {
            assert_eq!((&in_parts, &end_in_parts), (&models, &end));
        }
    }
}

fn assert_identity_is_whole(model: &Model) {
    for identifier in [&model.id, &model.owned_by] {
        assert!(identifier.len() <= 512 && !identifier.contains(KEY));
    }
    assert!(!model.id.is_empty());
}

/// Checks that words fit into a message.
fn assert_is_shown(words: &str) {
    assert!(
        words.len() < 1000 && !words.contains(char::is_control),
        "{words:?}"
    );
}

fn assert_within_limits(fault: &HubFault, limits: &Limits) {
    if let HubFault::RateLimited {
        wait: Some(wait), ..
    } = fault
    {
        assert!((limits.retry_after_min..=limits.retry_after_max).contains(wait));
    }
}
