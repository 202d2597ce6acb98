//! A slow reader slows the upstream, and memory does not grow.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const GIB: u64 = 1 << 30;
/// What the sockets of both connections, the frames between them and one piece of the plugin may hold.
const HELD_BACK: u64 = 16 << 20;
/// How much more memory the gateway may have for it.
const GROWTH: u64 = 32 << 20;

/// Answers with this many bytes in one body, as fast as it can, and counts those that the gateway took.
async fn pouring(bytes: u64) -> (SocketAddr, Arc<AtomicU64>) {
    const CHUNK: usize = 256 << 10;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let written = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&written);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        SockRef::from(&stream).set_send_buffer_size(64 << 10).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n").as_bytes()).await.unwrap();
        let chunk = vec![b'x'; CHUNK];
        while counter.load(SeqCst) < bytes {
            let count = stream.write(&chunk).await.unwrap();
            counter.fetch_add(count as u64, SeqCst);
        }
        let _ = stream.read_u8().await;
    });
    (address, written)
}

/// So many KiB of this process's memory, by their name in `/proc`.
fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// A number that has not changed for a while.
async fn settled(number: &AtomicU64) -> u64 {
    let mut before = u64::MAX;
    loop {
        let now = number.load(SeqCst);
        if now == before {
            return now;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A process of its own: the memory of this one is that of all tests.
fn start(upstream: SocketAddr) -> (tempfile::TempDir, Running, String) {
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nadmin: {{ enabled: false }}\nworkers: 1\naccess_log: false\n{}",
        Plugged::to(upstream).reading("{ response: { mode: chunks, act: pass } }", "").text()
    );
    let (directory, config) = file("gateway.yaml", &text);
    let mut gateway = Running::start(&["run", "--config", &config]);
    let address = gateway.address();
    (directory, gateway, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_flows_in_bounded_memory_as_fast_as_it_is_read() {
    let (upstream, written) = pouring(GIB).await;
    let (_directory, gateway, address) = start(upstream);
    let pid = gateway.child.id();
    let before = memory(pid, "VmRSS");
    // From now on the peak is that of this request.
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();

    let mut client = TcpStream::connect(&address).await.unwrap();
    SockRef::from(&client).set_recv_buffer_size(64 << 10).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let held = settled(&written).await;
    assert!(0 < held && held < HELD_BACK, "a client that does not read, and the upstream could send {held} bytes");

    let (mut read, mut buffer) = (0_u64, vec![0; 256 << 10]);
    let mut furthest = 0;
    loop {
        let count = client.read(&mut buffer).await.unwrap();
        if count == 0 {
            break;
        }
        read += count as u64;
        furthest = furthest.max(written.load(SeqCst).saturating_sub(read));
    }
    let growth = memory(pid, "VmHWM").saturating_sub(before);
    assert!(read >= GIB, "{read}");
    assert!(furthest < HELD_BACK, "the upstream was {furthest} bytes ahead");
    assert!(growth < GROWTH, "memory grew by {growth} bytes");
}

#[tokio::test]
async fn an_http2_client_that_does_not_read_holds_the_upstream_back() {
    const BYTES: u64 = 128 << 20;
    let (upstream, written) = pouring(BYTES).await;
    let gateway = Plugged::to(upstream).reading("{ response: { mode: chunks, act: pass } }", "").start();
    let request = Request::get(gateway.url("/")).body(body::empty()).unwrap();
    let mut body = h2_client().request(request).await.unwrap().into_body();
    let held = settled(&written).await;
    assert!(0 < held && held < 2 * HELD_BACK, "{held}");
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().into_data().unwrap().len() as u64;
    }
    assert_eq!(read, BYTES);
}

#[tokio::test]
async fn an_upstream_that_does_not_read_holds_the_client_back() {
    for is_h2_client in [false, true] {
        let wire = Wire { is_h2_client, is_h2_upstream: false };
        let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel::<()>();
        let ask = Arc::new(ask);
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let opened = Arc::clone(&gate);
        let upstream = Upstream::start(move |request: Request<Incoming>| {
            let (ask, opened) = (Arc::clone(&ask), Arc::clone(&opened));
            async move {
                ask.send(()).unwrap();
                let _open = opened.acquire().await.unwrap();
                let mut body = request.into_body();
                let mut bytes = 0;
                while let Some(frame) = body.frame().await {
                    bytes += frame.unwrap().into_data().unwrap().len();
                }
                http::Response::new(body::full(bytes.to_string()))
            }
        })
        .await;
        let gateway = wire.gateway(&upstream, "{ request: { mode: chunks, act: pass } }", "");
        const FRAME: usize = 64 << 10;
        let taken = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&taken);
        let frames = (0..2048).map(move |_| {
            counter.fetch_add(FRAME as u64, SeqCst);
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(&[b'x'; FRAME])))
        });
        let body = body::boxed(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
        let request = post_to(&gateway, body);
        let sending = tokio::spawn(async move { send(&wire.client(), request).await });
        asked.recv().await.unwrap();
        let held = settled(&taken).await;
        assert!(held < 2 * HELD_BACK, "{wire:?}: {held}");
        gate.add_permits(1);
        assert_eq!(sending.await.unwrap().text(), (2048 * FRAME).to_string());
    }
}
