//! The manifests in `examples/`, and the reason that each has to reach.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Result;
use crate::table::Object;

/// The annotation with the reason that the condition `Ready` has to reach, or with several reasons
/// of which it has to reach one, as in `Active or Inactive`.
const REASON_ANNOTATION: &str = "demo.oxen.ai/reaches";

/// The annotation with text that the message of the condition `Ready` has to contain.
const MESSAGE_ANNOTATION: &str = "demo.oxen.ai/says";

/// A manifest, and what its object has to reach.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) reason: String,
    message: Option<String>,
}

impl Sample {
    /// Reads every manifest of an OxenModel in the folder, in the order of their file names.
    pub(crate) fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let entries = fs::read_dir(folder)
            .map_err(|error| format!("can't read the samples in {}: {error}", folder.display()))?;
        let mut files: Vec<_> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::result::Result<_, _>>()?;
        files.retain(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
        });
        files.sort();
        if files.is_empty() {
            return Err(format!("{} contains no samples", folder.display()).into());
        }
        let samples = files.iter().map(|file| Self::read(file).transpose());
        samples.flatten().collect()
    }

    /// Reads a manifest, or returns `None` for a manifest of another kind than `OxenModel`.
    fn read(file: &Path) -> Result<Option<Self>> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(file)?;
        let manifest: Value = serde_yaml::from_str(&text)?;
        if manifest["kind"] != "OxenModel" {
            return Ok(None);
        }
        let sample = Self::parse(&name, &text);
        let sample = sample.map_err(|problem| format!("{}: {problem}", file.display()))?;
        Ok(Some(sample))
    }

    fn parse(file: &str, text: &str) -> Result<Self> {
        let manifest: Value = serde_yaml::from_str(text)?;
        let metadata = &manifest["metadata"];
        let string = |value: &Value| value.as_str().map(ToOwned::to_owned);
        Ok(Self {
            file: file.to_owned(),
            name: string(&metadata["name"]).ok_or("the name is missing")?,
            reason: string(&metadata["annotations"][REASON_ANNOTATION])
                .ok_or_else(|| format!("the annotation {REASON_ANNOTATION} is missing"))?,
            message: string(&metadata["annotations"][MESSAGE_ANNOTATION]),
        })
    }

    /// Describes the expectation that the sample's object doesn't meet, or returns `None` if it
    /// meets it.
    pub(crate) fn unmet(&self, objects: &[Object]) -> Option<String> {
        let reached = objects.iter().any(|object| {
            let message = self.message.as_ref();
            let mut reasons = self.reason.split(" or ");
            object.name == self.name
                && reasons.any(|reason| object.has_reason(reason))
                && message.is_none_or(|text| object.message.contains(text))
        });
        let message = self
            .message
            .iter()
            .map(|text| format!(" with a message that contains {text:?}"));
        (!reached).then(|| {
            let message: String = message.collect();
            format!(
                "{} has not reached the reason {}{message}",
                self.name, self.reason
            )
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_sample_has_an_expected_reason() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let samples = Sample::read_all(&folder).unwrap();
        assert!(samples.len() >= 6, "{samples:?}");
    }

    #[test]
    fn missing_annotation_is_reported() {
        let problem = Sample::parse("a.yaml", "metadata: {name: a}").unwrap_err();
        assert!(problem.to_string().contains(REASON_ANNOTATION), "{problem}");
    }
}
