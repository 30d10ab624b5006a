//! What the checks found, as a screen and as data.

use serde::Serialize;

use super::paste::command;
use crate::{
    clean,
    cli::DataOutput,
    console::{DEFAULT_WIDTH, DIM, RED, RESET, YELLOW},
    outcome::{Failure, Outcome},
    output,
};

/// The width of what stands before a check's message.
pub const INDENT: usize = 8;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It is as it should be.
    Ok,
    /// It works, and a person should know something.
    Warn,
    /// It does not work.
    Fail,
    /// The check could not be made, or does not apply.
    Skip,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The name of the check, which no later version changes.
    pub id: &'static str,
    /// What it is about, where there is a check for each of several things.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub result: Mark,
    pub message: String,
    /// What to do, as lines that can be pasted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
    /// Where to look, as lines that can be pasted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub see: Vec<String>,
    /// Whether it is about objects, and not about the installation.
    #[serde(skip)]
    pub of_objects: bool,
}

impl Check {
    fn new(id: &'static str, result: Mark, message: impl Into<String>) -> Self {
        Self {
            id,
            subject: None,
            result,
            message: message.into(),
            fix: Vec::new(),
            see: Vec::new(),
            of_objects: false,
        }
    }

    pub fn ok(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(id, Mark::Ok, message)
    }

    pub fn warn(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(id, Mark::Warn, message)
    }

    pub fn fail(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(id, Mark::Fail, message)
    }

    pub fn skip(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(id, Mark::Skip, message)
    }

    /// The check, about one of several things.
    pub fn about(self, subject: impl Into<String>) -> Self {
        Self {
            subject: Some(subject.into()),
            ..self
        }
    }

    /// The check, with a line that repairs it.
    pub fn fix(mut self, line: impl Into<String>) -> Self {
        self.fix.push(line.into());
        self
    }

    /// The check, with a line that tells more.
    pub fn see(mut self, line: impl Into<String>) -> Self {
        self.see.push(line.into());
        self
    }

    /// The lines on the screen.
    fn lines(&self, width: usize) -> Vec<String> {
        let (mark, color) = match self.result {
            Mark::Ok => ("ok", ""),
            Mark::Warn => ("warn", YELLOW),
            Mark::Fail => ("FAIL", RED),
            Mark::Skip => ("skip", DIM),
        };
        let reset = if color.is_empty() { "" } else { RESET };
        let message = clean::wrap(&clean::line(&self.message), width.saturating_sub(INDENT));
        let messages = message.into_iter().enumerate().map(|(at, line)| {
            let mark = if at == 0 { mark } else { "" };
            format!("{color}  {mark:<4}  {line}{reset}")
        });
        let fixes = self.fix.iter().map(|line| ("fix", line));
        let remedies = fixes.chain(self.see.iter().map(|line| ("see", line)));
        let remedies = remedies.flat_map(|(label, line)| command(label, line, width));
        messages.chain(remedies).collect()
    }
}

/// Checks that belong together.
pub struct Group {
    title: &'static str,
    /// What the checks are about.
    about: String,
    pub checks: Vec<Check>,
}

impl Group {
    pub fn new(title: &'static str, about: String, checks: Vec<Check>) -> Self {
        Self {
            title,
            about,
            checks,
        }
    }
}

/// All checks.
pub struct Report {
    pub groups: Vec<Group>,
}

/// The report in JSON or YAML.
#[derive(Serialize)]
struct Data<'a> {
    ok: bool,
    checks: Vec<&'a Check>,
}

impl Report {
    fn checks(&self) -> impl Iterator<Item = &Check> {
        self.groups.iter().flat_map(|group| &group.checks)
    }

    fn count(&self, mark: Mark) -> usize {
        self.checks().filter(|check| check.result == mark).count()
    }

