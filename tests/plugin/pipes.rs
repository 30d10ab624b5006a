//! Pipes, and terminals of any width, with anything that a hub or a cluster could say.

use hub::{Endpoint, Fault, Hub, Model};
use serde_json::json;
use testkit::world::{World, with_crd};
use unicode_width::UnicodeWidthStr;

use crate::bash;

#[tokio::test]
async fn five_hundred_objects_go_through_pipes_without_a_panic_or_an_escape_sequence() {
    let cluster = with_crd().await;
    let world = World::on(&cluster, Hub::builder()).await;
    for at in 0..500 {
        let spec = json!({"model": format!("model-{at}"), "state": "inactive"});
        world.create(&format!("model-{at:03}"), spec).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let here = format!("cd {}\n", folder.path().display());
    for command in [
        "status",
        "status -o wide",
        "status -o json",
        "schedule",
        "cost",
    ] {
        let script = format!(
            "{here}kubectl oxen {command} -A 2>words | head -1; echo ${{PIPESTATUS[0]}}\n\
             kubectl oxen {command} -A >all 2>/dev/null\n\
             COLUMNS=20 kubectl oxen {command} -A 2>/dev/null | cat >narrow\n\
             TERM=xterm NO_COLOR=1 script -qec 'stty cols 80; kubectl oxen {command} -A' /dev/null >plain\n\
             TERM=dumb script -qec 'stty cols 80; kubectl oxen {command} -A' /dev/null >dumb"
        );
        let output = bash(&cluster, &script).await.ok().unwrap();
        let code = output.stdout.lines().last();
        assert_eq!(code, Some("0"), "{command}: {output:?}");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let words = read("words");
        assert!(
            !words.contains("panicked") && !words.contains("error"),
            "{command}: {words}"
        );
        // JSON has no time that passes here, and nothing else depends on one either.
        let without_ages = |text: String| {
            let rows = text.lines().map(|line| {
                line.split_whitespace()
                    .take(5)
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            rows.collect::<Vec<_>>()
        };
        let all = without_ages(read("all"));
        assert_eq!(all, without_ages(read("narrow")), "{command}");
        assert!(command == "cost" || all.len() > 500, "{command}: {all:?}");
        for name in ["all", "plain", "dumb"] {
            assert!(!read(name).contains('\x1b'), "{command}, {name}");
        }
    }
}

#[tokio::test]
async fn no_text_upsets_a_terminal_of_any_width() {
    let nasty = "日本語 e\u{301} \u{1f402} \u{1b}[2J\r\u{202e} and a sentence that goes on and on";
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let refusal = Fault::status(409).body(json!({"error": nasty}));
    world.hub.inject(refusal.on(Endpoint::Activate));
    let _operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    let annotation = json!({"metadata": {"annotations": {"oxen.ai/override": nasty}}});
    world.patch("bot", annotation).await;
    world.until_reason("bot", "Rejected").await;
    let told = |object: &oxen_operator::api::OxenModel| {
        testkit::world::status(object).refused_override.is_some()
    };
    world
        .until("bot", "told of the refused override", told)
        .await;
    for command in [
        "status",
        "status bot",
        "cost",
        "schedule",
        "schedule bot",
        "status -o wide",
        "status bot -o wide",
    ] {
        for columns in [80, 60, 20] {
            let script = format!(
                "TERM=dumb script -qec 'stty cols {columns}; kubectl oxen {command} -n {}' /dev/null",
                world.namespace
            );
            let output = bash(world.cluster, &script).await.ok().unwrap();
            for line in output.stdout.replace("\r\n", "\n").lines() {
                let safe = line.chars().all(|c| !c.is_control() && c != '\u{202e}');
                assert!(safe, "{command}, {columns}: {line:?}");
                // -o wide is whole on any terminal.
                let wide = command.ends_with("wide");
                assert!(
                    wide || line.width() <= columns,
                    "{command}, {columns}: {line:?}"
                );
            }
            assert!(!output.stdout.contains("panicked"), "{}", output.stdout);
        }
    }
    let script = format!("kubectl oxen status bot -n {}", world.namespace);
    let whole = bash(world.cluster, &script).await.ok().unwrap();
    assert!(
        whole
            .stdout
            .contains("日本語 e\u{301} \u{1f402} [2J and a sentence"),
        "{}",
        whole.stdout
    );
}
