//! Manifests are the same each time, valid, and hold only what was observed.

use oxen_operator::{
    api::{ModelStatus, OxenModel},
    decide::OtherDeployments,
};

use super::*;

fn adopted(owner: &str, id: &str) -> Adopted {
    Adopted {
        owner: owner.into(),
        id: id.into(),
        asked: id.into(),
        state: State::Inactive,
        secret: None,
    }
}

fn made(models: &[Adopted], taken: &[&str]) -> Vec<String> {
    let taken = Taken::Known(taken.iter().map(ToString::to_string).collect());
    names(&models.iter().collect::<Vec<_>>(), &taken)
}

#[test]
fn a_name_is_made_of_the_id_and_of_a_hash_where_two_would_be_the_same() {
    for (id, name) in [
        ("support-bot-v2", "support-bot-v2"),
        ("Support_Bot/ä", "support-bot"),
        ("oxen:llama.3", "oxen-llama-3"),
        ("true", "true"),
        ("007", "007"),
        ("-a--b-", "a-b"),
    ] {
        assert_eq!(made(&[adopted("acme", id)], &[]), [name]);
    }
    let (one, two) = (adopted("acme", "bot"), adopted("acme", "Bot"));
    let forth = made(&[one.clone(), two.clone()], &[]);
    let back = made(&[two.clone(), one.clone()], &[]);
    assert_eq!(forth, [back[1].clone(), back[0].clone()]);
    assert_ne!(forth[0], forth[1]);
    assert_eq!(
        made(std::slice::from_ref(&one), &["bot"]),
        [forth[0].clone()]
    );
    assert_eq!(forth[0], "bot-7c94af23");
    // A hash is in every name where any may be taken.
    assert_eq!(names(&[&one], &Taken::Unknown), [forth[0].clone()]);
}

#[test]
fn every_name_is_valid_and_unique() {
    let long = "x".repeat(300);
    let hashed = made(&[adopted("acme", "bot"), adopted("acme", "Bot")], &[]);
    let ids = [
        "bot",
        "Bot",
        hashed[0].as_str(),
        "模型",
        "型",
        &long,
        "",
        "a_b",
        "a-b",
    ];
    let models: Vec<Adopted> = ids.iter().map(|id| adopted("acme", id)).collect();
    let names = made(&models, &[]);
    let unique: BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{names:?}");
    for name in &names {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(
            name.len() <= LONGEST_NAME && name.chars().all(valid),
            "{name}"
        );
        assert!(!name.starts_with('-') && !name.ends_with('-') && !name.is_empty());
    }
}

#[test]
fn a_manifest_is_the_same_whatever_the_order_and_holds_what_was_observed() {
    let secret = SecretKeyRef {
        name: "team-key".into(),
        key: Some("token".into()),
    };
    let models = [
        Adopted {
            state: State::Active,
            asked: "other/\"bot\\\u{9b}\u{202e}\n---\r\u{2028}\u{fffe}\u{ffff}".into(),
            ..adopted("other", "bot")
        },
        Adopted {
            secret: Some(secret.clone()),
            ..adopted("acme", "123")
        },
    ];
    let common = Common {
        namespace: Some("1e3"),
        act: false,
    };
    let none = Taken::Known(BTreeSet::new());
    let text = yaml(&unique(&models), &none, &common);
    let [one, two] = models.clone();
    let longer = Adopted {
        asked: "acme/123".into(),
        ..two.clone()
    };
    let twice = [longer, two.clone(), one, two];
    assert_eq!(text, yaml(&unique(&twice), &none, &common));
    assert!(clean::is_safe(&text), "{text:?}");
    let documents = serde_yaml::Deserializer::from_str(&text);
    let read: Vec<OxenModel> = documents
        .map(|one| serde::Deserialize::deserialize(one).unwrap())
        .collect();
    assert_eq!(read.len(), 2);
    let [first, second] = read.as_slice() else {
        panic!("{text}");
    };
    assert_eq!(first.metadata.name.as_deref(), Some("123"));
    assert_eq!(first.metadata.namespace.as_deref(), Some("1e3"));
    assert_eq!(first.spec.state.to_string(), "inactive");
    assert_eq!(first.spec.suspend, Some(true));
    assert_eq!(first.spec.api_key_secret_ref.as_ref(), Some(&secret));
    assert_eq!(second.spec.api_key_secret_ref, None);
    assert_eq!(second.spec.model, models[0].asked);
    assert_eq!(second.spec.state.to_string(), "active");
    let act = Common {
        namespace: None,
        act: true,
    };
    assert_eq!(
        yaml(&[&adopted("acme", "123")], &none, &act),
        "---\napiVersion: oxen.ai/v1alpha1\nkind: OxenModel\nmetadata:\n  name: \"123\"\nspec:\n  \
         model: \"123\"\n  state: inactive\n"
    );
}

#[test]
fn what_no_object_can_declare_is_refused() {
    let remote = |live| Remote {
        base: false,
        live,
        others: Vec::new(),
        notes: Vec::new(),
        model: ModelStatus {
            id: "bot".into(),
            owner: "acme".into(),
            display_name: None,
            type_: None,
            endpoint: None,
            source_model: None,
            url: None,
        },
        pricing: None,
    };
    for asked in [
        "Support Bot",
        "a\n---\nkind: Secret",
        "a\u{200b}",
        "a\u{fffe}",
        "a\u{ffff}",
        "search",
        "a?b",
        "",
    ] {
        let refused = Adopted::new(&remote(LiveStatus::Active), asked, None).unwrap_err();
        assert!(refused.starts_with("spec.model: "), "{asked:?}: {refused}");
    }
    for live in LiveStatus::ALL {
        let adopted = Adopted::new(&remote(*live), "bot", None);
        let on = matches!(live, LiveStatus::Active | LiveStatus::Deploying);
        match adopted {
            Ok(adopted) => assert_eq!(adopted.state == State::Active, on, "{live}"),
            Err(_) => assert_eq!(*live, LiveStatus::Unknown),
        }
    }
    let mut deactivating = remote(LiveStatus::Deactivating);
    for (live, refused) in [(LiveStatus::Inactive, false), (LiveStatus::Active, true)] {
        let counted = format!("1 {live}");
        deactivating.others = vec![OtherDeployments { live, counted }];
        assert_eq!(Adopted::new(&deactivating, "bot", None).is_err(), refused);
    }
}
