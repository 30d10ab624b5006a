//! The architecture of `src`: what `src/lib.rs` says of files and dependencies is true.
//!
//! The tests read the `use` lines, and paths that start with `crate::`. A file's dependencies are
//! the files that define what it names: a name that a `mod.rs` re-exports counts for the file
//! behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The layers, outermost first. A file may use the layers after its own, and its own.
const LAYERS: [&[&str]; 9] = [
    &["main"],
    &[
        "controller",
        "check",
        "schedule",
        "keep",
        "authorities",
        "serve",
        "telemetry",
    ],
    &["config"],
    &["leader"],
    &["metrics"],
    &["hub"],
    &["decide"],
    &["api"],
    &["readiness", "runtime", "shutdown", "backoff", "causes"],
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file but tests and `lib.rs`, by its module path such as `decide::table`.
fn sources() -> BTreeMap<String, (String, String)> {
    fn visit(folder: &Path, found: &mut BTreeMap<String, (String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if name != "tests" && name != "bin" {
                    visit(&path, found);
                }
                continue;
            }
            if !name.ends_with(".rs") || name == "tests.rs" || name == "lib.rs" {
                continue;
            }
            let relative = path.strip_prefix(root()).unwrap().to_str().unwrap();
            let module = relative.trim_end_matches(".rs").replace('/', "::");
            let module = module.trim_end_matches("::mod").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            found.insert(module, (relative.to_owned(), code.to_owned()));
        }
    }
    let mut found = BTreeMap::new();
    visit(&root(), &mut found);
    found
}

/// The paths of a `use` declaration, with its groups expanded.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let leaf = tree.split(" as ").next().unwrap().trim();
        paths.push(format!("{prefix}{leaf}"));
        return;
    };
    let prefix = format!("{prefix}{}", head.trim());
    let inner = rest.trim_end().strip_suffix('}').unwrap();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &inner[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        expand(&prefix, &inner[start..], paths);
    }
}

/// Every path of a file that leads into this crate, from the root of the crate.
fn paths(module: &str, code: &str) -> Vec<String> {
    let mut all = Vec::new();
    let uncommented: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    for part in uncommented.split(';') {
        let declaration = part.trim_start();
        let lines = declaration.lines().skip_while(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with("#[") || line.ends_with('}')
        });
        let declaration = lines.collect::<Vec<_>>().join("\n");
        let words = declaration.trim_start();
        let words = words
            .strip_prefix("pub(super) ")
            .or(words.strip_prefix("pub(in crate::hub) "))
            .or(words.strip_prefix("pub "))
            .unwrap_or(words);
        if let Some(tree) = words.strip_prefix("use ") {
            expand("", tree, &mut all);
        }
    }
    for (at, _) in uncommented.match_indices("crate::") {
        let path = uncommented[at..]
            .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
            .next()
            .unwrap();
        all.push(path.trim_end_matches(':').to_owned());
    }
    let absolute = |path: String| {
        let path = path.replace("oxen_operator::", "crate::");
        let path = path.replace(['\n', ' '], "");
        if let Some(path) = path.strip_prefix("crate::") {
            return Some(path.to_owned());
        }
        let mut parent = module.to_owned();
        let mut rest = path.as_str();
        while let Some(after) = rest.strip_prefix("super::") {
            parent = parent.rsplit_once("::").map_or("", |split| split.0).into();
            rest = after;
        }
        (rest.len() < path.len()).then(|| format!("{parent}::{rest}").trim_matches(':').to_owned())
    };
    all.into_iter().filter_map(absolute).collect()
}

