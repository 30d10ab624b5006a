//! Tests of `oxen-operator schedule`, which needs neither a cluster nor the hub.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

const MANIFESTS: &str = "
apiVersion: oxen.ai/v1alpha1
kind: OxenModel
metadata: {name: support-bot, namespace: team}
spec:
  model: support-bot-v2
  state: scheduled
  schedule:
    timeZone: Europe/Berlin
    active:
    - Mon-Fri 08:00-12:00
    - Mon-Fri 12:00-18:00
    - 2026-12-05 10:00-16:00
    except:
    - 2026-11-26/2026-11-27
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
data: {anything: goes}
---
# An empty document.
---
apiVersion: v1
kind: List
items:
- apiVersion: oxen.ai/v1alpha1
  kind: OxenModel
  metadata: {name: always}
  spec: {model: always, state: active}
- apiVersion: oxen.ai/v1alpha1
  kind: OxenModel
  metadata: {name: never}
  spec:
    model: never
    state: inactive
    schedule: {timeZone: UTC, active: [\"08:00-18:00\"]}
";

/// Runs the program without any environment, with this standard input.
fn schedule(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_oxen-operator"))
        .arg("schedule")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that ends without reading closes the pipe.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn printed(arguments: &[&str], input: &str) -> String {
    let output = schedule(arguments, input);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(arguments: &[&str], input: &str) -> Value {
    let arguments = [arguments, &["-o", "json"]].concat();
    serde_json::from_str(&printed(&arguments, input)).unwrap()
}

fn manifest(schedule: &str) -> String {
    format!(
        "apiVersion: oxen.ai/v1alpha1\nkind: OxenModel\nmetadata: {{name: bot, namespace: team}}\n\
         spec: {{model: bot, state: scheduled, schedule: {schedule}}}\n"
    )
}

#[test]
fn json_has_the_times_of_every_model_of_a_file_in_utc() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, MANIFESTS).unwrap();
    let file = file.path().to_str().unwrap();
    // It is 09:00 in Berlin, an hour after the window has begun.
    let from = ["--from", "2026-11-25T09:00:00+01:00"];
    let printed = json_of(&[&["-f", file], &from[..]].concat(), "");
    let all = json!({"from": "2026-11-25T08:00:00Z", "to": "2026-12-02T08:00:00Z"});
    let expected = json!([
        {"namespace": "team", "name": "support-bot", "on": [
            {"from": "2026-11-25T08:00:00Z", "to": "2026-11-25T17:00:00Z"},
            {"from": "2026-11-30T07:00:00Z", "to": "2026-11-30T17:00:00Z"},
            {"from": "2026-12-01T07:00:00Z", "to": "2026-12-01T17:00:00Z"},
            {"from": "2026-12-02T07:00:00Z", "to": "2026-12-02T08:00:00Z"},
        ]},
        {"namespace": null, "name": "always", "on": [all]},
        {"namespace": null, "name": "never", "on": []},
    ]);
    assert_eq!(printed, expected);
    let short = json_of(
        &[&["-f", "-", "--days", "1"], &from[..]].concat(),
        MANIFESTS,
    );
    let on = json!([
        {"from": "2026-11-25T08:00:00Z", "to": "2026-11-25T17:00:00Z"},
    ]);
    assert_eq!(short[0]["on"], on, "the 26th is an exception");
    // A range without a window, and one that ends where a window begins.
    let from = ["--days", "1", "--from", "2026-11-29T07:00:00Z"];
    let printed = json_of(&[&["-f", "-"], &from[..]].concat(), MANIFESTS);
    assert_eq!(printed[0]["on"], json!([]));
}

#[test]
fn a_fixed_warm_up_counts_and_a_learned_one_does_not() {
    for (warm_up, begin) in [("10m", "08:50"), ("auto", "09:00"), ("null", "09:00")] {
        let text = format!("{{timeZone: UTC, active: [09:00-18:00], warmUp: {warm_up}}}");
        let arguments = ["-f", "-", "--days", "1", "--from", "2026-11-25T00:00:00Z"];
        let printed = json_of(&arguments, &manifest(&text));
        let begin = format!("2026-11-25T{begin}:00Z");
        assert_eq!(printed[0]["on"][0]["from"], json!(begin), "{warm_up}");
    }
}

#[test]
fn the_report_has_both_clocks_and_the_hours_per_week() {
    let from = ["--from", "2026-11-25T08:00:00Z"];
    let report = printed(&[&["-f", "-"], &from[..]].concat(), MANIFESTS);
    let expected = "\
From 2026-11-25T08:00:00Z to 2026-12-02T08:00:00Z:

team/support-bot: scheduled, times of Europe/Berlin and UTC
  on   Wed 2026-11-25 09:00 +01:00  2026-11-25T08:00:00Z  (begins here or earlier)
  off  Wed 2026-11-25 18:00 +01:00  2026-11-25T17:00:00Z
  on   Mon 2026-11-30 08:00 +01:00  2026-11-30T07:00:00Z
  off  Mon 2026-11-30 18:00 +01:00  2026-11-30T17:00:00Z
  on   Tue 2026-12-01 08:00 +01:00  2026-12-01T07:00:00Z
  off  Tue 2026-12-01 18:00 +01:00  2026-12-01T17:00:00Z
  on   Wed 2026-12-02 08:00 +01:00  2026-12-02T07:00:00Z
  off  Wed 2026-12-02 09:00 +01:00  2026-12-02T08:00:00Z  (ends here or later)
  30 hours per week
";
    assert!(report.starts_with(expected), "{report}");
    assert!(report.contains("\nalways: active\n"), "{report}");
    assert!(report.contains("\n  168 hours per week\n"), "{report}");
    assert!(
        report.contains("\nnever: inactive, times of UTC"),
        "{report}"
    );
    assert!(
        report.ends_with("\n  off\n  0 hours per week\n"),
        "{report}"
    );

    let auto = manifest("{timeZone: UTC, active: [09:00-18:20], warmUp: auto}");
    let report = printed(
        &["-f", "-", "--days", "1", "--from", "2026-11-25T00:00:00Z"],
        &auto,
    );
    assert!(report.contains("65.3 hours per week"), "{report}");
    assert!(report.contains("auto counts as 0"), "{report}");
}

#[test]
fn without_a_range_it_is_the_next_seven_days() {
    let days = |printed: &Value| {
        let time = |name: &str| -> jiff::Timestamp {
            printed[1]["on"][0][name].as_str().unwrap().parse().unwrap()
        };
        let late = time("from").duration_since(jiff::Timestamp::now());
        assert!(late.as_secs().abs() < 60, "{printed}");
        time("to").duration_since(time("from"))
    };
    let printed = json_of(&["-f", "-"], MANIFESTS);
    assert_eq!(days(&printed), jiff::SignedDuration::from_hours(7 * 24));
}

#[test]
fn a_file_without_a_model_has_no_times() {
    let other = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n";
    for input in [other, "", "---\n---\n", "# nothing\n"] {
        assert_eq!(json_of(&["-f", "-"], input), json!([]));
        assert!(printed(&["-f", "-"], input).contains("has no OxenModel"));
    }
}

#[test]
fn a_manifest_that_can_not_be_used_gets_file_object_field_and_fix() {
    let windows = |windows: &str| manifest(&format!("{{timeZone: UTC, active: {windows}}}"));
    let second = |text: &str| format!("kind: Service\napiVersion: v1\n---\n{text}");
    for (input, words) in [
        (
            windows("[Mo-Fr 08:00-18:00]"),
            &[
                "-, document 1, OxenModel team/bot: spec.schedule.active[0]: ",
                "Mon-Fri 08:00-18:00",
            ][..],
        ),
        (
            second(&windows("[Mon 23:00-23:00]")),
            &[
                "-, document 2, OxenModel team/bot: spec.schedule.active[0]: ",
                "00:00-24:00",
            ],
        ),
        (
            windows("[]"),
            &["OxenModel team/bot: spec.schedule.active: write 1 to 16 windows"],
        ),
        (
            manifest("{timeZone: Europe/Berln, active: [08:00-18:00]}"),
            &[
                "OxenModel team/bot: spec.schedule.timeZone: \"Europe/Berln\"",
                "Europe/Berlin",
            ],
        ),
        (
            manifest("{active: [08:00-18:00]}"),
            &["OxenModel team/bot: spec.schedule: missing field `timeZone`"],
        ),
        (
            manifest("{timeZone: UTC, active: [08:00-18:00], excpet: [2026-12-25]}"),
            &["OxenModel team/bot: spec.schedule.excpet: there is no such field"],
        ),
        (
            manifest("{timeZone: UTC, active: [08:00-18:00], except: [2027-02-29]}"),
            &["OxenModel team/bot: spec.schedule.except[0]: \"2027-02-29\": days must exist"],
        ),
        (
            manifest("{timeZone: UTC, active: [08:00-18:00], warmUp: 3h}"),
            &["OxenModel team/bot: spec.schedule.warmUp: ", "at most 2h"],
        ),
        (
            manifest("null"),
            &["OxenModel team/bot: spec.schedule: state: scheduled needs a schedule"],
        ),
        (
            manifest("{}").replace("v1alpha1", "v1"),
            &["OxenModel team/bot: apiVersion: write oxen.ai/v1alpha1"],
        ),
        (
            manifest("{}").replace("name: bot, ", ""),
            &["-, document 1, OxenModel: metadata.name: write a name"],
        ),
        (
            "metadata: {name: bot}\n".into(),
            &["-, document 1, an object bot: apiVersion and kind: write both"],
        ),
        (
            "just text\n".into(),
            &["-, document 1, an object: apiVersion and kind"],
        ),
        (second("a: [1\n"), &["-, document 2: ", "line"]),
    ] {
        let output = schedule(&["-f", "-"], &input);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{input} was accepted");
        assert!(output.stdout.is_empty(), "{input}");
        for word in words {
            assert!(errors.contains(word), "{input}: {errors}");
        }
    }
    for (arguments, words) in [
        (
            &["-f", "/no/such/file.yaml"][..],
            "/no/such/file.yaml can't be read: ",
        ),
        (
            &["-f", "-", "--from", "tomorrow"],
            "2026-11-25T08:00:00+01:00",
        ),
        (
            &["-f", "-", "--from", "2026-11-25T08:00:00"],
            "with its offset from UTC",
        ),
        (&["-f", "-", "--days", "0"], "1..=400"),
        (&["-f", "-", "--days", "401"], "1..=400"),
        (&["-f", "-", "-o", "yaml"], "text, json"),
        (&[], "--filename"),
    ] {
        let output = schedule(arguments, MANIFESTS);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?} were accepted");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
}
