//! The screen and the table, compared with the files in `golden/`. `UPDATE_GOLDEN=1` updates them.

use std::path::Path;

use hub::{Hub, Model};
use serde_json::json;
use testkit::world::{Operator, World};

use crate::{bash, oxen};

async fn one_of_each_kind() -> (World, Operator) {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("support-bot-v2").status("inactive"))
            .model(Model::custom("ticket-summarizer").status("active"))
            .model(Model::custom("flux-product-shots").status("active"))
            .model(Model::base("claude-sonnet-4-6")),
    )
    .await;
    let operator = world.operator();
    for (name, reason, spec) in [
        (
            "base",
            "AlwaysActive",
            json!({"model": "claude-sonnet-4-6", "state": "active"}),
        ),
        (
            "images",
            "WouldDeactivate",
            json!({"model": "flux-product-shots", "state": "inactive", "suspend": true}),
        ),
        (
            "nights",
            "Inactive",
            json!({"model": "ticket-summarizer", "state": "inactive", "syncInterval": "10m",
                   "schedule": {"timeZone": "Europe/Berlin",
                                "active": ["Mon-Fri 22:00-06:00"], "except": ["2026-12-25"]}}),
        ),
        (
            "support-bot",
            "Active",
            json!({"model": "support-bot-v2", "state": "active"}),
        ),
        (
            "typo",
            "ModelNotFound",
            json!({"model": "support-bto-v2", "state": "active"}),
        ),
    ] {
        world.apply(name, spec).await.ok().unwrap();
        world.until_reason(name, reason).await;
        world.until_last_event(name, reason).await;
    }
    (world, operator)
}

/// The text with ages, times of day, the namespace and the hub's URL replaced, and with the space
/// between columns as wide as it needs to be at least.
pub fn masked(world: &World, text: &str) -> String {
    let text = text.replace(&world.namespace, "NAMESPACE");
    let text = text.replace(&world.hub.url(), "HUB");
    let line = |line: &str| {
        let words = line
            .split("  ")
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let parts: Vec<String> = words
            .map(|part| part.split(' ').map(word).collect::<Vec<_>>().join(" "))
            .collect();
        let line = parts.join("  ");
        if line.starts_with("Usage") {
            without_amounts(&line) + "\n"
        } else {
            line + "\n"
        }
    };
    text.lines().map(line).collect()
}

/// The line with its amounts replaced, because a usage grows.
fn without_amounts(line: &str) -> String {
    let amount = |word: &str| {
        let bare = word.trim_end_matches([';', ',']);
        match bare.split_once('.') {
            Some((_, cents)) if cents.len() == 2 => word.replace(bare, "AMOUNT"),
            _ => word.to_owned(),
        }
    };
    line.split(' ').map(amount).collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    let bare = word.trim_matches(['(', ')', ',']);
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let age = bare
        .strip_suffix(['s', 'm'])
        .is_some_and(|number| number.split(['h', 'm']).all(digits));
    let time = bare.len() == 5
        && bare
            .split_once(':')
            .is_some_and(|(h, m)| digits(h) && digits(m));
    match (age, time) {
        (true, _) => word.replace(bare, "AGE"),
        (_, true) => word.replace(bare, "TIME"),
        _ => word.to_owned(),
    }
}

/// Fails if the text differs from the golden file.
pub fn golden(name: &str, text: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plugin/golden");
    let path = Path::new(folder).join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "{} is not what is printed; UPDATE_GOLDEN=1 updates it:\n{text}",
        path.display()
    );
}

#[tokio::test]
async fn the_screens_are_the_golden_ones() {
    let (world, _operator) = one_of_each_kind().await;
    for (name, arguments) in [
        ("table", "status"),
        ("support-bot", "status support-bot"),
        ("typo", "status oxm/typo"),
        ("images", "status images"),
        ("nights", "status nights"),
        ("names", "status -o name"),
    ] {
        let output = oxen(&world, arguments).await.ok().unwrap();
        golden(name, &masked(&world, &output.stdout));
        if name == "table" {
            golden("table-words", &masked(&world, &output.stderr));
        } else {
            assert_eq!(output.stderr, "", "{name}");
        }
        assert!(!output.stdout.contains('\x1b'), "{name}");
    }
    for (form, names) in [("json", "support-bot"), ("yaml", "support-bot")] {
        let output = oxen(&world, &format!("status support-bot -o {form}"))
            .await
            .ok()
            .unwrap();
        let list: serde_json::Value = serde_yaml::from_str(&output.stdout).unwrap();
        let item = &list["items"][0];
        assert_eq!(item["metadata"]["name"], names);
        assert_eq!(item["perHour"], "4.50", "{item}");
        assert!(item["activeSeconds"].is_i64() && item["cost"].is_string());
        assert!(item["metadata"].get("managedFields").is_none());
    }
    // Neither the width of the terminal nor forced colour changes what the columns hold.
    let script = format!(
        "COLUMNS=20 TERM=dumb NO_COLOR=1 kubectl oxen status -n {} 2>/dev/null",
        world.namespace
    );
    let narrow = bash(world.cluster, &script).await.ok().unwrap();
    golden("table", &masked(&world, &narrow.stdout));
    let forced = oxen(&world, "status --color always").await.ok().unwrap();
    assert!(forced.stdout.contains("\x1b[31m"), "{}", forced.stdout);
}

/// Runs the plugin on a terminal of this width, with these variables.
pub async fn on_a_terminal(
    world: &World,
    columns: usize,
    variables: &str,
    arguments: &str,
) -> String {
    let script = format!(
        "{variables} script -qec 'stty cols {columns}; kubectl oxen {arguments} -n {}' /dev/null",
        world.namespace
    );
    let output = bash(world.cluster, &script).await.ok().unwrap();
    output.stdout.replace('\r', "")
}

#[tokio::test]
async fn a_terminal_gets_its_width_and_colour_only_where_it_takes_it() {
    let (world, _operator) = one_of_each_kind().await;
    for arguments in ["status", "status typo"] {
        for columns in [80, 60, 20] {
            let dumb = on_a_terminal(&world, columns, "TERM=dumb", arguments).await;
            assert!(!dumb.contains('\x1b'), "{dumb}");
            for line in dumb.lines() {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
        }
    }
    let colourful = on_a_terminal(&world, 80, "TERM=xterm", "status").await;
    assert!(colourful.contains("\x1b[31m"), "{colourful}");
    let plain = on_a_terminal(&world, 80, "TERM=xterm NO_COLOR=1", "status").await;
    assert!(!plain.contains('\x1b'), "{plain}");
    assert!(
        plain.contains("5 models; 2 bill by time now: 9.00 an hour."),
        "{plain}"
    );
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_program_quietly() {
    let world = World::new(Hub::builder()).await;
    for at in 0..200 {
        let spec = json!({"model": format!("model-{at}"), "state": "inactive"});
        world.create(&format!("model-{at}"), spec).await;
    }
    let script = format!(
        "kubectl oxen status -n {} -o json | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}",
        world.namespace
    );
    let output = bash(world.cluster, &script).await.ok().unwrap();
    assert_eq!((output.stdout.trim(), output.stderr.as_str()), ("0", ""));
}
