use std::ops::ControlFlow;

use super::{Server, answer, key};
use crate::{
    decide::HubFault,
    hub::{Client, Limits, Model},
};

async fn listing(body: String) -> (Server, Client) {
    let server = Server::start(move |_| answer(200, &body)).await;
    let client = server.client(Limits {
        max_body: 1000,
        max_list: 100_000,
        ..Limits::default()
    });
    (server, client)
}

fn ids(models: &[Model]) -> Vec<&str> {
    models.iter().map(|model| model.id.as_str()).collect()
}

#[tokio::test]
async fn an_odd_item_is_lost_alone_in_lists_and_searches() {
    let long = "x".repeat(1000);
    let odd = [
        "null",
        "7",
        "{}",
        r#"{"id":"odd","owned_by":null}"#,
        r#"{"id":"odd","owned_by":"acme","model_type":true}"#,
        r#"{"id":"very-secret","owned_by":"acme"}"#,
        r#"{"id":"odd","owned_by":"acme","x":tru}"#,
        &format!(r#"{{"id":"odd","owned_by":"acme","description":"{long}"}}"#),
        &format!(r#"{{"id":"{}","owned_by":"acme"}}"#, "m".repeat(513)),
    ];
    let items = [
        r#"{"id":"first","owned_by":"acme"}"#.to_owned(),
        odd.join(","),
        r#"{"id":"last","owned_by":"acme","created":"2025-06-19T00:00:00Z"}"#.to_owned(),
    ];
    let body = format!(
        "\u{feff}{{\"object\":\"list\",\"data\":[{}]}}",
        items.join(",")
    );
    let (_server, client) = listing(body).await;
    let listed = client.list(&key(), None, None).await.unwrap();
    assert_eq!(ids(&listed), ["first", "last"]);
    let found = client.search(&key(), "o").await.unwrap();
    assert_eq!(ids(&found), ["first", "last"]);
    let unreadable = client
        .list_each(&key(), None, None, |_| ControlFlow::Continue(()))
        .await;
    assert_eq!(unreadable, Ok(odd.len()));
}

#[tokio::test]
async fn a_list_may_be_longer_than_a_body_and_no_longer_than_its_own_limit() {
    let list = |models: usize| {
        let items = (0..models).map(|it| format!(r#"{{"id":"bot-{it}","owned_by":"acme"}}"#));
        format!(r#"{{"data":[{}]}}"#, items.collect::<Vec<_>>().join(","))
    };
    let (_server, client) = listing(list(2000)).await;
    let listed = client.list(&key(), None, None).await.unwrap();
    assert_eq!(listed.len(), 2000);
    let mut seen = 0;
    let few = |_| {
        seen += 1;
        if seen < 3 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    assert_eq!(client.list_each(&key(), None, None, few).await, Ok(0));
    assert_eq!(seen, 3);
    let (_server, client) = listing(list(4000)).await;
    let too_large = Err(HubFault::Unexpected("the body is too large".into()));
    assert_eq!(client.list(&key(), None, None).await, too_large);
}

#[tokio::test]
async fn what_is_not_a_list_is_a_fault() {
    for (body, words) in [
        ("<html>", "not JSON"),
        (r#"{"status":"error"}"#, "the field data is missing"),
        (r#"{"data":{}}"#, "the field data is of the wrong type"),
        (
            r#"{"data":[{"id":"bot""#,
            "incomplete JSON at the field data",
        ),
        (
            r#"{"data":[],"very-secret":tru}"#,
            "not JSON at the field [the API key]",
        ),
    ] {
        let (_server, client) = listing(body.to_owned()).await;
        let fault = client.list(&key(), None, None).await.unwrap_err();
        assert_eq!(fault, HubFault::Unexpected(words.into()), "{body}");
    }
    let server = Server::start(|_| answer(403, r#"{"error":"no very-secret"}"#)).await;
    let fault = server.client(Limits::default()).search(&key(), "b").await;
    let words = "no [the API key] (403)";
    assert_eq!(fault, Err(HubFault::Forbidden(words.into())));
}
