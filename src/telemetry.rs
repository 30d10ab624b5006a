//! Logs: JSON on a cluster and text on a terminal, at the level of `RUST_LOG`.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, filter::Directive, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// kube-client logs the whole body of a response that it can't decode, Secrets included, so its
/// logs are off whatever `RUST_LOG` says.
const SILENCED: [&str; 1] = ["kube_client=off"];

/// Starts logging to standard error for the whole program.
pub fn init(format: LogFormat) {
    let mut filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .from_env_lossy();
    for directive in SILENCED
        .iter()
        .filter_map(|text| text.parse::<Directive>().ok())
    {
        filter = filter.add_directive(directive);
    }
    let json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        let layer = fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(io::stderr);
        registry.with(layer).init();
    } else {
        let layer = fmt::layer()
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr);
        registry.with(layer).init();
    }
}