/// The names that a `mod.rs` re-exports, with the file behind each.
fn exports(sources: &BTreeMap<String, (String, String)>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (module, (file, code)) in sources {
        if !file.ends_with("mod.rs") {
            continue;
        }
        for part in code.split(';') {
            let Some(at) = part.rfind("pub use ").or(part.rfind("pub(super) use ")) else {
                continue;
            };
            let tree = part[at..].split_once("use ").unwrap().1;
            let mut found = Vec::new();
            expand("", tree, &mut found);
            for path in found {
                let path = path.replace(['\n', ' '], "");
                let name = path.rsplit("::").next().unwrap().to_owned();
                let home = path.rsplit_once("::").map_or("", |split| split.0);
                all.insert(format!("{module}::{name}"), format!("{module}::{home}"));
            }
        }
    }
    all
}

/// The files that each file depends on.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources();
    let exports = exports(&sources);
    let resolve = |path: &str| {
        let mut path = path.to_owned();
        while let Some(home) = exports.get(&path) {
            if sources.contains_key(home) {
                return Some(home.clone());
            }
            path.clone_from(home);
        }
        let mut module = path.as_str();
        loop {
            if sources.contains_key(module) {
                return Some(module.to_owned());
            }
            module = module.rsplit_once("::")?.0;
        }
    };
    sources
        .iter()
        .map(|(module, (_, code))| {
            let found = paths(module, code);
            let mut files: BTreeSet<String> = found.iter().filter_map(|it| resolve(it)).collect();
            files.remove(module);
            (module.clone(), files)
        })
        .collect()
}

fn layer(module: &str) -> usize {
    let first = module.split("::").next().unwrap();
    let at = LAYERS.iter().position(|layer| layer.contains(&first));
    at.unwrap_or_else(|| panic!("{first} is in no layer: name it in LAYERS and in src/lib.rs"))
}

#[test]
fn imports_run_inward() {
    let dependencies = dependencies();
    let mut checked = 0;
    for (module, files) in &dependencies {
        for file in files {
            let same = module.split("::").next() == file.split("::").next();
            let inward = layer(module) < layer(file);
            assert!(same || inward, "{module} must not use {file}");
            checked += 1;
        }
    }
    assert!(checked > 150, "only {checked} imports were found");
}

#[test]
fn no_files_import_each_other() {
    let dependencies = dependencies();
    let mut done = BTreeSet::new();
    fn visit(
        module: &str,
        all: &BTreeMap<String, BTreeSet<String>>,
        done: &mut BTreeSet<String>,
        stack: &mut Vec<String>,
    ) {
        if let Some(at) = stack.iter().position(|one| one == module) {
            panic!("a circle of imports: {:?}", &stack[at..]);
        }
        if done.contains(module) {
            return;
        }
        stack.push(module.to_owned());
        for file in &all[module] {
            visit(file, all, done, stack);
        }
        stack.pop();
        done.insert(module.to_owned());
    }
    for module in dependencies.keys() {
        visit(module, &dependencies, &mut done, &mut Vec::new());
    }
    assert_eq!(done.len(), dependencies.len());
}

#[test]
fn the_map_names_every_file_and_no_other() {
    let map = fs::read_to_string(root().join("lib.rs")).unwrap();
    let rows = map.lines().filter(|line| line.starts_with("//! | "));
    let named: BTreeSet<&str> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter(|word| word.ends_with(".rs"))
        .collect();
    let sources = sources();
    // A module's `mod.rs` is named by its folder, unless it holds code of its own.
    let files: BTreeSet<&str> = sources
        .values()
        .map(|(file, _)| file.as_str())
        .filter(|file| !file.ends_with("mod.rs") || named.contains(file))
        .collect();
    let missing: Vec<_> = files.difference(&named).collect();
    assert!(missing.is_empty(), "src/lib.rs doesn't name {missing:?}");
    let gone: Vec<_> = named.difference(&files).collect();
    assert!(
        gone.is_empty(),
        "src/lib.rs names {gone:?}, which don't exist"
    );
}

#[test]
fn every_folder_has_one_module_style() {
    for (module, (file, _)) in sources() {
        let folder = root().join(module.replace("::", "/"));
        let beside = folder.is_dir() && !file.ends_with("mod.rs");
        assert!(!beside, "{file} has a folder: move it to mod.rs in there");
    }
}
