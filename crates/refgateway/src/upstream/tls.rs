//! How `https` upstreams are verified.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{config::Protocol, error::Error};

/// Client configs for one set of roots, one for each thing ALPN may offer.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// For requests: what the service's protocol allows.
    pub any: Arc<ClientConfig>,
    /// For upgrades, which only HTTP/1.1 has.
    pub http1: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts the certificates in `ca`, or the system's.
    pub fn new(ca: Option<&Path>, protocol: Protocol) -> Result<Self, Error> {
        let roots = match ca {
            Some(file) => roots_of(file)?,
            None => system_roots(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut http1 = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| Error::Tls { file: ca.map(Path::to_owned), source })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut any = http1.clone();
        any.alpn_protocols = match protocol {
            Protocol::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::H2c => vec![b"h2".to_vec()],
        };
        Ok(Self { any: Arc::new(any), http1: Arc::new(http1) })
    }
}

fn roots_of(file: &Path) -> Result<RootCertStore, Error> {
    let unreadable = |source| Error::Pem { file: file.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
        roots
            .add(certificate.map_err(unreadable)?)
            .map_err(|source| Error::Tls { file: Some(file.to_owned()), source })?;
    }
    if roots.is_empty() {
        return Err(Error::NoCertificate { file: file.to_owned() });
    }
    Ok(roots)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a system certificate cannot be used");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}