    /// Whether the installation is sound, and whether objects are.
    pub fn outcome(&self) -> Outcome {
        let mut failed = self.checks().filter(|check| check.result == Mark::Fail);
        match failed.next() {
            None => Outcome::Done,
            Some(first) if first.of_objects && failed.all(|check| check.of_objects) => {
                Outcome::Stalled
            }
            Some(_) => Outcome::Failed,
        }
    }

    /// The screen. Without a width, it has that of a usual terminal, so that its lines can be
    /// pasted from a log.
    pub fn text(&self, width: Option<usize>) -> String {
        let width = width.unwrap_or(DEFAULT_WIDTH);
        let mut lines = Vec::new();
        for group in self.groups.iter().filter(|group| !group.checks.is_empty()) {
            let about = clean::line(&group.about);
            let heading = format!("{:<10}{about}", group.title);
            lines.push(clean::cut(heading.trim_end(), width));
            lines.extend(group.checks.iter().flat_map(|check| check.lines(width)));
            lines.push(String::new());
        }
        let warnings = self.count(Mark::Warn);
        lines.extend(clean::wrap(
            &format!(
                "{} ok, {warnings} warning{}, {} failed, {} skipped",
                self.count(Mark::Ok),
                if warnings == 1 { "" } else { "s" },
                self.count(Mark::Fail),
                self.count(Mark::Skip)
            ),
            width,
        ));
        lines.join("\n") + "\n"
    }

    /// The report as data.
    ///
    /// # Errors
    ///
    /// It can't be written.
    pub fn data(&self, form: DataOutput) -> Result<String, Failure> {
        let data = Data {
            ok: self.count(Mark::Fail) == 0,
            checks: self.checks().collect(),
        };
        match form {
            DataOutput::Json => output::text(&data, false),
            DataOutput::Yaml => output::text(&data, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: Vec<Check>) -> Report {
        Report {
            groups: vec![Group::new("KEYS", "about keys".into(), checks)],
        }
    }

    #[test]
    fn a_line_to_paste_is_broken_between_words_only() {
        let line = "kubectl -n team-b patch secret oxen-api-key -p \
                    '{\"stringData\": {\"api-key\": \"YOUR_API_KEY\"}}'";
        let check = Check::fail("key-accepted", "it is not").fix(line);
        let text = report(vec![check]).text(Some(64));
        assert_eq!(
            text,
            "KEYS      about keys\n\
             \u{1b}[31m  FAIL  it is not\u{1b}[0m\n\
             \x20       fix: kubectl -n team-b patch secret oxen-api-key -p \\\n\
             \x20            '{\"stringData\": {\"api-key\": \"YOUR_API_KEY\"}}'\n\
             \n0 ok, 0 warnings, 1 failed, 0 skipped\n"
        );
        let json = report(vec![Check::ok("a", "b").about("c")]).data(DataOutput::Json);
        let json: serde_json::Value = serde_json::from_str(&json.unwrap()).unwrap();
        let expected = serde_json::json!({"ok": true, "checks": [
            {"id": "a", "subject": "c", "result": "ok", "message": "b"}]});
        assert_eq!(json, expected);
        for form in [DataOutput::Json, DataOutput::Yaml] {
            let nasty = report(vec![Check::ok("a", "\u{9b}31m\u{202e}\x1b[2J")]);
            assert!(clean::is_safe(&nasty.data(form).unwrap()));
        }
    }

    #[test]
    fn the_installation_outweighs_the_objects() {
        let objects = || Check {
            of_objects: true,
            ..Check::fail("models-stalled", "2")
        };
        let code = |checks: Vec<Check>| report(checks).outcome().code();
        assert_eq!(code(vec![Check::ok("a", ""), Check::warn("b", "")]), 0);
        assert_eq!(code(vec![Check::skip("a", ""), objects()]), 2);
        assert_eq!(code(vec![objects(), Check::fail("a", "")]), 1);
        assert_eq!(code(vec![Check::fail("a", ""), objects()]), 1);
    }
}
