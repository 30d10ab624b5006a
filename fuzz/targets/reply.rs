//! One answer of the hub: whatever code, headers and body it has, it is read without a panic, only a success is one,
//! and the key is in no words that come of it.
#![no_main]

use arbitrary::Arbitrary;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use oxen_operator::{
    decide::{Answer, Fault},
    oxen::{ApiKey, Limits, Model, ModelList, Reply, fold},
};
use url::Url;

const KEY: &str = "a-very-secret-key-4711";

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    code: u16,
    headers: Vec<(&'a str, &'a [u8])>,
    asked: &'a str,
    /// The key is put in the middle of it, as a hub might that echoes what it was sent.
    body: [&'a [u8]; 2],
    echoes: bool,
}

impl Case<'_> {
    fn reply(&self) -> Reply {
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
        let key = if self.echoes { KEY.as_bytes() } else { b"" };
        let body = [self.body[0], key, self.body[1]].concat();
        Reply {
            code,
            headers,
            body,
        }
    }
}

fuzz_target!(|case: Case<'_>| {
    let reply = case.reply();
    let key = ApiKey::new(KEY.as_bytes()).expect("it is one");
    let limits = Limits::default();
    let base = Url::parse("https://hub.oxen.ai/api/ai").expect("it is one");

    let look = reply.read::<Model>(&key, &limits);
    assert!(look.is_err() || reply.code == StatusCode::OK);
    let _ = reply.read::<ModelList>(&key, &limits);
    match look {
        Ok(model) => {
            let folded = fold(case.asked, &model, &base);
            assert!(!format!("{folded:?}").contains(KEY), "{folded:?}");
        }
        Err(fault) => {
            assert!(!format!("{fault:?}").contains(KEY), "{fault:?}");
            within_bounds(&fault, &limits);
        }
    }

    let answer = reply.answer(&key, &limits);
    assert!(!format!("{answer:?}").contains(KEY), "{answer:?}");
    match &answer {
        Answer::Accepted => assert!(reply.code.is_success()),
        // Nothing has happened: only where the hub says so itself.
        Answer::Refused(fault) => {
            assert!(reply.code.is_client_error());
            within_bounds(fault, &limits);
        }
        Answer::Unknown { wait, .. } => assert!(wait.is_none() || reply.code == 503),
        Answer::NotSent(_) => unreachable!("there is an answer"),
    }
});

fn within_bounds(fault: &Fault, limits: &Limits) {
    if let Fault::RateLimited {
        wait: Some(wait), ..
    } = fault
    {
        assert!((limits.shortest_rest..=limits.longest_rest).contains(wait));
    }
}
