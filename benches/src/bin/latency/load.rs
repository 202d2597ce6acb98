//! Clients and upstream, on one thread that never sleeps: an answer is seen within microseconds of when it is there, and no
//! switch between threads is measured with it.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use benches::SECRET;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use crate::{answers::Answers, stolen::Stolen};

const CLIENTS: u32 = 32;
const LISTENER: Token = Token(usize::MAX - 1);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

/// How fast the clients ask.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each asks again when it has the answer.
    AtOnce,
    /// So many requests a second, of all clients, whether or not the answers keep up.
    Rate(f64),
}

#[derive(Debug)]
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    /// Connections to the upstream, by their token.
    served: HashMap<Token, TcpStream>,
    next_token: usize,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    due: Instant,
    /// From when the request under way counts.
    since: Option<Instant>,
    answer: Vec<u8>,
}

impl Load {
    pub(crate) fn new() -> Self {
        let poll = Poll::new().unwrap();
        let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).unwrap();
        let (served, clients) = (HashMap::new(), Vec::new());
        Self { poll, events: Events::with_capacity(256), listener, served, next_token: CLIENTS as usize, clients }
    }

    /// Where the upstream listens.
    pub(crate) fn upstream(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Answers as the upstream while something else goes on.
    pub(crate) fn serve_during<T: Send>(&mut self, work: impl FnOnce() -> T + Send) -> T {
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            let working = scope.spawn(|| {
                let result = work();
                is_done.store(true, Ordering::Relaxed);
                result
            });
            while !is_done.load(Ordering::Relaxed) && !working.is_finished() {
                self.turn(&mut Answers::default());
                thread::sleep(Duration::from_millis(1));
            }
            working.join().unwrap()
        })
    }

    /// Connects the clients to the gateway. They stay until they are disconnected.
    pub(crate) fn connect(&mut self, gateway: SocketAddr) {
        for number in 0..CLIENTS as usize {
            let stream = std::net::TcpStream::connect(gateway).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            let mut stream = TcpStream::from_std(stream);
            self.poll.registry().register(&mut stream, Token(number), Interest::READABLE).unwrap();
            self.clients.push(Client { stream, due: Instant::now(), since: None, answer: Vec::new() });
        }
    }

    pub(crate) fn disconnect(&mut self) {
        self.clients.clear();
    }

    /// Asks for so long, and waits for the last answers.
    pub(crate) fn ask(&mut self, pace: Pace, time: Duration) -> Answers {
        let every = match pace {
            Pace::AtOnce => Duration::ZERO,
            Pace::Rate(rate) => Duration::from_secs_f64(f64::from(CLIENTS) / rate),
        };
        let start = Instant::now();
        for (client, number) in self.clients.iter_mut().zip(0..) {
            client.due = start + every * number / CLIENTS;
        }
        let (mut answers, mut stolen) = (Answers::default(), Stolen::watch());
        while self.clients.iter().any(|client| client.due < start + time || client.since.is_some()) {
            self.turn(&mut answers);
            let now = Instant::now();
            stolen.look_in_time(now);
            for client in &mut self.clients {
                if client.since.is_none() && client.due <= now && client.due < start + time {
                    // At a rate, a request counts from when it was due, also when its client still had to wait then.
                    let is_paced = !every.is_zero();
                    client.ask(if is_paced { client.due } else { now });
                    client.due = if is_paced { client.due + every } else { now };
                }
            }
        }
        stolen.look(Instant::now());
        answers.leave_out(&stolen);
        answers
    }

    /// Looks at what has come, once.
    fn turn(&mut self, answers: &mut Answers) {
        self.poll.poll(&mut self.events, Some(Duration::ZERO)).unwrap();
        let mut has_guests = false;
        for event in &self.events {
            let token = event.token();
            if token == LISTENER {
                has_guests = true;
            } else if let Some(client) = self.clients.get_mut(token.0) {
                client.hear(answers);
            } else if let Some(stream) = self.served.get_mut(&token)
                && !serve(stream)
            {
                self.served.remove(&token);
            }
        }
        while has_guests && let Ok((mut stream, _)) = self.listener.accept() {
            let token = Token(self.next_token);
            self.next_token += 1;
            stream.set_nodelay(true).unwrap();
            self.poll.registry().register(&mut stream, token, Interest::READABLE).unwrap();
            self.served.insert(token, stream);
        }
    }
}

impl Client {
    fn ask(&mut self, since: Instant) {
        self.since = Some(since);
        let request = format!("GET /api/items/42 HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n{SECRET}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).unwrap();
    }

    fn hear(&mut self, answers: &mut Answers) {
        let mut piece = [0; 4096];
        let is_open = read_all(&mut self.stream, &mut piece, |bytes| self.answer.extend_from_slice(bytes));
        assert!(is_open, "the gateway closed a connection: {}", String::from_utf8_lossy(&self.answer));
        let Some(since) = self.since else { return };
        if let Some(is_ok) = whole(&self.answer) {
            answers.note(since, is_ok);
            self.since = None;
            self.answer.clear();
        }
    }
}

/// Answers each request on an upstream's connection. Whether it is still open. Requests have no body.
fn serve(stream: &mut TcpStream) -> bool {
    let mut piece = [0; 4096];
    let mut is_whole = false;
    let is_open = read_all(stream, &mut piece, |bytes| is_whole = bytes.ends_with(b"\r\n\r\n"));
    is_open && (!is_whole || stream.write_all(ANSWER).is_ok())
}

/// Reads what is there. Whether the other side may send more.
fn read_all(stream: &mut TcpStream, piece: &mut [u8], mut take: impl FnMut(&[u8])) -> bool {
    loop {
        match stream.read(piece) {
            Ok(0) => return false,
            Ok(length) => take(piece.get(..length).unwrap_or_default()),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Whether the answer is a 200, when it is all there.
fn whole(bytes: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    (body.len() >= length.unwrap_or(0)).then(|| text.starts_with("HTTP/1.1 200"))
}
