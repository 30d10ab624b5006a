//! Access to the tools that only these tests need, and to files of the repository.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The path of a file in the repository.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub fn read(name: &str) -> String {
    fs::read_to_string(path(name)).expect(name)
}

/// Runs a tool that `make test-tools` has built. Returns its standard output, or both outputs if it
/// fails.
pub fn run(tool: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let printed = Command::new(path("tests/tools/build.sh"))
        .arg(format!("--print-{tool}"))
        .output()
        .unwrap();
    let program = String::from_utf8(printed.stdout).unwrap();
    let mut child = Command::new(program.trim())
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{tool} at {program}: {error}; run `make test-tools`"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stdout) + &text(&output.stderr))
    }
}
