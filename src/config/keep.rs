//! The settings of `oxen-operator keep`.

use std::time::Duration;

use clap::Args;

use super::{args::LogFormat, error::ConfigError};
use crate::api::Span;

/// The longest time of a renewal. An override may end at most 31 days from now, and two clocks
/// differ.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The shortest time between two renewals.
const SHORTEST: Duration = Duration::from_secs(1);

/// Which object to keep active, and how.
#[derive(Debug, Args)]
pub struct KeepArgs {
    /// The name of the OxenModel to keep active.
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    model_object: String,

    /// The namespace of the OxenModel. Unset: the pod's own, or the kubeconfig's.
    #[arg(long, value_name = "NAME", value_parser = namespace_name)]
    namespace: Option<String>,

    /// How long the model stays active after the last renewal, at most `720h`.
    #[arg(
        long = "for",
        id = "for_",
        value_name = "DURATION",
        default_value = "20m"
    )]
    for_: Span,

    /// How often the override is renewed. `--for` has to be at least twice as long.
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    renew: Span,

    /// Renew nothing. Wait for at most this long until the model is active, and then exit. Fails if
    /// the object is Stalled.
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["for_", "renew"])]
    wait: Option<Span>,

    /// The format of logs. `auto` means text on a terminal and JSON elsewhere. RUST_LOG sets the
    /// level.
    #[arg(
        long,
        env = "OXEN_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "auto"
    )]
    log_format: LogFormat,
}

/// What `oxen-operator keep` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The name of the OxenModel.
    pub name: String,
    /// Its namespace, unless it is the client's own.
    pub namespace: Option<String>,
    /// What is done with it.
    pub task: KeepTask,
}

/// What `oxen-operator keep` does with its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepTask {
    /// Renew the override until the end of the process.
    Renew {
        /// How long an override lasts.
        lasts: Duration,
        /// The time from one renewal to the next.
        every: Duration,
    },
    /// Wait for at most this long until the model is active.
    Wait(Duration),
}

impl KeepArgs {
    /// The format of logs, which is needed before anything can be logged.
    #[must_use]
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the flag that can't be used, and the fix.
    pub fn check(self) -> Result<Keep, ConfigError> {
        let task = match self.wait {
            Some(Span(wait)) if wait.is_zero() => {
                let problem = "0s would not wait at all: write a duration such as 30m";
                return Err(ConfigError::new("--wait", problem));
            }
            Some(Span(wait)) => KeepTask::Wait(wait),
            None => self.renewals()?,
        };
        Ok(Keep {
            name: self.model_object,
            namespace: self.namespace,
            task,
        })
    }

    fn renewals(&self) -> Result<KeepTask, ConfigError> {
        let (lasts, every) = (self.for_, self.renew);
        if every.0 < SHORTEST {
            return Err(ConfigError::new("--renew", "write 1s or more"));
        }
        if every.0 > LONGEST / 2 {
            return Err(ConfigError::new("--renew", "write 360h or less"));
        }
        let twice = Span(every.0 * 2);
        if lasts < twice {
            let problem = format!(
                "{lasts} is shorter than twice --renew {every}, so one failed renewal could end the \
                 override: write {twice} or more, or a shorter --renew"
            );
            return Err(ConfigError::new("--for", problem));
        }
        if lasts.0 > LONGEST {
            return Err(ConfigError::new("--for", "write 720h or less"));
        }
        Ok(KeepTask::Renew {
            lasts: lasts.0,
            every: every.0,
        })
    }
}

fn object_name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if text.is_empty() || !text.chars().all(allowed) {
        return Err("write the name of an OxenModel, such as support-bot".into());
    }
    Ok(text.to_owned())
}

fn namespace_name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || !text.chars().all(allowed) {
        return Err("write the name of a namespace, such as team-a".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        keep: KeepArgs,
    }

    fn read(line: &str) -> Result<Keep, String> {
        let words = std::iter::once("keep").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.keep.check().map_err(|error| error.to_string())
    }

    #[test]
    fn the_task_follows_from_the_flags() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        for (line, namespace, task) in [
            (
                "--model-object a",
                None,
                KeepTask::Renew {
                    lasts: minutes(20),
                    every: minutes(10),
                },
            ),
            (
                "--model-object=a --namespace b --for 1h --renew 1m",
                Some("b"),
                KeepTask::Renew {
                    lasts: minutes(60),
                    every: minutes(1),
                },
            ),
            (
                "--model-object a --wait=30m",
                None,
                KeepTask::Wait(minutes(30)),
            ),
        ] {
            let keep = read(line).unwrap();
            assert_eq!(keep.name, "a");
            assert_eq!(keep.namespace.as_deref(), namespace);
            assert_eq!(keep.task, task, "{line}");
        }
    }

    #[test]
    fn a_wrong_flag_is_named_with_its_fix() {
        for (line, words) in [
            ("", "--model-object"),
            ("--model-object a/b", "such as support-bot"),
            ("--model-object a --namespace=", "such as team-a"),
            ("--model-object a --namespace=a/b", "such as team-a"),
            ("--model-object a --for 10m", "write 20m or more"),
            ("--model-object a --for 19m59s", "write 20m or more"),
            ("--model-object a --renew 15m", "write 30m or more"),
            ("--model-object a --renew 361h", "--renew: write 360h"),
            (
                "--model-object a --renew 99999999999999h",
                "--renew: write 360h",
            ),
            ("--model-object a --renew 0s", "--renew: write 1s"),
            ("--model-object a --for 721h", "--for: write 720h"),
            ("--model-object a --for soon", "such as 30s"),
            ("--model-object a --wait 0s", "such as 30m"),
            ("--model-object a --wait 1m --for 20m", "cannot be used"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
