//! The manifests in a file.

use std::{fs, io, sync::LazyLock};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::Resource;
use serde::Deserialize;
use serde_json::Value;

use crate::api::{OxenModel, OxenModelSpec, crd};

/// Why the manifests in a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file can't be read.
    #[error("{file} can't be read: {source}")]
    File {
        /// The file.
        file: String,
        /// Why it can't be read.
        source: io::Error,
    },
    /// A document is no YAML.
    #[error("{file}, document {document}: {source}")]
    Yaml {
        /// The file.
        file: String,
        /// The number of the document, from 1.
        document: usize,
        /// What is wrong, and in which line.
        source: serde_yaml::Error,
    },
    /// An object can't be used.
    #[error("{file}, document {document}, {object}: {problem}")]
    Object {
        /// The file.
        file: String,
        /// The number of the document, from 1.
        document: usize,
        /// The object's kind and name.
        object: String,
        /// The field, and what to write instead.
        problem: String,
    },
    /// The report can't be written.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The manifest of an OxenModel.
pub(super) struct Manifest {
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) spec: OxenModelSpec,
}

impl Manifest {
    /// The name, with the namespace if there is one.
    pub(super) fn full_name(&self) -> String {
        full_name(self.namespace.as_deref(), &self.name)
    }

    /// The manifest of a document, or `None` if it is about something else.
    fn of(raw: &Value) -> Result<Option<Self>, Problem> {
        let text = |path: &str| raw.pointer(path).and_then(Value::as_str);
        let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
        let kind = text("/kind").unwrap_or("an object");
        let problem = |problem: String| Problem {
            object: match name {
                Some(name) => format!("{kind} {}", full_name(namespace, name)),
                None => kind.to_owned(),
            },
            problem,
        };
        let (Some(version), Some(kind)) = (text("/apiVersion"), text("/kind")) else {
            let fix = "apiVersion and kind: write both, such as oxen.ai/v1alpha1 and OxenModel";
            return Err(problem(fix.into()));
        };
        let group = OxenModel::group(&());
        let foreign = version.split_once('/').is_none_or(|it| it.0 != group);
        if foreign || kind != OxenModel::kind(&()) {
            return Ok(None);
        }
        let known = OxenModel::api_version(&());
        if version != known {
            return Err(problem(format!("apiVersion: write {known}")));
        }
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| problem("metadata.name: write a name".into()))?;
        Ok(Some(Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            spec: spec(raw.get("spec").unwrap_or(&Value::Null)).map_err(problem)?,
        }))
    }
}

/// Why an object can't be used.
struct Problem {
    object: String,
    problem: String,
}

fn full_name(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(
        || name.to_owned(),
        |namespace| format!("{namespace}/{name}"),
    )
}

/// Reads the manifests of all OxenModels in a file, or from standard input if its name is `-`.
pub(super) fn read(file: &str) -> Result<Vec<Manifest>, ManifestError> {
    let text = if file == "-" {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|source| ManifestError::File {
        file: file.to_owned(),
        source,
    })?;
    parse(file, &text)
}

fn parse(file: &str, text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let mut manifests = Vec::new();
    for (at, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let document_error = |source| ManifestError::Yaml {
            file: file.to_owned(),
            document: at + 1,
            source,
        };
        let mut raw = serde_yaml::Value::deserialize(document).map_err(document_error)?;
        raw.apply_merge().map_err(document_error)?;
        let raw = serde_yaml::from_value(raw).map_err(document_error)?;
        collect(&raw, &mut manifests).map_err(|problem| ManifestError::Object {
            file: file.to_owned(),
            document: at + 1,
            object: problem.object,
            problem: problem.problem,
        })?;
    }
    Ok(manifests)
}

/// Adds the manifests of a document. An empty one has none, and a list may have several.
fn collect(raw: &Value, manifests: &mut Vec<Manifest>) -> Result<(), Problem> {
    if raw.is_null() {
        return Ok(());
    }
    let kind = raw.get("kind").and_then(Value::as_str);
    let items = raw.get("items").and_then(Value::as_array);
    if let Some(items) = items.filter(|_| kind.is_some_and(|kind| kind.ends_with("List"))) {
        return items.iter().try_for_each(|item| collect(item, manifests));
    }
    manifests.extend(Manifest::of(raw)?);
    Ok(())
}

/// The schema of a spec. A file may have many manifests, and the schema is made once.
static SCHEMA: LazyLock<Option<JSONSchemaProps>> = LazyLock::new(|| {
    let version = crd().spec.versions.into_iter().next()?;
    let mut properties = version.schema?.open_api_v3_schema?.properties?;
    properties.remove("spec")
});

/// Reads and checks a spec, as the API server would.
fn spec(raw: &Value) -> Result<OxenModelSpec, String> {
    let unknown = SCHEMA.as_ref();
    let unknown = unknown.and_then(|schema| unknown_field(raw, schema, "spec"));
    if let Some(field) = unknown {
        return Err(format!("{field}: there is no such field"));
    }
    let spec: OxenModelSpec =
        serde_path_to_error::deserialize(raw).map_err(|error| {
            match error.path().to_string().as_str() {
                "." => format!("spec: {}", error.inner()),
                path => format!("spec.{path}: {}", error.inner()),
            }
        })?;
    spec.check().map(|()| spec)
}

/// The first field that the schema doesn't have.
fn unknown_field(raw: &Value, schema: &JSONSchemaProps, path: &str) -> Option<String> {
    if let (Value::Object(fields), Some(properties)) = (raw, &schema.properties) {
        return fields.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match properties.get(name) {
                Some(schema) => unknown_field(value, schema, &path),
                None => Some(path),
            }
        });
    }
    if let (Value::Array(items), Some(JSONSchemaPropsOrArray::Schema(schema))) =
        (raw, &schema.items)
    {
        return items
            .iter()
            .find_map(|item| unknown_field(item, schema, path));
    }
    None
}
