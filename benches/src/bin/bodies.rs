//! Responses of many sizes through the gateway, by how a plugin reads them: `bodies [ROUNDS [SECONDS]]`.
//!
//! The gateway has processor 0 for itself; the upstream and the client share processor 1. The modes take turns, round
//! after round, the gateway started anew for each; within a round the sizes rise. Ratios are between figures of one
//! round. `REFGATEWAY` names another program than `target/release/refgateway`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints its result")]

use std::{
    env,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use benches::{LOAD_PROCESSOR, PROXY_PROCESSOR, Server, free_address, gateway, median};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SIZES: [(&str, u64); 4] = [("64 KiB", 64 * KIB), ("1 MiB", MIB), ("64 MiB", 64 * MIB), ("1 GiB", 1 << 30)];
/// The most that the plugin buffers. Its memory has 32 bits, and the host holds the body too.
const BUFFER: u64 = 64 * MIB;
/// Bytes of the upstream's body that repeat, a whole number of events.
const PIECE: u64 = 64 * KIB;
/// What the upstream hands to the kernel at once.
const FILE: u64 = 16 * PIECE;
const READ: usize = 256 << 10;

fn main() {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let rounds: u32 = arguments.next().unwrap_or(5);
    let seconds: f64 = arguments.next().map_or(1.0, f64::from);

    // Before there are threads, which inherit it.
    let this = std::process::id().to_string();
    assert!(Command::new("taskset").args(["-cp", LOAD_PROCESSOR, &this]).output().unwrap().status.success());
    let directory = tempfile::tempdir().unwrap();
    let upstream = start_upstream(directory.path());
    let mut results: Vec<[Vec<Sample>; SIZES.len()]> = MODES.iter().map(|_| Default::default()).collect();
    for round in 1..=rounds {
        for (mode, results) in MODES.iter().zip(&mut results) {
            let address = free_address();
            let gateway = Server::start(mode.command(directory.path(), address, upstream), PROXY_PROCESSOR, address);
            let mut client = Client::connect(address);
            for ((name, bytes), results) in SIZES.iter().zip(results) {
                if mode.is_buffer() && *bytes > BUFFER {
                    continue;
                }
                if *bytes <= MIB {
                    (0..20).for_each(|_| client.get(*bytes, mode.events));
                }
                gateway.forget_resident_peak();
                let before = gateway.processor_time();
                let start = Instant::now();
                let mut bodies = 0.0;
                while bodies == 0.0 || start.elapsed().as_secs_f64() < seconds {
                    client.get(*bytes, mode.events);
                    bodies += 1.0;
                }
                let mib = bodies * *bytes as f64 / MIB as f64;
                let sample = Sample {
                    speed: mib / start.elapsed().as_secs_f64(),
                    cpu: (gateway.processor_time() - before).as_secs_f64() * 1e6 / mib,
                    peak: gateway.resident_peak(),
                };
                eprintln!("round {round}: {}, {name}: {sample:.0?}", mode.name);
                results.push(sample);
            }
        }
    }
    print(&results);
}

struct Mode {
    name: &'static str,
    /// None: the gateway has no plugin.
    plugin: Option<&'static str>,
    /// Of each 64 KiB of the body.
    events: u64,
}

/// Without a plugin first: the others are compared with it.
const MODES: [Mode; 7] = [
    Mode { name: "no plugin", plugin: None, events: 1 },
    Mode { name: "headers only", plugin: Some(""), events: 1 },
    Mode { name: "stream(chunks)", plugin: Some(r#"response = { mode = "chunks" }"#), events: 1 },
    Mode { name: "stream(sse), 1 event", plugin: Some(r#"response = { mode = "sse" }"#), events: 1 },
    Mode { name: "stream(sse), 10 events", plugin: Some(r#"response = { mode = "sse" }"#), events: 10 },
    Mode { name: "stream(sse), 100 events", plugin: Some(r#"response = { mode = "sse" }"#), events: 100 },
    Mode { name: "buffer", plugin: Some(r#"response = { mode = "buffer", bytes = 67108864 }"#), events: 1 },
];

impl Mode {
    fn is_buffer(&self) -> bool {
        self.name == "buffer"
    }

    fn command(&self, directory: &Path, address: SocketAddr, upstream: SocketAddr) -> Command {
        let chain = if self.plugin.is_some() { r#"["bodies"]"# } else { "[]" };
        let mut rest = format!(r#"routes = [{{ name = "all", service = "upstream", chain = {chain} }}]"#);
        if let Some(plugin) = self.plugin {
            rest.push_str(&format!(
                r#"
[[plugins]]
name = "bodies"
file = "{}"
pool = {{ mode = "reuse" }}
config = {{ {plugin} }}
limits = {{ memory = "256MiB", body_bytes = "64MiB", cpu = "1s", wall = "10s" }}
"#,
                test_guests::NATIVE_BODIES
            ));
        }
        gateway(directory, address, upstream, &rest)
    }
}

#[derive(Debug)]
struct Sample {
    /// MiB per second.
    speed: f64,
    /// Microseconds of the gateway's processor time per MiB.
    cpu: f64,
    peak: u64,
}

fn print(results: &[[Vec<Sample>; SIZES.len()]]) {
    let none = results.first().unwrap();
    println!(
        "| body | mode | MiB/s | lowest–highest round | of that without | CPU µs/MiB | against none | peak, MiB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (index, ((size, _), none)) in SIZES.iter().zip(none).enumerate() {
        for (mode, results) in MODES.iter().zip(results) {
            let samples = results.get(index).unwrap();
            if samples.is_empty() {
                continue;
            }
            let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure));
            let ratio = |figure: fn(&Sample) -> f64| {
                median(samples.iter().zip(none).map(|(sample, none)| figure(sample) / figure(none)))
            };
            let speeds = samples.iter().map(|sample| sample.speed);
            let (low, high) = speeds.fold((f64::MAX, 0f64), |(low, high), x| (low.min(x), high.max(x)));
            println!(
                "| {size} | {} | {:.0} | {low:.0}–{high:.0} | {:.0} % | {:.0} | {:.2} × | {:.1} |",
                mode.name,
                of(|sample| sample.speed),
                ratio(|sample| sample.speed) * 100.0,
                of(|sample| sample.cpu),
                ratio(|sample| sample.cpu),
                of(|sample| sample.peak as f64 / MIB as f64),
            );
        }
    }
}

/// Answers `/BYTES/EVENTS` with so many bytes, of which each 64 KiB are so many events. Any other path has no bytes.
fn start_upstream(directory: &Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let directory = directory.to_owned();
    for events in [1, 10, 100] {
        fs::write(directory.join(events.to_string()), piece(events).repeat((FILE / PIECE) as usize)).unwrap();
    }
    thread::spawn(move || {
        for stream in listener.incoming() {
            let directory = directory.clone();
            // A gateway that is stopped breaks its connections off.
            thread::spawn(move || drop(answer(stream.unwrap(), &directory)));
        }
    });
    address
}

/// 64 KiB that are so many events, all of about one size.
fn piece(events: u64) -> String {
    const AROUND: u64 = "data: \n\n".len() as u64;
    let each = PIECE / events;
    let event = |bytes: u64| format!("data: {}\n\n", "x".repeat((bytes - AROUND) as usize));
    event(each).repeat((events - 1) as usize) + &event(PIECE - (events - 1) * each)
}

fn answer(mut stream: TcpStream, directory: &Path) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let Some(path) = request.split(' ').nth(1) else { return Ok(()) };
        let mut parts = path.split('/').skip(1);
        let bytes: u64 = parts.next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        let events = parts.next().unwrap_or("1");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut file = File::open(directory.join(events))?;
        let mut left = bytes;
        while left > 0 {
            // `sendfile`: the upstream copies nothing, and leaves its processor to the client.
            file.rewind()?;
            left -= io::copy(&mut (&file).take(left.min(FILE)), &mut stream)?;
        }
    }
}

/// One connection to the gateway, for one request after the other.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream, buffer: vec![0; READ], start: 0, end: 0 }
    }

    /// Reads a body, and finds it whole.
    fn get(&mut self, bytes: u64, events: u64) {
        write!(self.stream, "GET /{bytes}/{events} HTTP/1.1\r\nHost: bench\r\n\r\n").unwrap();
        let status = self.line();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        let (mut length, mut is_chunked) = (0, false);
        loop {
            let line = self.line().to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("transfer-encoding", value)) => is_chunked = value == "chunked",
                Some(_) => {}
                None => break,
            }
        }
        if is_chunked {
            loop {
                let chunk = u64::from_str_radix(&self.line(), 16).unwrap();
                self.skip(chunk);
                assert_eq!(self.line(), "");
                length += chunk;
                if chunk == 0 {
                    break;
                }
            }
        } else {
            self.skip(length);
        }
        assert_eq!(length, bytes);
    }

    fn skip(&mut self, bytes: u64) {
        let mut left = bytes as usize;
        while left > 0 {
            if self.start == self.end {
                self.fill();
            }
            let skipped = left.min(self.end - self.start);
            self.start += skipped;
            left -= skipped;
        }
    }

    /// The next line, without its end.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if self.start == self.end {
                self.fill();
            }
            let there = self.buffer.get(self.start..self.end).unwrap();
            let taken = there.iter().position(|byte| *byte == b'\n').map_or(there.len(), |at| at + 1);
            line.extend_from_slice(there.get(..taken).unwrap());
            self.start += taken;
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    fn fill(&mut self) {
        (self.start, self.end) = (0, self.stream.read(&mut self.buffer).unwrap());
        assert!(self.end > 0, "the gateway broke the connection off");
    }
}
