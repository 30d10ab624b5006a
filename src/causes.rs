//! The words for an error and its causes.

use std::{error::Error, iter::successors};

/// Returns the error and its causes, the outermost first, with a colon between them.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = successors(Some(error), |&error| error.source());
    let words: Vec<String> = causes.map(ToString::to_string).collect();
    words.join(": ")
}
