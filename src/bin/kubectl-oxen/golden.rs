//! Screens at a fixed time, compared with the files in `tests/plugin/golden`.
//! `UPDATE_GOLDEN=1` updates them.

use std::{fs, path::Path};

/// Fails if the text differs from the golden file.
pub fn check(name: &str, text: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plugin/golden");
    let path = Path::new(folder).join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "{} is not what is printed; UPDATE_GOLDEN=1 updates it:\n{text}",
        path.display()
    );
}
