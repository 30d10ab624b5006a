//! The settings for how the hub is reached. A URL that may contain a password is never shown.

use url::Url;

use super::{args::RouteArgs, authorities::AuthoritiesFile, error::ConfigError};
use crate::hub::Route;

impl RouteArgs {
    /// How the hub is reached, and warnings about parts of the settings that can't be used.
    ///
    /// # Errors
    ///
    /// Names the setting that can't be used, and why.
    pub fn route(&self) -> Result<(Route, Vec<String>), ConfigError> {
        self.route_with(self.authorities_file().as_ref())
    }

    /// The file of certificate authorities, if there is one, with its present content.
    pub(super) fn authorities_file(&self) -> Option<AuthoritiesFile> {
        self.ca_file.clone().map(AuthoritiesFile::open)
    }

    /// How the hub is reached with the authorities of this file, and warnings, as [`Self::route`]
    /// returns them.
    pub(super) fn route_with(
        &self,
        file: Option<&AuthoritiesFile>,
    ) -> Result<(Route, Vec<String>), ConfigError> {
        let proxy = self.proxy.as_ref().map(|proxy| proxy.0.as_str());
        let proxy = proxy.filter(|proxy| !proxy.is_empty());
        let authorities = file.map(AuthoritiesFile::authorities).transpose()?;
        let (pem, warning) = authorities.map_or((None, None), |it| (Some(it.pem), it.warning));
        let base = base_url(&self.base_url.0)?;
        let route = Route {
            proxy: proxy.map(proxy_url).transpose()?,
            authorities: pem,
            ..base.into()
        };
        Ok((route, warning.into_iter().collect()))
    }
}

/// The hub's URL, which is shown in logs and in `check`. A user name or a password in it would
/// replace the API key in requests. An `@` in the path means that the URL has a password with a
/// slash in it.
fn base_url(text: &str) -> Result<Url, ConfigError> {
    let url = http_url("OXEN_BASE_URL", text)?;
    if !url.username().is_empty() || url.password().is_some() || url.path().contains('@') {
        return Err(ConfigError::new(
            "OXEN_BASE_URL",
            "must not contain a user name or a password, because the hub is sent the API key instead; \
             write a URL such as https://hub.oxen.ai",
        ));
    }
    Ok(url)
}

/// The proxy's URL, which is never shown.
fn proxy_url(text: &str) -> Result<Url, ConfigError> {
    let url = http_url("OXEN_PROXY", text)?;
    // A URL parser takes a password with a slash in it for a port and a path.
    if url.path().contains('@') {
        return Err(ConfigError::new(
            "OXEN_PROXY",
            "must not have a path; write a slash in a password as %2F",
        ));
    }
    Ok(url)
}

/// Reads a URL. The text may contain a password, so no error shows it.
fn http_url(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let example = "write a URL such as https://hub.oxen.ai";
    let url = Url::parse(text)
        .map_err(|error| ConfigError::new(setting, format!("is not a URL ({error}); {example}")))?;
    let plain = url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
        return Err(ConfigError::new(
            setting,
            format!("must be an http or https URL without a query; {example}"),
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::config::{Cli, Command};

    /// The arguments of `check` with these flags, and their `Debug`.
    fn parsed(flags: &[&str]) -> (RouteArgs, String) {
        let all = ["oxen-operator", "check"];
        let cli = Cli::try_parse_from(all.iter().chain(flags)).unwrap();
        let debug = format!("{cli:?}");
        match cli.command {
            Command::Check(args) => (args.route, debug),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_invalid_base_url_is_refused_by_name() {
        for text in [
            "hub.oxen.ai",
            "ftp://hub",
            "https://",
            "https://hub?x=1",
            "",
        ] {
            let (args, _) = parsed(&["--base-url", text]);
            let error = args.route().unwrap_err().to_string();
            assert!(error.starts_with("OXEN_BASE_URL"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_base_url_with_user_info_is_refused_without_being_shown() {
        for text in [
            "http://gate:s3cret@host",
            "http://s3cret@host",
            "http://:s3cret@host",
            "http://gate:pa/s3cret@host",
            "http://gate:1234/s3cret@host",
            "http://gate:s3cret@",
            "gate:s3cret@host",
        ] {
            let (args, debug) = parsed(&["--base-url", text]);
            let error = args.route().unwrap_err().to_string();
            assert!(error.starts_with("OXEN_BASE_URL"), "{text:?}: {error}");
            assert!(!error.contains("s3cret"), "{text:?}: {error}");
            assert!(!debug.contains("s3cret"), "{text:?}: {debug}");
        }
    }

    #[test]
    fn a_proxy_may_need_a_password_and_is_never_shown() {
        let (args, debug) = parsed(&["--proxy", "http://user:s3cret@host:3128"]);
        let (route, _) = args.route().unwrap();
        assert_eq!(route.proxy.as_ref().unwrap().password(), Some("s3cret"));
        for shown in [debug, format!("{route:?}")] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        for text in [
            "http://user:pa/s3cret@host:3128",
            "http://user:1234/s3cret@host:3128",
            "socks5://user:s3cret@host",
            "user:s3cret@host",
            "http://user:s3cret@host?x",
        ] {
            let (args, _) = parsed(&["--proxy", text]);
            let error = args.route().unwrap_err().to_string();
            assert!(error.starts_with("OXEN_PROXY"), "{text:?}: {error}");
            assert!(!error.contains("s3cret"), "{text:?}: {error}");
        }
        let (none, _) = parsed(&["--proxy", ""]);
        assert_eq!(none.route().unwrap().0.proxy, None);
    }

    #[test]
    fn help_shows_no_value_of_the_environment_that_may_hold_a_password() {
        let cli = Cli::command();
        for name in ["run", "check"] {
            let command = cli.find_subcommand(name).unwrap();
            for flag in ["base-url", "proxy"] {
                let mut flags = command.get_arguments();
                let flag = flags.find(|one| one.get_long() == Some(flag)).unwrap();
                assert!(flag.is_hide_env_values_set(), "{name}: {flag}");
            }
        }
    }
}
