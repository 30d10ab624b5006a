//! Names and limits that manifests, the schema and the operator share.

use std::time::Duration;

/// The finalizer that holds an object's deletion until its model is known to be inactive, or may be
/// left as it is.
pub const FINALIZER: &str = "oxen.ai/deactivate";

/// The annotation that requests a reconcile. A new value starts one at once, and resets the
/// object's attempts.
pub const RECONCILE_ANNOTATION: &str = "oxen.ai/reconcile-requested-at";

/// The annotation that requests an override: `active until TIME`, `inactive until TIME` or `none`.
pub const OVERRIDE_ANNOTATION: &str = "oxen.ai/override";

/// The annotations that the operator reads. A change of one of them is a reason to reconcile.
pub const ANNOTATIONS: [&str; 2] = [RECONCILE_ANNOTATION, OVERRIDE_ANNOTATION];

/// The name of the Secret that an object without `apiKeySecretRef` uses.
pub const DEFAULT_SECRET: &str = "oxen-api-key";

/// The key in that Secret's data.
pub const DEFAULT_SECRET_KEY: &str = "api-key";

/// The shortest `syncInterval` that the schema allows.
pub const SHORTEST_SYNC_INTERVAL: Duration = Duration::from_secs(30);
