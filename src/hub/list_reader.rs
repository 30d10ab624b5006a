//! Reads a list of models while its body arrives.

use std::ops::ControlFlow;

use super::{
    items::ItemReader, key::ApiKey, limits::Limits, response::read_model,
    transport_error::TransportError, wire::Model,
};
use crate::decide::{HubFault, quote};

/// A list of models whose body arrives in parts. Only one of its items is kept in memory. An item
/// that can't be read is counted and left out.
#[derive(Debug)]
pub struct ListReader<'a> {
    key: &'a ApiKey,
    items: ItemReader,
    /// The number of bytes by which the list may still grow.
    left: usize,
    unreadable: usize,
}

impl<'a> ListReader<'a> {
    /// Makes a reader of a list that was requested with this key.
    #[must_use]
    pub fn new(key: &'a ApiKey, limits: &Limits) -> Self {
        Self {
            key,
            items: ItemReader::new(limits.max_body),
            left: limits.max_list,
            unreadable: 0,
        }
    }

    /// Reads the next part of the body. `on_model` gets each model that ends in this part, until it
    /// returns `Break`.
    ///
    /// # Errors
    ///
    /// Fails if the list, or the text around its items, is too long.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut on_model: impl FnMut(Model) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, HubFault> {
        let Some(left) = self.left.checked_sub(chunk.len()) else {
            return Err(TransportError::TooLarge.into());
        };
        self.left = left;
        let mut flow = ControlFlow::Continue(());
        let on_item = |item: Option<&[u8]>| match item.map(|item| read_model(item, "", self.key)) {
            Some(Ok(model)) if flow.is_continue() => flow = on_model(model),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => self.unreadable += 1,
        };
        let fed = self.items.feed(chunk, on_item);
        fed.map_err(|_| HubFault::from(TransportError::TooLarge))?;
        Ok(flow)
    }

    /// The number of items so far that can't be read.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// Ends the list, and returns the number of items that can't be read.
    ///
    /// # Errors
    ///
    /// Says why the body is not a list.
    pub fn end(self) -> Result<usize, HubFault> {
        match self.items.end() {
            Ok(()) => Ok(self.unreadable),
            Err(problem) => Err(HubFault::Unexpected(quote(&self.key.hide(&problem)))),
        }
    }
}
