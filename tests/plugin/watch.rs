//! `status --watch`, on a terminal and anywhere else.

use futures::join;
use hub::{Hub, Model};
use serde_json::json;
use testkit::world::{World, eventually, with_crd};

use crate::{bash, terminal::Terminal};

#[tokio::test]
async fn a_window_is_never_left_and_a_lost_connection_is_taken_up_again() {
    let cluster = with_crd().await;
    let world = World::on(&cluster, Hub::builder()).await;
    let create = async |name: &str| {
        let spec = json!({"model": name, "state": "inactive"});
        world.create(name, spec).await;
    };
    for at in 0..30 {
        create(&format!("model-{at:02}")).await;
    }
    let terminal = Terminal::new();
    let command = format!("kubectl oxen status -w -n {}", world.namespace);
    let steps = async {
        terminal
            .until("full", |it| {
                it.line(9).starts_with("model-07") && it.line(10) == "22 more"
            })
            .await;
        assert!(terminal.screen().hidden && terminal.screen().alternate);
        create("aaa").await;
        terminal
            .until("changed", |it| {
                it.line(2).starts_with("aaa") && it.line(10) == "23 more"
            })
            .await;
        assert_eq!(terminal.screen().largest.1, 10);
        terminal.resize(&cluster, (60, 6)).await;
        terminal
            .until("smaller", |it| {
                it.line(6) == "27 more" && it.lines.len() == 6
            })
            .await;
        cluster.stop_apiserver().await.unwrap();
        terminal
            .until("told of the lost connection", |it| {
                it.line(6).starts_with("connection lost, retrying (")
            })
            .await;
        cluster.start_apiserver().await.unwrap();
        create("aab").await;
        terminal
            .until("current again", |it| {
                it.line(3).starts_with("aab") && it.line(6) == "28 more"
            })
            .await;
        terminal.interrupt();
    };
    let (output, ()) = join!(terminal.run(&cluster, (80, 10), &command), steps);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let screen = terminal.screen();
    assert!(!screen.hidden && !screen.alternate, "{screen:?}");
    assert!(
        screen.largest.0 <= 80 && screen.largest.1 <= 10,
        "{screen:?}"
    );
    // The last frame stays on the normal screen.
    let last: Vec<&str> = screen.normal.lines().map(str::trim_end).collect();
    assert_eq!(last.len(), 6, "{screen:?}");
    assert!(last[0].starts_with("NAME"), "{last:?}");
    assert!(last[1].starts_with("aaa"), "{last:?}");
    assert_eq!(last[5], "28 more");
}

#[tokio::test]
async fn ctrl_z_gives_the_terminal_back_and_typed_text_does_not_stay() {
    let world = World::new(Hub::builder()).await;
    let spec = json!({"model": "bot", "state": "inactive"});
    world.create("bot", spec).await;
    let terminal = Terminal::new();
    let command = format!("kubectl oxen status -w -n {}", world.namespace);
    let steps = async {
        let shown = |it: &crate::terminal::Screen| it.alternate && it.line(2).starts_with("bot");
        terminal.until("full", shown).await;
        terminal.press("typed");
        terminal
            .until("written to", |it| it.written.contains("typed"))
            .await;
        terminal
            .until("clean again", |it| shown(it) && !it.has("typed"))
            .await;
        terminal.press("\x1a");
        // What is written just before the stop is seen after it, because `script` stops, too.
        terminal.go_on(world.cluster).await;
        terminal
            .until("given back and taken again", |it| {
                it.opened == 2 && it.hidden && shown(it)
            })
            .await;
        terminal.interrupt();
    };
    let (output, ()) = join!(terminal.run(world.cluster, (80, 10), &command), steps);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let screen = terminal.screen();
    assert!(!screen.hidden && !screen.alternate, "{screen:?}");
}

#[tokio::test]
async fn one_object_is_followed_with_its_events() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let _operator = world.operator();
    let spec = json!({"model": "bot", "state": "inactive"});
    world.create("bot", spec).await;
    world.until_reason("bot", "Inactive").await;
    let terminal = Terminal::new();
    let command = format!("kubectl oxen status bot --watch -n {}", world.namespace);
    let steps = async {
        terminal
            .until("inactive", |it| {
                it.line(1).ends_with("/bot: Ready, Inactive")
            })
            .await;
        world.edit("bot", json!({"state": "active"})).await;
        terminal
            .until("active", |it| it.line(1).ends_with("/bot: Ready, Active"))
            .await;
        terminal
            .until("up to date", |it| {
                it.has("Activating") && it.has("Usage") && it.has("EVENT")
            })
            .await;
        world.delete("bot").await;
        terminal
            .until("gone", |it| it.line(1) == "bot is gone.")
            .await;
        terminal.interrupt();
    };
    let (output, ()) = join!(terminal.run(world.cluster, (80, 40), &command), steps);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}

#[tokio::test]
async fn anything_but_a_terminal_gets_a_row_for_each_change() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let _operator = world.operator();
    for name in ["bot", "zebra"] {
        let spec = json!({"model": name, "state": "inactive"});
        world.create(name, spec).await;
    }
    world.until_reason("bot", "Inactive").await;
    world.until_reason("zebra", "ModelNotFound").await;
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows");
    let pid = folder.path().join("pid");
    let script = format!(
        "kubectl oxen status -w -n {} >{} & pid=$!\necho $pid >{}\nwait $pid; echo $?",
        world.namespace,
        rows.display(),
        pid.display()
    );
    let printed = || std::fs::read_to_string(&rows).unwrap_or_default();
    let until = async |words: &str| {
        eventually(&format!("a row with {words}"), || async {
            printed().contains(words).then_some(())
        })
        .await;
    };
    let steps = async {
        until("ModelNotFound").await;
        world.edit("bot", json!({"state": "active"})).await;
        until(" Active ").await;
        world.delete("zebra").await;
        world.until_gone("zebra").await;
        let end = format!(
            "while kill -INT $(cat {}) 2>/dev/null; do sleep 0.05; done",
            pid.display()
        );
        // The deletion is told before the end.
        world.edit("bot", json!({"state": "inactive"})).await;
        until("bot   inactive  inactive").await;
        bash(world.cluster, &end).await.ok().unwrap();
    };
    let (output, ()) = join!(bash(world.cluster, &script), steps);
    assert_eq!(output.stdout, "130\n", "{output:?}");
    assert!(output.stderr.contains("/zebra is gone."), "{output:?}");
    let printed = printed();
    assert_eq!(printed.matches("NAME").count(), 1, "{printed}");
    assert!(!printed.contains('\x1b'), "{printed}");
    // The other object has not changed, so it has one row.
    assert_eq!(printed.matches("ModelNotFound").count(), 1, "{printed}");

    // A form that is no table is refused before anything is asked.
    let refused = crate::oxen(&world, "status -w -o json").await;
    let words = "error: --watch shows a table: leave --output out, or write -o wide";
    crate::fails(&refused, 1, words);
    let absent = crate::oxen(&world, "status -w bots").await;
    assert_eq!(absent.status.code(), Some(1));
    assert!(absent.stderr.contains("Did you mean bot?"), "{absent:?}");
}
