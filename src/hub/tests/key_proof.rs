use super::{Answer, Server, answer, key};
use crate::hub::{LimitedClient, Limits, Priority, RateLimits};

/// Whether the key is proven to be that of `acme`, against a hub that answers a list with the key
/// with this body, and one without the key like this. Also returns the number of requests.
async fn is_proven(list: &'static str, without_key: fn() -> Answer) -> (bool, usize) {
    let server = Server::start(move |request| {
        if request.has_key() {
            answer(200, list)
        } else {
            without_key()
        }
    })
    .await;
    let client = LimitedClient::new(server.client(Limits::default()), RateLimits::default());
    let key = key();
    let permit = client.permit(&key, Priority::Urgent).await.unwrap();
    let proven = permit.is_key_of("acme").await.unwrap();
    (proven, server.seen().len())
}

const OWN: &str = r#"{"data":[7,{"id":"a","owned_by":"oxen","model_type":"base"},
    {"id":"b","owned_by":"acme","model_type":"custom"}]}"#;
const OTHERS: &str = r#"{"data":[{"id":"a","owned_by":"acme","model_type":"base"},
    {"id":"b","owned_by":"other","model_type":"custom"},{"id":"c","owned_by":"acme"}]}"#;

#[tokio::test]
async fn a_key_is_proven_by_a_custom_model_of_its_owner() {
    let open = || answer(200, OTHERS);
    assert_eq!(is_proven(OWN, open).await, (true, 1));
    assert_eq!(is_proven(OTHERS, open).await, (false, 2));
}

#[tokio::test]
async fn a_key_is_proven_where_the_hub_refuses_the_list_without_one() {
    assert_eq!(is_proven(OTHERS, || answer(401, "{}")).await, (true, 2));
    for in_between in [
        || answer(403, "<html>denied</html>"),
        || answer(407, ""),
        || answer(500, ""),
        || answer(429, ""),
    ] {
        assert_eq!(is_proven(OTHERS, in_between).await, (false, 2));
    }
}

#[tokio::test]
async fn similar_names_are_few_and_fit_to_be_shown() {
    let long = "m".repeat(500);
    let body = format!(
        r#"{{"data":[{{"id":"{long}","owned_by":"a"}},{{"id":"a\tb\u001b","owned_by":"a"}},
            {{"id":"{}","owned_by":"a"}},{{"id":"c","owned_by":"a"}},{{"id":"d","owned_by":"a"}}]}}"#,
        "m".repeat(300_000)
    );
    let server = Server::start(move |_| answer(200, &body)).await;
    let client = LimitedClient::new(server.client(Limits::default()), RateLimits::default());
    let key = key();
    let permit = client.permit(&key, Priority::Urgent).await.unwrap();
    let names = permit.search("m", 3).await.unwrap();
    assert_eq!(names[1..], ["a b", "c"]);
    assert!(names[0].len() < 250, "{names:?}");
}
