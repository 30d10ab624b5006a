//! What is known of the objects, as the lines of a frame.

use std::collections::BTreeMap;

use super::follow::Update;
use crate::{
    clean, cmd,
    fetch::{Scope, Seen},
    item::Item,
    overview::{self, View},
    screen::{self, Around},
    when::Now,
};

/// What is known of the objects of a scope.
pub struct Known<'a> {
    scope: Scope<'a>,
    wide: bool,
    /// The objects, by namespace and name. There is nothing to show before the first list.
    items: Option<BTreeMap<(String, String), Item>>,
    events: Result<Vec<Seen>, String>,
    /// Why the connection is lost, if it is.
    lost: Option<String>,
}

impl<'a> Known<'a> {
    /// Nothing yet.
    pub fn new(scope: Scope<'a>, wide: bool) -> Self {
        Self {
            scope,
            wide,
            items: None,
            events: Ok(Vec::new()),
            lost: None,
        }
    }

    /// Takes an update into account.
    pub fn apply(&mut self, update: Update) {
        let key = |item: &Item| (item.namespace(), item.name());
        match update {
            Update::All(items) => {
                self.items = Some(items.into_iter().map(|item| (key(&item), item)).collect());
                self.lost = None;
            }
            Update::Changed(item) => {
                let items = self.items.get_or_insert_default();
                items.insert(key(&item), *item);
            }
            Update::Gone(item) => {
                self.items.get_or_insert_default().remove(&key(&item));
            }
            Update::Events(events) => {
                // While the connection is lost, the events that are known are the newest ones.
                if self.lost.is_none() {
                    self.events = events;
                }
            }
            Update::Lost(why) => self.lost = Some(why),
        }
    }

    /// The lines of a frame of this size: no more of them, and none that is wider.
    pub fn frame(&self, now: &Now, (columns, rows): (usize, usize)) -> Vec<String> {
        let lost = self.lost.as_ref().map(|why| {
            let line = format!("connection lost, retrying ({})", clean::line(why));
            clean::cut(&line, columns)
        });
        let room = rows.saturating_sub(usize::from(lost.is_some()));
        let mut lines = match &self.items {
            None => Vec::new(),
            Some(items) => self.shown(items, now, columns, room),
        };
        lines.extend(lost);
        lines.truncate(rows);
        lines
    }

    fn shown(
        &self,
        items: &BTreeMap<(String, String), Item>,
        now: &Now,
        columns: usize,
        room: usize,
    ) -> Vec<String> {
        let width = Some(columns);
        let lines = |text: String| -> Vec<String> { text.lines().map(str::to_owned).collect() };
        if let Some(name) = self.scope.name {
            let around = Around {
                events: self.events.clone(),
                // The Secret is not followed, so a frame says nothing of it.
                key: None,
            };
            let screen = match items.values().next() {
                Some(item) => lines(screen::screen(item, &around, now, width)),
                None => clean::wrap(&format!("{name} is gone."), columns),
            };
            return cut(screen, (columns, room), " lines");
        }
        if items.is_empty() {
            let none = clean::wrap(&cmd::none(self.scope.namespace), columns);
            return cut(none, (columns, room), " lines");
        }
        let view = View {
            wide: self.wide,
            all_namespaces: self.scope.namespace.is_none(),
            width,
        };
        let table = lines(overview::table(items.values(), now, view));
        let room_below = room.saturating_sub(table.len() + 1);
        let mut shown = cut(table, (columns, room), "");
        if room_below > 0 {
            shown.push(String::new());
            let words = overview::summary(items.values(), now, width);
            let words = clean::wrap(&clean::lines(&words), columns);
            shown.extend(cut(words, (columns, room_below), " lines"));
        }
        shown
    }
}

/// As many lines as there is room for. If some are left out, the last one says how many.
fn cut(mut lines: Vec<String>, (columns, room): (usize, usize), what: &str) -> Vec<String> {
    if lines.len() > room {
        let shown = room.saturating_sub(1);
        let more = format!("{} more{what}", lines.len() - shown);
        lines.truncate(shown);
        lines.push(clean::cut(&more, columns));
        lines.truncate(room);
    }
    lines
}
