//! The sentences for entries of the kubeconfig that can't be used.

use kube::{
    client::RustlsTlsError,
    config::{KubeconfigError, LoadDataError},
};

/// The sentence for an entry of the kubeconfig that can't be used. It quotes no value that may be
/// secret.
pub fn unusable(cluster: &str, user: &str, error: &KubeconfigError) -> String {
    let data = |entry: &str, error: &LoadDataError| match error {
        LoadDataError::DecodeBase64(_) => format!("{entry} is no valid base64."),
        LoadDataError::ReadFile(cause, path) => {
            format!("{entry} can't be read from {}: {cause}.", path.display())
        }
        LoadDataError::NoBase64DataOrFile => format!("{entry} is missing."),
    };
    match error {
        KubeconfigError::MissingClusterUrl => {
            format!("cluster \"{cluster}\" of the kubeconfig has no server.")
        }
        KubeconfigError::ParseClusterUrl(_) => {
            format!("the server of cluster \"{cluster}\" of the kubeconfig is no URL.")
        }
        KubeconfigError::ParseProxyUrl(_) => {
            format!("the proxy-url of cluster \"{cluster}\" of the kubeconfig is no URL.")
        }
        KubeconfigError::LoadCertificateAuthority(cause) => data(
            &format!("the certificate authority of cluster \"{cluster}\" of the kubeconfig"),
            cause,
        ),
        KubeconfigError::LoadClientCertificate(cause) => data(
            &format!("the client certificate of user \"{user}\" of the kubeconfig"),
            cause,
        ),
        KubeconfigError::LoadClientKey(cause) => data(
            &format!("the client key of user \"{user}\" of the kubeconfig"),
            cause,
        ),
        KubeconfigError::ParseCertificates(_) => no_authority(cluster),
        KubeconfigError::ParseNoProxy(_) => {
            "NO_PROXY has an entry that is no host, network or address.".into()
        }
        // These are about choosing and merging, which this program does itself.
        KubeconfigError::CurrentContextNotSet
        | KubeconfigError::KindMismatch
        | KubeconfigError::ApiVersionMismatch
        | KubeconfigError::LoadContext(_)
        | KubeconfigError::LoadClusterOfContext(_)
        | KubeconfigError::FindPath
        | KubeconfigError::ReadConfig(..)
        | KubeconfigError::Parse(_) => "the kubeconfig is not valid.".into(),
    }
}

/// The sentence for a certificate authority without a certificate.
pub fn no_authority(cluster: &str) -> String {
    format!(
        "the certificate authority of cluster \"{cluster}\" of the kubeconfig has no certificate in \
         PEM form."
    )
}

/// The sentence for certificates, keys and names that TLS can't use.
pub fn unusable_for_tls(cluster: &str, user: &str, error: &RustlsTlsError) -> String {
    match error {
        RustlsTlsError::InvalidIdentityPem(_) => format!(
            "the client certificate or the client key of user \"{user}\" of the kubeconfig is not \
             in PEM form."
        ),
        RustlsTlsError::MissingCertificate => format!(
            "the client certificate of user \"{user}\" of the kubeconfig has no certificate in PEM \
             form."
        ),
        RustlsTlsError::MissingPrivateKey | RustlsTlsError::UnknownPrivateKeyFormat => format!(
            "the client key of user \"{user}\" of the kubeconfig has no private key in PEM form."
        ),
        RustlsTlsError::InvalidPrivateKey(cause) => format!(
            "the client certificate and the client key of user \"{user}\" of the kubeconfig can't be \
             used together: {cause}."
        ),
        RustlsTlsError::InvalidServerName(_) => {
            format!("the tls-server-name for cluster \"{cluster}\" is no host name.")
        }
        RustlsTlsError::AddRootCertificate(cause) => {
            format!("the certificate authority for cluster \"{cluster}\" can't be used: {cause}.")
        }
        RustlsTlsError::NoValidNativeRootCA(cause) => {
            format!("the certificate authorities of this machine can't be read: {cause}.")
        }
    }
}
