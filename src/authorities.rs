//! The certificate authorities of a running operator, which are those of a file.

use std::{convert::Infallible, path::Path, time::Duration};

use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::{
    config::{Authorities, AuthoritiesFile, ConfigError},
    hub::HttpClient,
};

/// Reads the file at this interval and, when it has changed, makes the client trust its
/// certificates. While the file can't be used, the certificates that were trusted before stay
/// trusted. Every change is logged once.
pub async fn follow(
    mut file: AuthoritiesFile,
    interval: Duration,
    client: &HttpClient,
) -> Infallible {
    loop {
        sleep(interval).await;
        if file.has_changed().await {
            replace(&file.path, file.authorities(), client);
        }
    }
}

fn replace(path: &Path, read: Result<Authorities, ConfigError>, client: &HttpClient) {
    let path = path.display();
    let Authorities { pem, warning } = match read {
        Ok(authorities) => authorities,
        Err(error) => {
            error!("{error}; the certificate authorities that were read before stay trusted");
            return;
        }
    };
    if let Some(warning) = warning {
        warn!("{warning}");
    }
    match client.trust(pem) {
        Ok(()) => info!("OXEN_CA_FILE: {path} has changed, and its certificates are now trusted"),
        Err(error) => error!(
            error = &error as &dyn std::error::Error,
            "OXEN_CA_FILE: {path} has changed, but its certificates can't be used; those that were \
             read before stay trusted"
        ),
    }
}
