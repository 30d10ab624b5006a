//! Logs: JSON on a cluster and text on a terminal, at the level of `RUST_LOG`.
//!
//! A reconcile is a span with the object's namespace and name, so that every line that is logged
//! during it has both, whoever logs it.

use std::io::{self, IsTerminal};

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, filter_fn},
    fmt::{
        self, FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter,
        format::{Format, Json, JsonFields, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// kube-client logs the whole body of a response that it can't decode, Secrets included, and
/// kube-runtime's watcher logs the error that quotes this body. So their logs are off whatever
/// `RUST_LOG` says. The operator itself logs each failed request and each failed watch.
const SILENCED: [&str; 2] = ["kube_client", "kube_runtime::watcher"];

/// kube-runtime has a span for each reconcile as well, which says the same in other words.
const KUBE_RUNTIME: &str = "kube_runtime";

/// Writes each line as one flat JSON object, with the fields of the operator's own spans beside
/// those of the line. tracing's own format would write a field `name` of a span twice, because it
/// writes the name of the span under the same key.
struct FlatJson(Format<Json>);

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
        let lines = FlatJson::new();
        Box::new(layer.fmt_fields(JsonFields::new()).event_format(lines))
    } else {
        Box::new(layer)
    };
    tracing_subscriber::registry()
        .with(layer)
        .with(levels)
        .with(filter_fn(|metadata| !is_silenced(metadata)))
}

fn is_silenced(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let silenced = SILENCED.iter().any(|silenced| is_inside(target, silenced));
    silenced || metadata.is_span() && is_inside(target, KUBE_RUNTIME)
}

/// Returns true when a target is a module, or is inside of it.
fn is_inside(target: &str, module: &str) -> bool {
    let inner = target.strip_prefix(module);
    inner.is_some_and(|inner| inner.is_empty() || inner.starts_with("::"))
}

impl FlatJson {
    fn new() -> Self {
        let format = fmt::format().json().flatten_event(true);
        Self(format.with_current_span(false).with_span_list(false))
    }
}

impl<S, N> FormatEvent<S, N> for FlatJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let object = line.trim_end().strip_suffix('}');
        writer.write_str(object.ok_or(std::fmt::Error)?)?;
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            // The fields are an object.
            let fields = fields.and_then(|all| all.strip_prefix('{')?.strip_suffix('}'));
            let own = is_inside(span.metadata().target(), env!("CARGO_CRATE_NAME"));
            if let Some(fields) = fields.filter(|fields| own && !fields.is_empty()) {
                write!(writer, ",{fields}")?;
            }
        }
        writeln!(writer, "}}")
    }
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

    fn written(json: bool, levels: &str, log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(json, false, levels, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn logged(json: bool, levels: &str) -> String {
        written(json, levels, || {
            let span = tracing::error_span!("reconcile", object = "bot");
            let _entered = span.enter();
            tracing::error!(target: "kube_client", "answer");
            tracing::warn!(target: "kube_client::client", "body");
            tracing::trace!(target: "kube_client::client::builder", "request");
            tracing::warn!(target: "kube_runtime::watcher", "list");
            tracing::info!(target: "kube_clients", "another crate");
            tracing::info!(target: "kube_runtime::watchers", "another module");
            tracing::info!(target: "oxen_operator", "own");
        })
    }

    /// Logs as in a reconcile, at each level.
    fn reconcile() {
        let kube =
            tracing::info_span!(target: "kube_runtime::controller", "reconciling object", x = 1);
        let _kube = kube.enter();
        let span = tracing::error_span!("reconcile", namespace = "team", name = "bo\"t");
        let _span = span.enter();
        let other = tracing::error_span!(target: "another_crate", "request", name = "x");
        let _other = other.enter();
        tracing::error!("an error");
        tracing::warn!(reason = "Active", "a warning");
        tracing::info!("a note");
        tracing::debug!(target: "another_crate", "a detail");
    }

    #[test]
    fn each_line_of_a_reconcile_has_namespace_and_name_once() {
        for (levels, lines) in [
            ("", 3),
            ("off", 0),
            ("error", 1),
            ("warn", 2),
            ("warn,oxen_operator=info", 3),
            ("debug", 4),
            ("trace", 4),
        ] {
            let text = written(true, levels, reconcile);
            assert_eq!(text.lines().count(), lines, "{levels}: {text}");
            for line in text.lines() {
                let fields: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(fields["namespace"], "team", "{line}");
                assert_eq!(fields["name"], "bo\"t", "{line}");
                assert!(fields["message"].is_string(), "{line}");
                let names = line.matches(r#""name":"#).count();
                assert!(names == 1 && !line.contains("reconcil"), "{line}");
            }
            let text = written(false, levels, reconcile);
            assert_eq!(text.lines().count(), lines, "{levels}: {text}");
            for line in text.lines() {
                let named = r#" reconcile{namespace="team" name="bo\"t"}:"#;
                assert!(line.contains(named), "{named} is not in {line}");
                assert!(!line.contains("reconciling"), "{line}");
            }
        }
    }

    #[test]
    fn a_line_outside_of_a_reconcile_is_one_object_too() {
        let text = written(true, "", || tracing::info!(leader = "a", "standby"));
        let fields: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&fields["leader"], &fields["message"]),
            (&"a".into(), &"standby".into())
        );
        assert_eq!(fields["level"], "INFO");
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
