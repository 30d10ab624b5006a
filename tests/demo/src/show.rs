//! The show: the samples come to what their files say, one goes off and on again, and two are deleted.

use crate::Result;
use crate::board::{Board, Object};
use crate::sample::Sample;
use crate::stage::{Props, Stage};
use crate::voice::Voice;

/// Goes off, on again, and is deleted.
const STAR: &str = "support-bot";
const STARS_MODEL: &str = "support-bot-v2";

/// Is deleted with `deletionPolicy: Retain`.
const RETAINED: &str = "invoice-reader";
const RETAINED_MODEL: &str = "invoice-reader";

/// The sample whose message is worth reading.
const TYPO: &str = "typo";

pub(crate) async fn run(props: &Props, voice: Voice) -> Result<()> {
    let samples = Sample::all(&props.examples)?;
    voice.line(
        "The operator at work on this machine alone; no account is needed. Ctrl-C ends it.\n",
    );
    let mut stage = Stage::set(props, None, voice).await?;
    let mut board = Board::new();
    first_act(&mut stage, &mut board, &samples, props).await?;
    second_act(&mut stage, &mut board).await?;
    last_act(&mut stage, &mut board).await?;
    let words = last_words(&stage, samples.len());
    voice.say("stopping everything");
    drop(stage);
    voice.line(&words);
    Ok(())
}

async fn first_act(
    stage: &mut Stage,
    board: &mut Board,
    samples: &[Sample],
    props: &Props,
) -> Result<()> {
    stage.apply(&props.examples).await?;
    let missing = |objects: &[Object]| {
        let missing = samples.iter().map(|sample| sample.missing(objects));
        missing.flatten().collect()
    };
    board.until(stage, missing).await?;
    let voice = stage.voice;
    voice.say("every sample has reached what its file says:");
    for sample in samples {
        voice.line(&format!(
            "    {:<16} {:<16} {}",
            sample.file, sample.name, sample.reaches
        ));
    }
    let message = "-o=jsonpath={.status.conditions[?(@.type==\"Ready\")].message}{\"\\n\"}";
    let words = stage.kubectl(&["get", "oxm", TYPO, message]).await?;
    voice.line(&format!("    {words}"));
    Ok(())
}

async fn second_act(stage: &mut Stage, board: &mut Board) -> Result<()> {
    for (state, reason) in [("inactive", "Inactive"), ("active", "Active")] {
        let patch = format!(r#"{{"spec":{{"state":"{state}"}}}}"#);
        let command = ["patch", "oxm", STAR, "--type", "merge", "-p", &patch];
        stage.kubectl(&command).await?;
        let missing = |objects: &[Object]| {
            let mut all = objects.iter();
            if all.any(|object| object.name == STAR && object.is(reason)) {
                return Vec::new();
            }
            vec![format!("{STAR} should become {state}")]
        };
        board.until(stage, missing).await?;
    }
    Ok(())
}

async fn last_act(stage: &mut Stage, board: &mut Board) -> Result<()> {
    for (object, model, left) in [
        (STAR, STARS_MODEL, "inactive"),
        (RETAINED, RETAINED_MODEL, "active"),
    ] {
        stage
            .kubectl(&["delete", "oxm", object, "--wait=false"])
            .await?;
        let missing = |objects: &[Object]| {
            if objects.iter().all(|one| one.name != object) {
                return Vec::new();
            }
            vec![format!("{object} should be gone")]
        };
        board.until(stage, missing).await?;
        let live = stage.hub.live(model)?.join(", ");
        stage.voice.say(&format!(
            "the OxenModel {object} is gone; at the hub, {model} is {live}"
        ));
        if live != left {
            return Err(format!("{model} should have been left {left}").into());
        }
    }
    Ok(())
}

fn last_words(stage: &Stage, samples: usize) -> String {
    let calls = stage.hub.journal().posts().len();
    let seconds = stage.voice.elapsed().as_secs();
    format!(
        "\nSeen, in {seconds} s: {samples} samples came to what their files say, and {STAR} went on, off, on, and off when it was deleted.\n\
         It took {calls} calls to the hub. The suspended model was looked at and never called; the retained one was left running.\n\
         Next: `make demo-up` leaves all this running for your own kubectl, `make test` runs every check, and README.md has the rest."
    )
}
