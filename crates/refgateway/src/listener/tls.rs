//! TLS towards clients.

use std::sync::Arc;

use rustls::{
    ProtocolVersion, ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use wasm_host::TlsFacts;

use crate::{config::Tls, error::Error};

/// Reads the certificate chain and key; offers HTTP/2 and HTTP/1.1.
pub(crate) fn server_config(tls: &Tls) -> Result<Arc<ServerConfig>, Error> {
    let unreadable = |file: &std::path::Path| {
        let file = file.to_owned();
        move |source| Error::Pem { file: file.clone(), source }
    };
    let unusable = |source| Error::Tls { file: Some(tls.cert.clone()), source };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(&tls.cert).and_then(Iterator::collect).map_err(unreadable(&tls.cert))?;
    if chain.is_empty() {
        return Err(Error::NoCertificate { file: tls.cert.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(unreadable(&tls.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What plugins are told of a client's connection.
pub(super) fn facts(session: &ServerConnection) -> TlsFacts {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
        other => format!("{other:?}"),
    };
    let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    TlsFacts {
        version,
        // The registry of IANA does not name the version of TLS again.
        cipher_suite: suite.map(|name| name.replacen("TLS13_", "TLS_", 1)),
        server_name: session.server_name().map(str::to_owned),
        alpn: session.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
    }
}
