//! Values that teams bring. Each of them renders, lints and is accepted by the API server.

use serde_json::{Value, json};

use crate::{tool::read, values::empty_maps};

/// The names of the samples whose pods don't meet the restricted Pod Security Standard.
pub const UNRESTRICTED: [&str; 2] = ["a pod spec without the security context", "every map null"];

/// Values, and what they are.
pub fn samples() -> Vec<(&'static str, Value)> {
    let [outer, inner] = empty_maps();
    vec![
        ("the defaults", json!({})),
        (UNRESTRICTED[1], outer),
        ("every map within a map null", inner),
        ("a list of namespaces", json!({"namespaces": ["a", "b"]})),
        ("two replicas", json!({"replicas": 2})),
        (
            "empty durations",
            json!({"syncInterval": "", "progressDeadline": "", "hub": {"requestTimeout": ""}}),
        ),
        (
            "a digest",
            json!({"image": {"digest": format!("sha256:{}", "0".repeat(64))}}),
        ),
        (
            "an operator key",
            json!({"operatorKey": {"existingSecret": {"name": "key"}, "namespaces": ["a"]}}),
        ),
        (
            "no leader election",
            json!({"leaderElection": {"enabled": false}}),
        ),
        ("labels and annotations", labels()),
        ("pull Secrets of a parent chart", pull_secrets()),
        ("a pod spec", json!({"podSpec": pod_spec()})),
        ("the example of docs/install.md", example()),
        (
            UNRESTRICTED[0],
            json!({
                "podSpec": {
                    "securityContext": null,
                    "containers": [{"name": "operator", "securityContext": null}],
                },
            }),
        ),
        ("a Deployment", json!({"deployment": deployment()})),
        (
            "a dual-stack Service",
            json!({"metrics": {"service": {
                "ipFamilyPolicy": "RequireDualStack",
                "ipFamilies": ["IPv4", "IPv6"],
            }}}),
        ),
        (
            "an existing ServiceAccount, and neither test nor roles",
            json!({
                "serviceAccount": {"create": false, "name": "existing"},
                "test": {"enabled": false},
                "rbac": {"create": false},
                "crds": {"enabled": false},
            }),
        ),
        (
            "names that YAML reads as numbers",
            json!({"nameOverride": "1e5", "serviceAccount": {"name": "1234"}}),
        ),
        ("a closed network", closed_network()),
        ("all features", all_features()),
    ]
}

fn labels() -> Value {
    json!({
        "commonLabels": {"team": "ml", "removed": null},
        "podLabels": {"cost-center": "7"},
        "podAnnotations": {"sidecar.istio.io/inject": "false"},
        "serviceAccount": {
            "labels": {"azure.workload.identity/use": "true"},
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"},
        },
    })
}

fn pull_secrets() -> Value {
    json!({
        "global": {"imagePullSecrets": [{"name": "own"}, "global"], "of-another-chart": true},
        "imagePullSecrets": [{"name": "own"}],
    })
}

fn example() -> Value {
    let page = read("docs/install.md");
    let (_, block) = page.split_once("\n```yaml\npodSpec:\n").unwrap();
    let (block, _) = block.split_once("\n```").unwrap();
    serde_yaml::from_str(&format!("podSpec:\n{block}")).unwrap()
}

fn pod_spec() -> Value {
    json!({
        "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["hub.internal"]}],
        "runtimeClassName": "sandboxed",
        "priorityClassName": "system-cluster-critical",
        "terminationGracePeriodSeconds": 60,
        "nodeSelector": {"pool": "operators"},
        "tolerations": [{"key": "operators", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}},
        ]}},
        "topologySpreadConstraints": [
            {
                "topologyKey": "zone",
                "maxSkew": 1,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "oxen-operator"}},
            },
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "containers": [
            {
                "name": "operator",
                "livenessProbe": {"failureThreshold": 3},
                "readinessProbe": null,
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},
                    {"name": "tmp", "mountPath": "/var/tmp", "subPath": "var"},
                ],
            },
            {"name": "sidecar", "image": "sidecar", "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
            }},
        ],
    })
}

fn deployment() -> Value {
    json!({
        "metadata": {"annotations": {"reloader.stakater.com/auto": "true"}},
        "spec": {
            "revisionHistoryLimit": 3,
            "strategy": {"type": "Recreate", "rollingUpdate": null},
            "template": {"metadata": {"annotations": {"checksum": "1"}}},
        },
    })
}

/// One address for each peer of the NetworkPolicy.
pub fn closed_network() -> Value {
    let peers = |address: &str| json!([{"ipBlock": {"cidr": address}}]);
    json!({"networkPolicy": {
        "enabled": true,
        "metrics": {"from": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]},
        "dns": {"to": peers("10.0.0.10/32")},
        "apiServer": {"to": peers("10.0.0.1/32")},
        "hub": {"to": peers("2001:db8::/64")},
        "extraEgress": [{"to": peers("10.1.0.0/16"), "ports": [{"port": 1, "endPort": 9}]}],
    }})
}

pub fn all_features() -> Value {
    json!({
        "replicas": 2,
        "observeOnly": true,
        "hub": {"proxy": "http://proxy:3128", "ca": {"configMapName": "ca"}},
        "log": {"level": "info,oxen_operator::hub=debug,kube=off"},
        "serviceMonitor": {
            "enabled": true,
            "namespace": "monitoring",
            "relabelings": [{"action": "labeldrop", "regex": "pod"}],
        },
        "prometheusRule": {"enabled": true},
        "dashboard": {"enabled": true},
        "networkPolicy": {"enabled": true},
        "extraEnv": [{"name": "SSL_CERT_DIR", "value": "/certs"}],
        "extraVolumes": [{"name": "certs", "configMap": {"name": "certs"}}],
        "extraVolumeMounts": [{"name": "certs", "mountPath": "/certs", "readOnly": true}],
    })
}
