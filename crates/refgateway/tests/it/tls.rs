use std::{path::PathBuf, sync::Arc};

use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use refgateway::config::{Protocol, Tls};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::*;

/// A self-signed certificate for `localhost` in files.
struct Certificate {
    directory: tempfile::TempDir,
}

impl Certificate {
    fn new() -> Self {
        let certificate = Self { directory: tempfile::tempdir().unwrap() };
        certificate.renew();
        certificate
    }

    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(self.cert(), made.cert.pem()).unwrap();
        std::fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
    }

    fn cert(&self) -> PathBuf {
        self.directory.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    fn listener(&self) -> String {
        let (cert, key) = (self.cert(), self.key());
        format!(
            "listeners: [{{ address: '127.0.0.1:0', tls: {{ cert: '{}', key: '{}' }} }}]",
            cert.display(),
            key.display()
        )
    }

    async fn connect(&self, gateway: &Gateway, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.cert()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(gateway.address()).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }
}

#[tokio::test]
async fn http1_over_tls() {
    let (upstream, certificate) = (Upstream::echo().await, Certificate::new());
    let gateway = Gateway::with(upstream.address, &certificate.listener());
    let stream = certificate.connect(&gateway, &["http/1.1"]).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "localhost").body(body::empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let echo: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(echo["headers"]["x-forwarded-proto"][0], "https");
}

#[tokio::test]
async fn a_plugin_decides_over_tls() {
    let (upstream, certificate) = (Upstream::echo().await, Certificate::new());
    let chain = Plugged::to(upstream.address).through("gate", test_guests::NATIVE_GATE, "config: { token: open }");
    let gateway = Gateway::start(&format!("{}{}", chain.text(), certificate.listener()));
    for (token, status) in [("open", 200), ("wrong", 403)] {
        let stream = certificate.connect(&gateway, &["h2"]).await.unwrap();
        let (executor, io) = (TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("https://localhost/").header("x-token", token).body(body::empty()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status().as_u16(), status);
    }
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn plugins_are_told_how_the_connection_is_secured() {
    let (upstream, certificate) = (Upstream::echo().await, Certificate::new());
    let chain = Plugged::to(upstream.address).through("facts", test_guests::NATIVE_TELL_FACTS, "");
    let gateway = Gateway::start(&format!("{}{}", chain.text(), certificate.listener()));
    let stream = certificate.connect(&gateway, &["http/1.1"]).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "localhost").body(body::empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let told = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let told = String::from_utf8(told.to_vec()).unwrap();
    let facts = r#"tls Some(("TLSv1.3", Some("TLS_AES_256_GCM_SHA384"), Some("localhost"), Some("http/1.1"))), "#;
    assert!(told.contains(facts), "{told}");
}

#[tokio::test]
async fn http2_over_tls_by_alpn() {
    let (upstream, certificate) = (Upstream::echo().await, Certificate::new());
    let gateway = Gateway::with(upstream.address, &certificate.listener());
    let stream = certificate.connect(&gateway, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let executor = TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/").body(body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn certificates_are_read_again_on_reload() {
    let (upstream, certificate) = (Upstream::echo().await, Certificate::new());
    let text = format!(
        "routes: [{{ name: all, service: b }}]\nservices: [{{ name: b, upstreams: [{{ url: 'http://{}' }}] }}]\n{}",
        upstream.address,
        certificate.listener()
    );
    let gateway = Gateway::start(&text);
    certificate.connect(&gateway, &[]).await.unwrap();
    certificate.renew();
    assert!(certificate.connect(&gateway, &[]).await.is_err());
    gateway.try_reload(&text).unwrap();
    certificate.connect(&gateway, &[]).await.unwrap();
}

#[tokio::test]
async fn https_upstreams_are_verified_against_the_ca() {
    let (upstream, certificate) = (Upstream::echo().await, Certificate::new());
    let inner = Gateway::with(upstream.address, &certificate.listener());
    let outer = |ca: PathBuf, protocol: Protocol| {
        let protocol = if protocol == Protocol::Http1 { "http1" } else { "auto" };
        Gateway::start(&format!(
            "routes: [{{ name: all, service: b }}]\n\
             services: [{{ name: b, protocol: {protocol}, tls: {{ ca: '{}' }}, upstreams: [{{ url: 'https://localhost:{}' }}] }}]",
            ca.display(),
            inner.address().port()
        ))
    };
    for (protocol, via) in [(Protocol::Auto, "2 refgateway"), (Protocol::Http1, "1.1 refgateway")] {
        let answer = get(&outer(certificate.cert(), protocol).url("/")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let vias: Vec<_> = answer.headers.get_all("via").iter().collect();
        assert_eq!(vias, ["1.1 refgateway", via]);
    }
    let stranger = Certificate::new();
    assert_eq!(get(&outer(stranger.cert(), Protocol::Auto).url("/")).await.status, 502);
}

#[tokio::test]
async fn a_missing_certificate_is_named() {
    let missing = Tls { cert: "/nowhere/cert.pem".into(), key: "/nowhere/key.pem".into() };
    let config = refgateway::config::Config {
        listeners: vec![refgateway::config::Listener { address: "127.0.0.1:0".parse().unwrap(), tls: Some(missing) }],
        ..Default::default()
    };
    let error = refgateway::Server::start(config).unwrap_err().to_string();
    assert!(error.starts_with("cannot read PEM file /nowhere/cert.pem: "), "{error}");
}
