//! The proxy to the API server, chosen as kubectl chooses it. kube 5.0 compares NO_PROXY with the
//! proxy's own host, and sends requests for this machine through the proxy.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The proxy for a server: the kubeconfig's `proxy-url` always, else the environment's, unless the
/// server is this machine or NO_PROXY names it.
///
/// # Errors
///
/// The `proxy-url` is no URL. It isn't quoted, because it may hold a password.
pub fn choose(
    server: &Uri,
    own: Option<&str>,
    environment: &Matcher,
) -> Result<Option<Uri>, String> {
    if let Some(own) = own.filter(|url| !url.is_empty()) {
        let url = own.parse();
        return url
            .map(Some)
            .map_err(|_| "the proxy-url of the kubeconfig is no URL.".into());
    }
    if server.host().is_none_or(is_this_machine) {
        return Ok(None);
    }
    let Some(found) = environment.intercept(server) else {
        return Ok(None);
    };
    Ok(Some(with_user_info(&found)))
}

/// The proxy's URL with the user and the password that the environment has for it.
fn with_user_info(found: &hyper_util::client::proxy::matcher::Intercept) -> Uri {
    let mut parts = found.uri().clone().into_parts();
    let encoded = found.basic_auth().and_then(|value| value.to_str().ok());
    let encoded = encoded.and_then(|value| value.strip_prefix("Basic "));
    let user_info = encoded.and_then(decode);
    if let (Some(user_info), Some(authority)) = (user_info, &parts.authority)
        && let Ok(with) = format!("{user_info}@{authority}").parse()
    {
        parts.authority = Some(with);
    }
    Uri::from_parts(parts).unwrap_or_else(|_| found.uri().clone())
}

fn decode(encoded: &str) -> Option<String> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

/// Go never uses a proxy for these.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_for_the_servers_that_kubectl_uses_it_for() {
        let environment = |no: &str| {
            let builder = Matcher::builder().https("http://proxy:1");
            builder.no(no.to_owned()).build()
        };
        for (server, own, no, proxy) in [
            ("https://127.0.0.1:6443", None, "", None),
            ("https://localhost:6443", None, "", None),
            ("https://[::1]:6443", None, "", None),
            (
                "https://api.example:6443",
                None,
                "",
                Some("http://proxy:1/"),
            ),
            ("https://api.example:6443", None, "api.example", None),
            ("https://api.example:6443", None, "example", None),
            ("https://10.1.2.3:6443", None, "10.0.0.0/8", None),
            (
                "https://api.example",
                None,
                "proxy",
                Some("http://proxy:1/"),
            ),
            ("http://api.example", None, "", None),
            (
                "https://api.example",
                Some("http://own:2"),
                "api.example",
                Some("http://own:2/"),
            ),
            (
                "https://127.0.0.1",
                Some("http://own:2"),
                "",
                Some("http://own:2/"),
            ),
            ("https://api.example", Some(""), "", Some("http://proxy:1/")),
        ] {
            let chosen = choose(&server.parse().unwrap(), own, &environment(no));
            let expected = proxy.map(|proxy| proxy.parse().unwrap());
            assert_eq!(chosen, Ok(expected), "{server} {own:?} {no}");
        }
        let secret = choose(
            &"https://a".parse().unwrap(),
            Some("http://user:SECRET@ /"),
            &environment(""),
        );
        assert!(!secret.unwrap_err().contains("SECRET"));
    }

    #[test]
    fn the_password_of_the_environments_proxy_is_kept() {
        let environment = Matcher::builder().https("http://u:p@proxy:1").build();
        let chosen = choose(&"https://api.example".parse().unwrap(), None, &environment);
        assert_eq!(chosen, Ok(Some("http://u:p@proxy:1/".parse().unwrap())));
    }
}
