//! One row for each change, where standard output is no terminal.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::follow::Update;
use crate::{
    cmd,
    console::Console,
    fetch::Scope,
    item::Item,
    outcome::Failure,
    overview::{self, View},
    when::Now,
};

/// The rows that were printed.
pub struct Rows<'a> {
    scope: Scope<'a>,
    view: View,
    /// The objects, and the row that was printed last for each.
    items: BTreeMap<(String, String), (Item, String)>,
    /// Whether the heading was printed.
    headed: bool,
    /// Whether a lost connection was told.
    lost: bool,
}

impl<'a> Rows<'a> {
    /// No rows yet.
    pub fn new(scope: Scope<'a>, wide: bool) -> Self {
        Self {
            scope,
            view: View {
                wide,
                all_namespaces: scope.namespace.is_none(),
                width: None,
            },
            items: BTreeMap::new(),
            headed: false,
            lost: false,
        }
    }

    /// Prints the rows that an update changes.
    ///
    /// # Errors
    ///
    /// Standard output can't be written.
    pub fn tell(&mut self, update: Update, console: &Console) -> Result<(), Failure> {
        match update {
            Update::All(items) => {
                self.lost = false;
                if items.is_empty() && !self.headed {
                    console.say(&cmd::none(self.scope.namespace));
                }
                let new: Vec<_> = items.iter().map(key).collect();
                let gone: Vec<_> = (self.items.keys())
                    .filter(|key| new.binary_search(key).is_err())
                    .cloned()
                    .collect();
                for key in gone {
                    self.gone(&key, console);
                }
                self.changed(items, console)?;
            }
            Update::Changed(item) => self.changed(vec![*item], console)?,
            Update::Gone(item) => self.gone(&key(&item), console),
            Update::Events(_) => {}
            Update::Lost(why) => {
                if !self.lost {
                    console.say(&format!("connection lost, retrying ({why})"));
                }
                self.lost = true;
            }
        }
        Ok(())
    }

    fn gone(&mut self, key: &(String, String), console: &Console) {
        if let Some((item, _)) = self.items.remove(key) {
            console.say(&format!("{} is gone.", item.full_name()));
        }
    }

    fn changed(&mut self, items: Vec<Item>, console: &Console) -> Result<(), Failure> {
        let mut changed = Vec::new();
        for item in items {
            let key = key(&item);
            let known = self.items.remove(&key);
            let version = item.raw.resource_version();
            let same = known
                .as_ref()
                .is_some_and(|(known, _)| known.raw.resource_version() == version);
            let row = known.map(|(_, row)| row).unwrap_or_default();
            if !same {
                changed.push(key.clone());
            }
            self.items.insert(key, (item, row));
        }
        let all = self.items.values().map(|(item, _)| item);
        let table = overview::table(all, &Now::here(), self.view);
        let mut lines = table.lines();
        let heading = lines.next().unwrap_or_default();
        let mut text = String::new();
        for (line, (key, (_, printed))) in lines.zip(&mut self.items) {
            // The width of columns changes with other objects.
            let row = line.split_whitespace().collect::<Vec<_>>().join(" ");
            if changed.binary_search(key).is_ok() && *printed != row {
                text.push_str(&format!("{line}\n"));
                *printed = row;
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        if !self.headed {
            text.insert_str(0, &format!("{heading}\n"));
            self.headed = true;
        }
        console.print(&text)
    }
}

fn key(item: &Item) -> (String, String) {
    (item.namespace(), item.name())
}
