//! The switches of a hub, for behaviour that only the live hub can confirm.

use std::time::Duration;

#[derive(Clone, Copy, Default)]
pub(crate) struct Switches {
    /// The hub sends `Model not found` in the format that has only a message.
    pub(crate) not_found_as_message: bool,
    /// A request with an invalid key is processed as a request without a key.
    pub(crate) invalid_key_is_none: bool,
    /// The id of a custom model has the prefix `oxen:`.
    pub(crate) prefixed_ids: bool,
    /// How long a custom model stays active without a request.
    pub(crate) idle_timeout: Option<Duration>,
    /// The seconds by which the hub's clock is ahead.
    pub(crate) clock_offset: i64,
}
