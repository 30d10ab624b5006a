//! The network of the pods: the NetworkPolicy and the address that the operator listens on.

use serde_json::{Value, json};

use crate::{
    chart::{assert_refused, helm, of_kind, rendered},
    samples::closed_network,
};

/// The ports of the NetworkPolicy's egress rules without addresses.
async fn open_ports(values: &Value) -> Vec<u64> {
    let all = rendered(values).await;
    let rules = &of_kind(&all, "NetworkPolicy")[0]["spec"]["egress"];
    let open = rules.as_array().unwrap().iter();
    let ports = open
        .filter(|rule| rule.get("to").is_none())
        .flat_map(|rule| rule["ports"].as_array().unwrap().iter());
    let mut ports: Vec<u64> = ports.map(|port| port["port"].as_u64().unwrap()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// What the notes say about ports that are open to every address.
async fn noted(values: &Value) -> Option<String> {
    let install = ["install", "oxen-operator", "--dry-run=client"];
    let text = helm(&install, values).await.ok().unwrap().stdout;
    let (_, ports) = text.split_once("to every address on these ports: ")?;
    Some(ports.lines().next().unwrap().to_owned())
}

fn peers() -> Value {
    json!([{"ipBlock": {"cidr": "10.0.0.0/8"}}])
}

#[tokio::test]
async fn peers_that_restrict_nothing_are_refused() {
    let policy = |rules: Value| {
        let mut policy = json!({"networkPolicy": {"enabled": true}});
        for (name, rule) in rules.as_object().unwrap() {
            policy["networkPolicy"][name] = rule.clone();
        }
        policy
    };
    for (rules, says) in [
        (
            json!({"hub": {"to": peers()}}),
            "networkPolicy.hub.to restricts nothing",
        ),
        (
            json!({"hub": {"to": peers(), "ports": [6443, 443]}}),
            "networkPolicy.hub.to restricts nothing",
        ),
        (
            json!({"apiServer": {"to": peers(), "ports": [443]}}),
            "networkPolicy.apiServer.to restricts nothing",
        ),
        (
            json!({"apiServer": {"to": peers()}, "hub": {"to": peers()}, "extraEgress": [{}]}),
            "networkPolicy.hub.to restricts nothing",
        ),
        (
            json!({"apiServer": {"to": peers()}, "hub": {"to": peers()}, "extraEgress": [
                {"to": [], "ports": [{"port": 400, "endPort": 500, "protocol": "TCP"}]},
            ]}),
            "networkPolicy.hub.to restricts nothing",
        ),
        (
            json!({"apiServer": {"to": peers()}, "hub": {"to": peers(), "ports": [3128]},
                "extraEgress": [{"ports": [{"port": 443}]}, {"ports": [{"port": 6443}]}]}),
            "networkPolicy.apiServer.to restricts nothing",
        ),
    ] {
        assert_refused(&policy(rules), says).await;
    }
    for (rules, open, note) in [
        (
            json!({}),
            vec![53, 443, 5353, 6443],
            Some("53, 5353, 443, 6443."),
        ),
        (
            json!({"hub": {"to": peers(), "ports": [3128]}}),
            vec![53, 443, 5353, 6443],
            Some("53, 5353, 443, 6443."),
        ),
        (
            json!({"apiServer": {"to": peers()}}),
            vec![53, 443, 5353],
            Some("53, 5353, 443."),
        ),
        (
            json!({"apiServer": {"to": peers()}, "hub": {"to": peers()}, "dns": {"to": peers()}}),
            vec![],
            None,
        ),
    ] {
        let values = policy(rules);
        assert_eq!(open_ports(&values).await, open, "{values}");
        assert_eq!(noted(&values).await.as_deref(), note, "{values}");
    }
    for (rule, note) in [
        (json!({"ports": [{"port": 25}]}), "25."),
        (
            json!({"ports": [{"port": 7000, "endPort": 7009}]}),
            "7000-7009.",
        ),
        (
            json!({"ports": [{"port": 443, "protocol": "UDP"}]}),
            "443/UDP.",
        ),
        (json!({"ports": [{"port": "smtp"}]}), "smtp."),
    ] {
        let mut values = closed_network();
        values["networkPolicy"]["extraEgress"] = json!([rule]);
        assert_eq!(noted(&values).await.as_deref(), Some(note), "{values}");
    }
    for (rule, all) in [
        (json!({}), ", all."),
        (json!({"ports": [{"protocol": "TCP"}]}), ", all/TCP."),
    ] {
        let values = json!({"networkPolicy": {"enabled": true, "extraEgress": [rule]}});
        let note = noted(&values).await.unwrap();
        assert!(note.ends_with(all), "{note}");
    }
    assert_eq!(open_ports(&closed_network()).await, [0; 0]);
    // Peers of a policy that is not created are no mistake.
    rendered(&json!({"networkPolicy": {"hub": {"to": peers()}}})).await;
    assert_eq!(noted(&json!({})).await, None);
}

#[tokio::test]
async fn the_operator_listens_on_every_address_of_both_families() {
    let all = rendered(&json!({})).await;
    let container = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    let environment = container["env"].as_array().unwrap().iter();
    let listen: Vec<&Value> = environment
        .filter(|variable| variable["name"] == "OXEN_LISTEN")
        .map(|variable| &variable["value"])
        .collect();
    assert_eq!(listen, ["[::]:8080"]);
}

#[tokio::test]
async fn a_service_has_the_families_that_it_is_given() {
    let families = json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]});
    let all = rendered(&json!({"metrics": {"service": families}})).await;
    let spec = &of_kind(&all, "Service")[0]["spec"];
    assert_eq!(spec["ipFamilyPolicy"], "PreferDualStack");
    assert_eq!(spec["ipFamilies"], json!(["IPv6", "IPv4"]));
    let all = rendered(&json!({})).await;
    let spec = of_kind(&all, "Service")[0]["spec"].as_object().unwrap();
    assert!(!spec.contains_key("ipFamilyPolicy") && !spec.contains_key("ipFamilies"));
}
