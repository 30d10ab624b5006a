//! `oxen-operator check`: does the hub answer, and does it take the key? One request, which changes nothing.

use crate::{
    config::{HubArgs, Invalid, KeySource},
    decide::Fault,
    oxen::{ApiKey, Client, KeyError, Limits, SetupError},
};

/// Why the hub can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// A setting.
    #[error(transparent)]
    Setting(#[from] Invalid),
    /// There is no key to ask with.
    #[error("there is no API key: set OXEN_API_KEY_FILE or OXEN_API_KEY")]
    NoKey,
    /// The file with the key.
    #[error("OXEN_API_KEY_FILE: {file} can't be read")]
    File {
        /// Its path.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What the file holds is no key.
    #[error("OXEN_API_KEY_FILE: the key {0}")]
    Key(#[from] KeyError),
    /// The HTTP client.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The hub's answer.
    #[error("{hub} {}", words(.fault))]
    Hub {
        /// Its URL.
        hub: String,
        /// What is wrong.
        fault: Fault,
    },
}

/// Lists the models once. `environment` is what the environment variable `OXEN_API_KEY` holds, if it is set.
///
/// # Errors
///
/// Why the hub can't be used, with the setting to look at.
pub async fn check(args: &HubArgs, environment: Option<Vec<u8>>) -> Result<String, Unfit> {
    let route = args.route()?;
    let hub = route.base.to_string();
    let key = match args.key(environment.as_deref())? {
        None => return Err(Unfit::NoKey),
        Some(KeySource::Environment(key)) => key,
        Some(KeySource::File(file)) => {
            let read = tokio::fs::read(&file).await;
            ApiKey::new(&read.map_err(|source| Unfit::File {
                file: file.display().to_string(),
                source,
            })?)?
        }
    };
    let client = Client::new(route, Limits::default(), |_, _, _| ())?;
    match client.list(&key, None, None).await {
        Ok(models) => Ok(format!(
            "{hub} answers and takes the API key; it lists {} models.\n",
            models.len()
        )),
        Err(fault) => Err(Unfit::Hub { hub, fault }),
    }
}

fn words(fault: &Fault) -> String {
    match fault {
        Fault::Unauthenticated => "doesn't accept the API key".into(),
        Fault::Forbidden(words) => format!("doesn't let this API key list models: {words}"),
        Fault::PaymentRequired(words) => format!("asks for payment: {words}"),
        Fault::RateLimited { .. } => "takes the request, and asks to be called less often".into(),
        Fault::Unreachable(words) => {
            format!("can't be reached: {words}; is OXEN_BASE_URL right, and OXEN_PROXY?")
        }
        Fault::Unexpected(words) | Fault::Rejected(words) | Fault::AnotherModel(words) => {
            format!("gives an answer that can't be read: {words}; is OXEN_BASE_URL the hub's?")
        }
        Fault::ModelNotFound(_)
        | Fault::CredentialsNotFound { .. }
        | Fault::CredentialsInvalid { .. }
        | Fault::OperatorKeyNotAllowed => "has no list of models".into(),
    }
}
