use std::convert::Infallible;

use http::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::{ServiceBuilder, service_fn};
use wasm_host::Body;
use wasm_host_hyper::PluginLayer;

use crate::common::{gate, serve};

/// Takes the connection over and answers every byte with itself.
async fn echo(mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut connection = TokioIo::new(upgrade.await.unwrap());
        let (mut read, mut write) = tokio::io::split(&mut connection);
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
    response.headers_mut().insert(header::UPGRADE, "echo".parse().unwrap());
    Ok(response)
}

#[tokio::test]
async fn an_upgrade_passes_after_the_request_phase() {
    let service = ServiceBuilder::new().layer(PluginLayer::new(gate().await)).service(service_fn(echo));
    let address = serve(service).await;
    let ask = async |token: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\nx-token: {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (stream, String::from_utf8(head).unwrap())
    };
    let (_, refused) = ask("shut").await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");

    let (mut stream, switched) = ask("open").await;
    assert!(switched.starts_with("HTTP/1.1 101 "), "{switched}");
    stream.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
}
