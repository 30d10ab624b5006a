//! The CustomResourceDefinitions.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, ValidationRule,
};
use kube::CustomResourceExt;

use super::{budget::OxenBudget, spec::OxenModel};

/// The CustomResourceDefinition of OxenModels, as `crds/oxenmodels.yaml` has it.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    tidied(OxenModel::crd())
}

/// The CustomResourceDefinition of OxenBudgets, as `crds/oxenbudgets.yaml` has it.
#[must_use]
pub fn budget_crd() -> CustomResourceDefinition {
    tidied(OxenBudget::crd())
}

fn tidied(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut();
        if let Some(schema) = schema.and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
        }
    }
    crd
}

/// Makes each paragraph of a doc comment one line, because `kubectl explain` breaks lines itself,
/// removes a format that the API server doesn't know and warns about, and lets an optional enum be
/// null, as Helm and kustomize write an unset value.
///
/// The API server accepts null for no enum, even if the enum lists it. So a rule replaces the enum.
/// The API server doesn't check the rule for null.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.format.take_if(|format| format == "uint32");
    if schema.nullable == Some(true)
        && let Some(values) = schema.enum_.take()
    {
        let values = values.iter().filter_map(|value| value.0.as_str());
        let values: Vec<String> = values.map(|value| format!("\"{value}\"")).collect();
        let values = values.join(", ");
        let rule = ValidationRule {
            rule: format!("self in [{values}]"),
            message: Some(format!("must be one of {values}")),
            ..ValidationRule::default()
        };
        schema
            .x_kubernetes_validations
            .get_or_insert_default()
            .push(rule);
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
