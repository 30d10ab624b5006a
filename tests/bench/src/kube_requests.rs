//! The requests that the API server answered, from its own metrics.

use std::ops::Sub;

use http::Request;
use kube::Client;

use crate::Result;

/// The writes that the API server has answered since its start, whatever the answer was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KubeRequests {
    /// Changes of an OxenModel's status.
    pub(crate) status_writes: u64,
    /// Changes of an OxenModel itself. While nobody else edits objects, they change finalizers.
    pub(crate) object_writes: u64,
    /// Requests about events.
    pub(crate) events: u64,
}

/// Whether the controller has listed the objects since the start of the API server, and watches
/// them.
pub(crate) async fn is_listed(client: &Client) -> Result<bool> {
    let metrics = read(client).await?;
    let of_objects = |line: &&str| line.contains(r#"resource="oxenmodels""#);
    let with = |name: &str, verb: &str| {
        let verb = format!(r#"verb="{verb}""#);
        let lines = metrics.lines().filter(of_objects);
        let mut counts = lines
            .filter(|line| line.starts_with(name) && line.contains(&verb))
            .filter_map(|line| line.rsplit_once(' '));
        counts.any(|(_, count)| count != "0")
    };
    let listed = with("apiserver_request_total{", "LIST");
    Ok(listed && with("apiserver_longrunning_requests{", "WATCH"))
}

async fn read(client: &Client) -> Result<String> {
    let request = Request::get("/metrics").body(Vec::new())?;
    Ok(client.request_text(request).await?)
}

impl KubeRequests {
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        Ok(Self::parse(&read(client).await?))
    }

    fn parse(metrics: &str) -> Self {
        let mut sum = Self::default();
        let lines = metrics.lines();
        for line in lines.filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
            let Some((labels, count)) = line.rsplit_once("} ") else {
                continue;
            };
            let count = count.parse::<f64>().unwrap_or_default() as u64;
            let has = |name: &str, value: &str| labels.contains(&format!(r#"{name}="{value}""#));
            let changes = ["PATCH", "PUT", "APPLY"];
            if has("resource", "events") {
                sum.events += count;
            } else if has("resource", "oxenmodels") && changes.iter().any(|one| has("verb", one)) {
                match has("subresource", "status") {
                    true => sum.status_writes += count,
                    false => sum.object_writes += count,
                }
            }
        }
        sum
    }
}

impl Sub for KubeRequests {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            status_writes: self.status_writes - earlier.status_writes,
            object_writes: self.object_writes - earlier.object_writes,
            events: self.events - earlier.events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_counted_by_resource_and_subresource() {
        let line = |resource: &str, subresource: &str, verb: &str, count: u64| {
            format!(
                r#"apiserver_request_total{{code="200",component="apiserver",dry_run="",group="oxen.ai",resource="{resource}",scope="resource",subresource="{subresource}",verb="{verb}",version="v1alpha1"}} {count}"#
            )
        };
        let text = [
            line("oxenmodels", "status", "PATCH", 7),
            line("oxenmodels", "status", "APPLY", 1),
            line("oxenmodels", "", "PATCH", 3),
            line("oxenmodels", "", "POST", 500),
            line("oxenmodels", "", "LIST", 5),
            line("events", "", "POST", 4),
            line("secrets", "", "PATCH", 9),
        ];
        let expected = KubeRequests {
            status_writes: 8,
            object_writes: 3,
            events: 4,
        };
        assert_eq!(KubeRequests::parse(&text.join("\n")), expected);
    }
}
