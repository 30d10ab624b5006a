//! Answers of the API server as sentences.

use super::*;

fn sentence(code: u16, message: &str, name: &str) -> String {
    let status = Status {
        code,
        message: message.into(),
        details: serde_json::from_value(serde_json::json!({ "name": name })).unwrap(),
        ..Status::default()
    };
    let place = Place {
        context: Some("kind-dev".into()),
        server: "https://127.0.0.1:6443".into(),
        user: "dev".into(),
        ..Place::default()
    };
    let asked = Asked {
        verb: "patch",
        what: "OxenModels",
        namespace: Some("team-a"),
        name: Some("bot"),
    };
    match explain(&Error::Api(Box::new(status)), &place, asked).into() {
        Failure::Because(sentence) => sentence,
        Failure::ReaderGone => panic!(),
    }
}

#[test]
fn every_answer_is_a_sentence_with_a_remedy() {
    for (code, message, name, expected) in [
        (
            403,
            "oxenmodels.oxen.ai \"bot\" is forbidden: User \"jane\" cannot patch",
            "bot",
            "user jane may not patch OxenModels in team-a. Ask for the verbs get and patch on \
             oxenmodels.oxen.ai there.",
        ),
        (
            404,
            "not found",
            "bot",
            "there is no OxenModel \"bot\" in namespace team-a.",
        ),
        (
            404,
            "404 page not found",
            "",
            "OxenModels are not installed in this cluster (context kind-dev). Install the \
             operator, or choose another context.",
        ),
        (
            401,
            "Unauthorized",
            "",
            "the API server https://127.0.0.1:6443 (context kind-dev) does not accept the \
             credentials of user \"dev\". Log in again, or choose another context.",
        ),
        (
            422,
            "spec.schedule: bad\x1b[2J.",
            "bot",
            "the API server refuses: spec.schedule: bad [2J.",
        ),
    ] {
        assert_eq!(sentence(code, message, name), expected);
    }
}
