//! Logs: JSON on a cluster and text on a terminal, at the level of `RUST_LOG`.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, filter_fn},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// kube-client logs the whole body of a response that it can't decode, Secrets included, and
/// kube-runtime's watcher logs the error that quotes this body. So their logs are off whatever
/// `RUST_LOG` says. The operator itself logs each failed request and each failed watch.
const SILENCED: [&str; 2] = ["kube_client", "kube_runtime::watcher"];

/// Starts logging to standard error for the whole program.
pub fn init(format: LogFormat) {
    let terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let levels = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    if json {
        subscriber(true, false, &levels, io::stderr).init();
    } else {
        subscriber(false, terminal, &levels, io::stderr).init();
    }
}

/// Writes the logs that `levels` names, in the syntax of `RUST_LOG`, and never those of
/// [`SILENCED`].
///
/// The silenced targets are a filter of their own, because a directive for a longer target or for a
/// span outranks one in `levels`. A record has to pass both filters.
fn subscriber<W>(json: bool, colours: bool, levels: &str, writer: W) -> impl Subscriber + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let levels = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(levels);
    let layer = fmt::layer().with_ansi(colours).with_writer(writer);
    let layer: Box<dyn tracing_subscriber::Layer<_> + Send + Sync> = if json {
        Box::new(layer.json().flatten_event(true))
    } else {
        Box::new(layer)
    };
    tracing_subscriber::registry()
        .with(layer)
        .with(levels)
        .with(filter_fn(|metadata| !is_silenced(metadata.target())))
}

fn is_silenced(target: &str) -> bool {
    SILENCED.iter().any(|silenced| {
        let inner = target.strip_prefix(silenced);
        inner.is_some_and(|inner| inner.is_empty() || inner.starts_with("::"))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, levels: &str) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(json, false, levels, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::error_span!("reconcile", object = "bot");
            let _entered = span.enter();
            tracing::error!(target: "kube_client", "answer");
            tracing::warn!(target: "kube_client::client", "body");
            tracing::trace!(target: "kube_client::client::builder", "request");
            tracing::warn!(target: "kube_runtime::watcher", "list");
            tracing::info!(target: "kube_clients", "another crate");
            tracing::info!(target: "kube_runtime::watchers", "another module");
            tracing::info!(target: "oxen_operator", "own");
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_level_switches_the_clients_logs_on() {
        for levels in [
            "",
            "info",
            "trace",
            "info,kube_client::client=warn",
            "kube_client=trace,kube_client::client=trace,kube_runtime::watcher=trace",
            "info,[reconcile]=trace",
            "info,kube_client::client[reconcile{object=bot}]=trace",
            "[{object=bot}]=trace",
        ] {
            for json in [true, false] {
                let text = logged(json, levels);
                for silenced in ["answer", "body", "request", "list"] {
                    assert!(!text.contains(silenced), "{levels}: {text}");
                }
            }
        }
        let text = logged(true, "info,kube_client::client=warn");
        for words in ["own", "another crate", "another module"] {
            assert!(text.contains(words), "{text}");
        }
        let text = logged(false, "");
        assert!(text.contains("own"), "info is the default: {text}");
    }
}
