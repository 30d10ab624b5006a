//! The certificate authorities of `OXEN_CA_FILE`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::error::ConfigError;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The usable certificates of a PEM file.
#[derive(Debug)]
pub struct Authorities {
    /// The usable certificates, as PEM.
    pub pem: Vec<u8>,
    /// A warning about certificates that are skipped, if there are any.
    pub warning: Option<String>,
}

/// The file of `OXEN_CA_FILE`, and what it contained.
#[derive(Debug)]
pub struct AuthoritiesFile {
    /// The file's path.
    pub path: PathBuf,
    /// The content that is used.
    content: Content,
    /// The content when the file was last read.
    read: Content,
}

/// The bytes of a file, or why it can't be read.
type Content = Result<Vec<u8>, String>;

impl AuthoritiesFile {
    /// Reads the file for the first time.
    pub(super) fn open(path: PathBuf) -> Self {
        let content = content(fs::read(&path));
        Self {
            path,
            read: content.clone(),
            content,
        }
    }

    /// Reads the file again. Returns true when its content changed, or whether it can be read. Two
    /// reads in a row have to agree, because the file may be read while somebody writes it.
    pub async fn has_changed(&mut self) -> bool {
        let before = std::mem::replace(&mut self.read, content(tokio::fs::read(&self.path).await));
        let changed = before == self.read && self.read != self.content;
        if changed {
            self.content.clone_from(&self.read);
        }
        changed
    }

    /// The certificates in the file. A certificate that can't be used is
    /// skipped, because the TLS stack would refuse all certificates because of it.
    ///
    /// # Errors
    ///
    /// Fails if there is no usable certificate. The error names the setting and the file.
    pub fn authorities(&self) -> Result<Authorities, ConfigError> {
        authorities(&self.path, &self.content)
    }
}

fn content(read: io::Result<Vec<u8>>) -> Content {
    read.map_err(|error| error.to_string())
}

fn authorities(file: &Path, content: &Content) -> Result<Authorities, ConfigError> {
    let problem = |why: String| {
        let file = file.display();
        ConfigError::new("OXEN_CA_FILE", format!("{file} {why}"))
    };
    let pem = content
        .as_ref()
        .map_err(|error| problem(format!("can't be read ({error})")))?;
    let text = String::from_utf8_lossy(pem);
    let all: Vec<&str> = certificates(&text).collect();
    let usable: Vec<&str> = all.iter().copied().filter(|one| is_usable(one)).collect();
    if all.is_empty() {
        let why = "contains no certificate; it must be PEM, with BEGIN CERTIFICATE lines";
        return Err(problem(why.into()));
    }
    if usable.is_empty() {
        let why = format!(
            "contains {} certificates, and none of them can be used",
            all.len()
        );
        return Err(problem(why));
    }
    let skipped = all.len() - usable.len();
    Ok(Authorities {
        pem: usable.join("\n").into_bytes(),
        warning: (skipped > 0).then(|| {
            format!(
                "OXEN_CA_FILE: {} contains {} certificates, and {skipped} of them can't be used \
                 and are skipped",
                file.display(),
                all.len()
            )
        }),
    })
}

/// The PEM sections of certificates. A section without an end marker reaches to the next section.
fn certificates(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices(BEGIN).map(|(start, _)| start);
    starts.map(|start| {
        let section = &text[start..];
        let next = section[BEGIN.len()..].find(BEGIN);
        let section = next.map_or(section, |next| &section[..BEGIN.len() + next]);
        let end = section.find(END);
        end.map_or(section, |end| &section[..end + END.len()])
    })
}

/// Returns true when the TLS stack accepts the certificate as an authority.
fn is_usable(pem: &str) -> bool {
    match reqwest::Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(one) if !one.is_empty() => {
            let client = reqwest::Client::builder().no_proxy().tls_certs_only(one);
            client.build().is_ok()
        }
        Ok(_) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    fn certificate() -> String {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        CertifiedIssuer::self_signed(params, key).unwrap().pem()
    }

    #[tokio::test]
    async fn a_change_counts_when_two_reads_agree() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("one");
        let mut followed = AuthoritiesFile::open(file.path().to_owned());
        assert!(!followed.has_changed().await);
        write("tw");
        assert!(!followed.has_changed().await, "half of it is written");
        write("two");
        assert!(!followed.has_changed().await);
        assert!(followed.has_changed().await);
        assert!(!followed.has_changed().await, "it is known");
        write("tw");
        assert!(!followed.has_changed().await);
        write("two");
        assert!(!followed.has_changed().await && !followed.has_changed().await);
        file.close().unwrap();
        assert!(!followed.has_changed().await && followed.has_changed().await);
    }

    fn read(pem: &[u8]) -> Result<Authorities, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(pem).unwrap();
        let file = AuthoritiesFile::open(file.path().to_owned());
        file.authorities().map_err(|error| error.to_string())
    }

    /// Certificates that can't be used: not DER, not base64, and cut off.
    fn unusable() -> [String; 3] {
        let cut = certificate();
        [
            format!("{BEGIN}\nMAA=\n{END}\n"),
            format!("{BEGIN}\n!!!\n{END}\n"),
            format!("{}\n", &cut[..cut.len() / 2]),
        ]
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_skipped_with_a_warning() {
        let good = certificate();
        let whole = read(format!("# ours\n{good}").as_bytes()).unwrap();
        assert_eq!(whole.warning, None);
        for bad in unusable() {
            let other = certificate();
            let bundle = [
                b"\xffcomment\n",
                good.as_bytes(),
                bad.as_bytes(),
                other.as_bytes(),
            ];
            let found = read(&bundle.concat()).unwrap();
            let warning = found.warning.unwrap();
            assert!(warning.starts_with("OXEN_CA_FILE"), "{warning}");
            assert!(
                warning.contains("3 certificates, and 1 of them"),
                "{warning}"
            );
            let usable = reqwest::Certificate::from_pem_bundle(&found.pem).unwrap();
            assert_eq!(usable.len(), 2, "{bad}");
            let client = reqwest::Client::builder().tls_certs_merge(usable);
            assert!(client.build().is_ok(), "{bad}");
        }
    }

    #[test]
    fn where_no_certificate_is_left_the_setting_is_named() {
        for bad in unusable() {
            let error = read(bad.as_bytes()).unwrap_err();
            assert!(error.starts_with("OXEN_CA_FILE"), "{error}");
            assert!(error.contains("none of them can be used"), "{error}");
        }
        for none in [
            "",
            "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----",
        ] {
            let error = read(none.as_bytes()).unwrap_err();
            assert!(error.contains("contains no certificate"), "{error}");
        }
    }
}
