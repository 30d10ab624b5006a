//! The proxy to the API server, chosen as kubectl chooses it. kube 5.0 compares NO_PROXY with the
//! proxy's own host, and sends requests for this machine through the proxy.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

/// The variables that kubectl reads. It doesn't read ALL_PROXY.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    http: Option<String>,
    https: Option<String>,
    no: String,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let first = |names: [&str; 2]| {
            let mut values = names
                .into_iter()
                .filter_map(|name| std::env::var(name).ok());
            values.find(|value| !value.is_empty())
        };
        Self {
            http: first(["HTTP_PROXY", "http_proxy"]),
            https: first(["HTTPS_PROXY", "https_proxy"]),
            no: first(["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        }
    }

    /// The variable for the server's scheme, with its name.
    fn proxy(&self, server: &Uri) -> Option<(&str, &'static str)> {
        match server.scheme_str() {
            Some("http") => Some((self.http.as_deref()?, "HTTP_PROXY")),
            Some("https") => Some((self.https.as_deref()?, "HTTPS_PROXY")),
            _ => None,
        }
    }

    /// Returns true when NO_PROXY names the server.
    fn excludes(&self, server: &Uri, host: &str) -> bool {
        let port = match (server.port_u16(), server.scheme_str()) {
            (Some(port), _) => port,
            (None, Some("http")) => 80,
            (None, _) => 443,
        };
        let host = host.to_ascii_lowercase();
        let list = self.no.to_ascii_lowercase();
        let entries = list.split(',').map(str::trim);
        let entries: Vec<&str> = entries
            .filter_map(|entry| of_port(entry, port))
            // `*.` is another form of a leading dot.
            .map(|entry| match entry.strip_prefix('*') {
                Some(domain) if domain.starts_with('.') => domain,
                _ => entry,
            })
            // An entry with a leading dot is about subdomains only.
            .filter(|entry| entry.strip_prefix('.') != Some(host.as_str()))
            .collect();
        let matcher = Matcher::builder()
            .all("http://unused.invalid")
            .no(entries.join(","));
        matcher.build().intercept(server).is_none()
    }
}

/// The entry of NO_PROXY without its port, or nothing if that is another one.
fn of_port(entry: &str, port: u16) -> Option<&str> {
    match entry.rsplit_once(':') {
        Some((host, number)) if host.ends_with(']') || !host.contains(':') => {
            (number.parse() == Ok(port)).then(|| host.trim_matches(['[', ']']))
        }
        _ => Some(entry.trim_matches(['[', ']'])),
    }
}

/// The proxy for a server: the kubeconfig's `proxy-url` always, else the environment's, unless the
/// server is this machine or NO_PROXY names it.
///
/// # Errors
///
/// The proxy is no URL. It isn't quoted, because it may hold a password.
pub fn choose(
    server: &Uri,
    own: Option<&str>,
    environment: &Environment,
) -> Result<Option<Uri>, String> {
    if let Some(own) = own.filter(|url| !url.is_empty()) {
        return parse(own, "the proxy-url of the kubeconfig").map(Some);
    }
    let Some(host) = server.host().filter(|host| !is_this_machine(host)) else {
        return Ok(None);
    };
    match environment.proxy(server) {
        Some((url, name)) if !environment.excludes(server, host) => parse(url, name).map(Some),
        _ => Ok(None),
    }
}

/// Reads a proxy's URL, which may be written without its scheme. The parser encodes characters that
/// a password may hold and a URL may not; kube decodes them.
fn parse(text: &str, what: &str) -> Result<Uri, String> {
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = Url::parse(&text).ok().filter(Url::has_host);
    let uri = url.and_then(|url| url.as_str().parse().ok());
    uri.ok_or_else(|| format!("{what} is no URL: write http://HOST:PORT."))
}

/// Go never uses a proxy for these.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(https: &str, no: &str) -> Environment {
        Environment {
            https: Some(https.into()),
            no: no.into(),
            ..Environment::default()
        }
    }

    #[test]
    fn a_proxy_is_for_the_servers_that_kubectl_uses_it_for() {
        let all = Some("http://proxy:1/");
        for (server, own, no, proxy) in [
            ("https://127.0.0.1:6443", None, "", None),
            ("https://localhost:6443", None, "", None),
            ("https://[::1]:6443", None, "", None),
            ("https://api.example:6443", None, "", all),
            ("https://api.example:6443", None, "api.example", None),
            ("https://api.example:6443", None, "example", None),
            (
                "https://api.example:6443",
                None,
                "a.b, api.example:6443",
                None,
            ),
            ("https://api.example:6443", None, "api.example:443", all),
            ("https://api.example:6443", None, ".api.example", all),
            ("https://api.example:6443", None, ".example", None),
            ("https://api.example:6443", None, "*", None),
            ("https://10.1.2.3:6443", None, "10.0.0.0/8", None),
            ("https://10.1.2.3:6443", None, "10.1.2.3:6443", None),
            ("https://[fd00::1]:6443", None, "fd00::/8", None),
            ("https://[fd00::1]:6443", None, "[fd00::1]:6443", None),
            ("https://api.example", None, "proxy", all),
            ("https://api.example", None, "*.example", None),
            ("https://a.api.example", None, "*.example", None),
            ("https://example", None, "*.example", all),
            ("https://api.example", None, "*pi.example", all),
            ("https://[fd00::1]", None, "[fd00::1]", None),
            ("https://[fd00::2]", None, "[fd00::1]", all),
            ("https://api.example", None, "API.Example", None),
            ("https://API.example", None, ".Example,", None),
            ("https://Example", None, ".example", all),
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
            ("https://api.example", Some(""), "", all),
        ] {
            let environment = environment("http://proxy:1", no);
            let chosen = choose(&server.parse().unwrap(), own, &environment);
            let expected = proxy.map(|proxy| proxy.parse().unwrap());
            assert_eq!(chosen, Ok(expected), "{server} {own:?} {no}");
        }
        for (own, https) in [(Some("http://user:SECRET@ /"), ""), (None, "u:SECRET@ ")] {
            let server = "https://a".parse().unwrap();
            let error = choose(&server, own, &environment(https, "")).unwrap_err();
            assert!(!error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn the_password_of_a_proxy_may_hold_any_character() {
        for (given, used) in [
            ("http://u:p@proxy:1", "http://u:p@proxy:1/"),
            ("u:p@proxy:1", "http://u:p@proxy:1/"),
            (
                "http://u:p%40s%3As%25@proxy:1",
                "http://u:p%40s%3As%25@proxy:1/",
            ),
            ("http://u:p@s:s@proxy:1", "http://u:p%40s%3As@proxy:1/"),
        ] {
            let server = "https://api.example".parse().unwrap();
            let expected: Uri = used.parse().unwrap();
            let chosen = choose(&server, None, &environment(given, "")).unwrap();
            assert_eq!(chosen.as_ref(), Some(&expected), "{given}");
            let chosen = choose(&server, Some(given), &Environment::default()).unwrap();
            assert_eq!(chosen, Some(expected), "{given}");
        }
    }
}
