//! Tests of the scripts for Argo CD, with the Lua libraries that Argo CD provides and with test
//! files in the format of Argo CD.

use mlua::{Lua, LuaOptions, LuaSerdeExt, StdLib, serde::SerializeOptions};
use serde_json::{Value, json};

use crate::tool::{path, read};

const SCRIPTS: &str = "gitops/argocd/oxen.ai/OxenModel";

/// Runs a script on an object and returns its result.
pub fn run(script: &str, object: &Value) -> Value {
    // Argo CD provides neither `string` nor `math`, and only the clock of `os` if it is required.
    let libraries = StdLib::TABLE | StdLib::PACKAGE | StdLib::OS;
    let lua = Lua::new_with(libraries, LuaOptions::default()).unwrap();
    let closed = "package.loaded.os = {date = os.date, time = os.time}; os, io = nil, nil";
    lua.load(closed).exec().unwrap();
    for gone in ["string", "math", "os", "io", "debug"] {
        assert!(
            lua.globals().get::<mlua::Value>(gone).unwrap().is_nil(),
            "{gone}"
        );
    }
    let nulls = SerializeOptions::new()
        .serialize_none_to_null(false)
        .serialize_unit_to_null(false);
    let obj = lua.to_value_with(object, nulls).unwrap();
    lua.globals().set("obj", obj).unwrap();
    let script = read(&format!("{SCRIPTS}/{script}"));
    let answer: mlua::Value = lua.load(script).eval().unwrap();
    lua.from_value(answer).unwrap()
}

pub fn health(object: &Value) -> Value {
    run("health.lua", object)
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&read(&format!("{SCRIPTS}/{name}"))).unwrap()
}

fn list<'a>(of: &'a Value, name: &str) -> &'a Vec<Value> {
    let list = of[name].as_array().unwrap();
    assert!(!list.is_empty(), "{name}");
    list
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn each_object_has_the_expected_health() {
    for test in list(&yaml("health_test.yaml"), "tests") {
        let input = text(&test["inputPath"]);
        assert_eq!(health(&yaml(input)), test["healthStatus"], "{input}");
    }
}

#[test]
fn each_object_has_the_expected_actions() {
    for test in list(&yaml("actions/action_test.yaml"), "discoveryTests") {
        let input = text(&test["inputPath"]);
        let offered = run("actions/discovery.lua", &yaml(&format!("actions/{input}")));
        let wanted: serde_json::Map<String, Value> = list(test, "result")
            .iter()
            .map(|one| {
                let disabled = json!({"disabled": one["disabled"]});
                (text(&one["name"]).to_owned(), disabled)
            })
            .collect();
        assert_eq!(offered, Value::Object(wanted), "{input}");
    }
}

#[test]
fn each_action_makes_the_expected_change_and_no_other() {
    const ANNOTATIONS: &str = "/metadata/annotations";
    const YEAR_ONE: &str = "0001-01-01T00:00:00Z";
    // The annotation that an action sets to a time, what precedes the time, and how far away it is.
    let times = [
        ("reconcile", "oxen.ai/reconcile-requested-at", "", 0),
        ("on-2h", "oxen.ai/override", "active until ", 7200),
        ("off-2h", "oxen.ai/override", "inactive until ", 7200),
    ];
    for test in list(&yaml("actions/action_test.yaml"), "actionTests") {
        let (action, input) = (text(&test["action"]), text(&test["inputPath"]));
        let object = yaml(&format!("actions/{input}"));
        let mut after = run(&format!("actions/{action}/action.lua"), &object);
        for (_, annotation, words, away) in times.iter().filter(|(name, ..)| *name == action) {
            let value = &mut after.pointer_mut(ANNOTATIONS).unwrap()[*annotation];
            let when = text(value).strip_prefix(words).unwrap();
            let when: jiff::Timestamp = when.parse().unwrap();
            let from_now = when.as_second() - jiff::Timestamp::now().as_second();
            assert!((from_now - away).abs() < 60, "{value}");
            *value = format!("{words}{YEAR_ONE}").into();
        }
        let wanted = yaml(&format!("actions/{}", text(&test["expectedOutputPath"])));
        assert_eq!(after, wanted, "{action} on {input}");
    }
}

#[test]
fn the_config_map_contains_the_tested_scripts() {
    let generated = std::process::Command::new(path("gitops/argocd/generate.sh"))
        .output()
        .unwrap();
    let fresh = String::from_utf8(generated.stdout).unwrap();
    let stored = read("gitops/argocd/argocd-cm.yaml");
    assert_eq!(
        stored, fresh,
        "run gitops/argocd/generate.sh >gitops/argocd/argocd-cm.yaml"
    );
    let map: Value = serde_yaml::from_str(&stored).unwrap();
    let data = |name: &str| {
        text(&map["data"][format!("resource.customizations.{name}.oxen.ai_OxenModel")]).to_owned()
    };
    let script = |name: &str| read(&format!("{SCRIPTS}/{name}"));
    assert_eq!(data("health"), script("health.lua"));
    let actions: Value = serde_yaml::from_str(&data("actions")).unwrap();
    assert_eq!(
        text(&actions["discovery.lua"]),
        script("actions/discovery.lua")
    );
    let definitions = list(&actions, "definitions");
    assert_eq!(definitions.len(), 6);
    for definition in definitions {
        let name = text(&definition["name"]);
        assert_eq!(
            text(&definition["action.lua"]),
            script(&format!("actions/{name}/action.lua"))
        );
    }
}
