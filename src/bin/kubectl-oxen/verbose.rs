//! `-v`: each request with its status and its duration, on standard error. No header, body, key or
//! token is ever shown.

use std::time::Duration;

use http::{Request, Uri};
use kube::{Client, client::Body};
use oxen_operator::hub::{Endpoint, Outcome};
use tokio::time::Instant;
use tower::service_fn;

use crate::console;

/// The client, with a line for each of its requests.
pub fn told(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let send = move |request: Request<Body>| {
        let client = client.clone();
        async move {
            let mut line = Line {
                request: format!("{} {}", request.method(), shown(request.uri())),
                begun: Instant::now(),
                status: None,
            };
            let answer = client.send(request).await?;
            line.status = Some(answer.status().as_u16());
            Ok::<_, kube::Error>(answer)
        }
    };
    Client::new(service_fn(send), namespace)
}

/// The line about a request to the hub at this URL.
pub fn tell(base: &str, endpoint: Endpoint, outcome: Outcome, took: Duration) {
    let base = base.trim_end_matches('/');
    let (method, path) = match endpoint {
        Endpoint::List => ("GET", "models"),
        Endpoint::Search => ("GET", "models/search"),
        Endpoint::Retrieve => ("GET", "models/ID"),
        Endpoint::Activate => ("POST", "models/ID/activate"),
        Endpoint::Deactivate => ("POST", "models/ID/deactivate"),
    };
    let status = match outcome {
        Outcome::Code(code) => Some(code),
        Outcome::NoResponse => None,
    };
    print(&format!("{method} {base}/api/ai/{path}"), status, took);
}

/// The line about where the hub's key comes from.
pub fn tell_origin(origin: &str) {
    console::say(&format!("key of {origin}"));
}

/// A request to the API server. Its line is printed when it ends, also where nobody waits for it
/// any longer.
struct Line {
    request: String,
    begun: Instant,
    status: Option<u16>,
}

impl Drop for Line {
    fn drop(&mut self) {
        print(&self.request, self.status, self.begun.elapsed());
    }
}

fn print(request: &str, status: Option<u16>, took: Duration) {
    let status = status.map_or_else(|| "no answer".into(), |code| code.to_string());
    console::say(&format!("{request} {status} in {} ms", took.as_millis()));
}

/// The path and the query. The token of a list's next page is left out: it is long and says
/// nothing.
fn shown(uri: &Uri) -> String {
    let query = uri.query().unwrap_or_default().split('&');
    let query: Vec<&str> = query
        .filter(|part| !part.is_empty() && !part.starts_with("continue="))
        .collect();
    match query.as_slice() {
        [] => uri.path().to_owned(),
        parts => format!("{}?{}", uri.path(), parts.join("&")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_shown_without_the_token_of_a_page() {
        for (uri, expected) in [
            ("https://api:6443/api/v1/pods", "/api/v1/pods"),
            ("/api?limit=500&continue=SECRET", "/api?limit=500"),
            ("/api?&continue=SECRET", "/api"),
            (
                "/api?watch=true&labelSelector=a",
                "/api?watch=true&labelSelector=a",
            ),
        ] {
            assert_eq!(shown(&uri.parse().unwrap()), expected);
        }
    }
}
