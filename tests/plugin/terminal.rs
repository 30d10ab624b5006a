//! A program on a pseudo-terminal, which `script` of util-linux makes, and what its screen shows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cluster::{Cluster, Output};
use testkit::world::eventually;

use crate::bash;

/// A pseudo-terminal. Its files are in a folder that goes away with it.
pub struct Terminal {
    folder: tempfile::TempDir,
}

/// What a terminal shows after some output. The program must address each line that it writes.
#[derive(Debug, Default)]
pub struct Screen {
    /// The lines of the alternate screen, from 1.
    pub lines: BTreeMap<usize, String>,
    /// The longest line and the last one that were ever written to the alternate screen.
    pub largest: (usize, usize),
    /// Whether the alternate screen is shown.
    pub alternate: bool,
    /// How often the alternate screen was shown anew.
    pub opened: usize,
    /// Whether the cursor is hidden.
    pub hidden: bool,
    /// What was written to the normal screen.
    pub normal: String,
    /// All that was ever written to the alternate screen.
    pub written: String,
}

impl Terminal {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command on the terminal with a window of this size, until it ends. The exit code is
    /// the command's.
    pub async fn run(&self, cluster: &Cluster, size: (usize, usize), command: &str) -> Output {
        let (columns, rows) = size;
        let script = format!(
            "cd {folder}\nmkfifo keys\nexec 3<>keys\n\
             TERM=xterm script -qefc 'stty cols {columns} rows {rows}; tty >tty; echo $$ >pid; exec {command}' \
             /dev/null <keys >output",
            folder = self.folder.path().display()
        );
        bash(cluster, &script).await
    }

    /// Waits until the screen is as described.
    pub async fn until(&self, described: &str, holds: impl Fn(&Screen) -> bool) {
        let shown = eventually(described, || async { holds(&self.screen()).then_some(()) });
        tokio::select! {
            () = shown => {}
            () = tokio::time::sleep(testkit::world::DEADLINE) => {
                panic!("the screen was never {described}: {:#?}", self.screen())
            }
        }
    }

    /// What the terminal shows now.
    pub fn screen(&self) -> Screen {
        let output = fs::read(self.file("output")).unwrap_or_default();
        Screen::after(&String::from_utf8_lossy(&output))
    }

    /// Changes the size of the window.
    pub async fn resize(&self, cluster: &Cluster, (columns, rows): (usize, usize)) {
        let tty = fs::read_to_string(self.file("tty")).unwrap();
        let script = format!("stty -F {} cols {columns} rows {rows}", tty.trim());
        bash(cluster, &script).await.ok().unwrap();
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.press("\x03");
    }

    /// Presses these keys.
    pub fn press(&self, keys: &str) {
        let file: &Path = &self.file("keys");
        fs::write(file, keys).unwrap();
    }

    /// Lets the program go on that Ctrl-Z has stopped. `script` stops together with it.
    pub async fn go_on(&self, cluster: &Cluster) {
        let pid = fs::read_to_string(self.file("pid")).unwrap();
        let pid = pid.trim();
        let script = format!(
            "stopped() {{ read -r _ _ state _ </proc/$1/stat; [[ $state == T ]]; }}\n\
             read -r _ _ _ parent _ </proc/{pid}/stat\n\
             until stopped {pid} && stopped $parent; do sleep 0.05; done\n\
             kill -CONT $parent; kill -CONT {pid}"
        );
        bash(cluster, &script).await.ok().unwrap();
    }
}

impl Screen {
    fn after(output: &str) -> Self {
        let mut screen = Self::default();
        let mut line = 0;
        let mut rest = output;
        while let Some(c) = rest.chars().next() {
            let Some(sequence) = rest.strip_prefix("\x1b[") else {
                rest = &rest[c.len_utf8()..];
                screen.write(line, c);
                continue;
            };
            let end = sequence.find(|c: char| c.is_ascii_alphabetic());
            // A sequence that is not whole yet.
            let Some(end) = end else { break };
            let (parameters, after) = sequence.split_at(end);
            rest = &after[1..];
            match (parameters, &after[..1]) {
                ("?1049", "h") => {
                    screen.opened += usize::from(!screen.alternate);
                    screen.alternate = true;
                }
                ("?1049", "l") => screen.alternate = false,
                ("?25", "h") => screen.hidden = false,
                ("?25", "l") => screen.hidden = true,
                ("?7", _) | (_, "m") => {}
                ("2", "J") => screen.lines.clear(),
                ("", "K") => drop(screen.lines.remove(&line)),
                (at, "H") => line = at.strip_suffix(";1").unwrap().parse().unwrap(),
                other => panic!("what is {other:?}?"),
            }
        }
        screen
    }

    fn write(&mut self, at: usize, c: char) {
        if !self.alternate {
            self.normal.push(c);
            return;
        }
        assert!(!c.is_control(), "{c:?} moves the cursor");
        self.written.push(c);
        let line = self.lines.entry(at).or_default();
        line.push(c);
        let (longest, last) = self.largest;
        self.largest = (longest.max(line.chars().count()), last.max(at));
    }

    /// The line of this number, or nothing.
    pub fn line(&self, at: usize) -> &str {
        self.lines.get(&at).map(String::as_str).unwrap_or_default()
    }

    /// Whether some line has these words.
    pub fn has(&self, words: &str) -> bool {
        self.lines.values().any(|line| line.contains(words))
    }
}
