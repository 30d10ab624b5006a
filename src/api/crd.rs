//! The CustomResourceDefinition.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

use super::spec::OxenModel;

/// The CustomResourceDefinition, as `crds/oxenmodels.yaml` has it.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = OxenModel::crd();
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut();
        if let Some(schema) = schema.and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
        }
    }
    crd
}

/// Allows null for optional enums, makes each paragraph of a doc comment one line, because `kubectl explain` breaks lines itself,
/// and removes a format that the API server doesn't know and warns about.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.format.take_if(|format| format == "uint32");
    // Helm and kustomize write null for an unset value, and an enum allows only what it lists.
    if let (Some(true), Some(values)) = (schema.nullable, &mut schema.enum_)
        && !values.iter().any(|value| value.0.is_null())
    {
        values.push(JSON(serde_json::Value::Null));
    }
    if let Some(description) = &mut schema.description {
        let paragraphs = description
            .split("\n\n")
            .map(|part| part.replace('\n', " "));
        *description = paragraphs.collect::<Vec<_>>().join("\n\n");
    }
    for property in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
}
