//! When the models are active.

use hub::{Hub, Model};
use serde_json::{Value, json};
use testkit::world::World;

use crate::{bash, oxen};

async fn scheduled() -> World {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let spec = json!({"model": "bot", "state": "scheduled", "schedule":
        {"timeZone": "Europe/Berlin", "active": ["Mon-Fri 08:00-18:00"], "except": ["2036-11-26"]}});
    world.create("bot", spec).await;
    world
        .create("off", json!({"model": "off", "state": "inactive"}))
        .await;
    world
}

#[tokio::test]
async fn the_days_that_are_asked_for_are_drawn_in_the_zone_of_the_schedule() {
    let world = scheduled().await;
    let script = format!(
        "TZ=America/New_York kubectl oxen schedule oxm/bot -n {} --from 2036-11-24 --days 4",
        world.namespace
    );
    let shown = bash(world.cluster, &script).await.ok().unwrap();
    for line in [
        "             0           6           12          18          24",
        "Mon 24 Nov   ................####################............  08:00-18:00",
        "Wed 26 Nov   ................................................",
        "Thu 27 Nov   ................####################............  08:00-18:00",
    ] {
        assert!(
            shown.stdout.lines().any(|it| it == line),
            "{line}: {}",
            shown.stdout
        );
    }
    for words in [
        ": Mon-Fri 08:00-18:00 Europe/Berlin, except 2036-11-26",
        "active    Mon 24 Nov 2036 08:00 +01:00  Mon 24 Nov 2036 02:00  ",
        "window begins",
    ] {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
    for words in [
        "2 more changes in these days: -o wide shows all.",
        "4 days from Mon 24 Nov: 30h of 96h (31%).",
    ] {
        assert!(shown.stderr.contains(words), "{words}: {}", shown.stderr);
    }
    let script = format!(
        "TZ=Europe/Berlin kubectl oxen schedule -n {} --from 2036-11-24 --days 4",
        world.namespace
    );
    let rows = bash(world.cluster, &script).await.ok().unwrap();
    let lines: Vec<&str> = rows.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "NAME  Mon     Tue     Wed     Thu       HOURS",
            "bot   ..+###....+###............+###..     30",
            "off   ................................      0",
        ]
    );
    let json = oxen(&world, "schedule -o json --from 2036-11-24")
        .await
        .ok()
        .unwrap();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let change = &json["items"][0]["changes"][0];
    assert_eq!(change["at"], "2036-11-24T07:00:00Z", "{json}");
    assert_eq!(change["to"], "active");
    for (arguments, words) in [
        ("--from monday", "write a date such as 2026-11-25"),
        ("--from 2036-11-24T08:00", "write a date such as 2026-11-25"),
        ("--days 0", "0 is not in 1..=366"),
    ] {
        let refused = oxen(&world, &format!("schedule {arguments}")).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn an_override_is_drawn_once_the_operator_has_accepted_it() {
    let world = scheduled().await;
    // Nothing has accepted this one.
    oxen(&world, "on bot --for 30h").await.ok().unwrap();
    let before = oxen(&world, "schedule bot").await.ok().unwrap();
    assert!(!before.stdout.contains('!'), "{}", before.stdout);
    let _operator = world.operator();
    world.until_live("bot", "active").await;
    let after = oxen(&world, "schedule bot").await.ok().unwrap();
    for words in [
        "Active now by an override, until",
        "! active by override",
        "!!!!",
    ] {
        assert!(after.stdout.contains(words), "{words}: {}", after.stdout);
    }
    let all = oxen(&world, "schedule").await.ok().unwrap();
    assert!(all.stdout.contains("!!"), "{}", all.stdout);
    assert!(
        all.stderr.contains("! active by override"),
        "{}",
        all.stderr
    );
}
