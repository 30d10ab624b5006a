//! One response of the hub. Whatever its code, headers and body are, it is read without a panic,
//! only a success counts as one, and nothing that is read contains the API key.
#![no_main]

use arbitrary::Arbitrary;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use oxen_operator::{
    decide::{CallOutcome, HubFault},
    hub::{ApiKey, Limits, Model, ModelList, Response, fold},
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

    let retrieved = response.read::<Model>(&key, &limits);
    assert!(retrieved.is_err() || response.code == StatusCode::OK);
    let _ = response.read::<ModelList>(&key, &limits);
    match retrieved {
        Ok(model) => {
            let folded = fold(case.asked, &model, &base);
            assert!(!format!("{folded:?}").contains(KEY), "{folded:?}");
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
            assert!(response.code.is_client_error());
            assert_within_limits(fault, &limits);
        }
        CallOutcome::Unknown { wait, .. } => assert!(wait.is_none() || response.code == 503),
        CallOutcome::NotSent(_) => unreachable!("there is a response"),
    }
});

fn assert_within_limits(fault: &HubFault, limits: &Limits) {
    if let HubFault::RateLimited {
        wait: Some(wait), ..
    } = fault
    {
        assert!((limits.retry_after_min..=limits.retry_after_max).contains(wait));
    }
}
