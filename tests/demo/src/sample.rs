//! The manifests of `examples/`, and what each must reach.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Result;
use crate::board::Object;

/// The reason that `Ready` must come to.
const REACHES: &str = "demo.oxen.ai/reaches";

/// Words that its message must hold.
const SAYS: &str = "demo.oxen.ai/says";

/// One manifest.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) reaches: String,
    says: Option<String>,
}

impl Sample {
    /// Every manifest of the folder, by file name.
    pub(crate) fn all(folder: &Path) -> Result<Vec<Self>> {
        let entries = fs::read_dir(folder)
            .map_err(|error| format!("the samples in {}: {error}", folder.display()))?;
        let mut files: Vec<_> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::result::Result<_, _>>()?;
        files.retain(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
        });
        files.sort();
        if files.is_empty() {
            return Err(format!("{} holds no sample", folder.display()).into());
        }
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Result<Self> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(file)?;
        Self::parse(&name, &text).map_err(|problem| format!("{}: {problem}", file.display()).into())
    }

    fn parse(file: &str, text: &str) -> Result<Self> {
        let manifest: Value = serde_yaml::from_str(text)?;
        let metadata = &manifest["metadata"];
        let word = |value: &Value| value.as_str().map(ToOwned::to_owned);
        Ok(Self {
            file: file.to_owned(),
            name: word(&metadata["name"]).ok_or("it has no name")?,
            reaches: word(&metadata["annotations"][REACHES])
                .ok_or_else(|| format!("the annotation {REACHES} is missing"))?,
            says: word(&metadata["annotations"][SAYS]),
        })
    }

    /// What is missing until the object is where its file says that it must come to.
    pub(crate) fn missing(&self, objects: &[Object]) -> Option<String> {
        let reached = objects.iter().any(|object| {
            let says = self.says.as_ref();
            object.name == self.name
                && object.is(&self.reaches)
                && says.is_none_or(|words| object.message.contains(words))
        });
        let says = self.says.iter().map(|words| format!(" and say {words:?}"));
        (!reached).then(|| {
            let says: String = says.collect();
            format!("{} should reach {}{says}", self.name, self.reaches)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_manifest_that_is_shipped_says_what_it_reaches() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let samples = Sample::all(&folder).unwrap();
        assert!(samples.len() >= 6, "{samples:?}");
    }

    #[test]
    fn one_that_does_not_say_it_is_named_with_what_is_missing() {
        let problem = Sample::parse("a.yaml", "metadata: {name: a}").unwrap_err();
        assert!(problem.to_string().contains(REACHES), "{problem}");
    }
}
