use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A `redis-server` of its own, which keeps nothing on disk.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    address: SocketAddr,
}

impl RedisServer {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When there is no `redis-server` to start, or it does not answer.
    pub fn start() -> Self {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let mut server = Self::spawn(free_address());
            if server.answers_before(give_up) {
                return server;
            }
            assert!(Instant::now() < give_up, "redis-server did not answer within {PATIENCE:?}");
        }
    }

    fn spawn(address: SocketAddr) -> Self {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `redis-server` ({error}): install the package redis-server"));
        Self { child, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as clients are told.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Stops it; its clients lose their connections.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after [`RedisServer::stop`], empty, where it was.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub fn restart(&mut self) {
        self.stop();
        let give_up = Instant::now() + PATIENCE;
        let mut server = Self::spawn(self.address);
        assert!(server.answers_before(give_up), "redis-server does not start on {} again", self.address);
        *self = server;
    }

    /// Whether it answers. False: it ended, because another process took the port.
    fn answers_before(&mut self, give_up: Instant) -> bool {
        while Instant::now() < give_up && matches!(self.child.try_wait(), Ok(None)) {
            if ping(self.address).is_ok_and(|answer| answer.starts_with(b"+PONG")) {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("no free port: {error}"))
}

fn ping(address: SocketAddr) -> std::io::Result<[u8; 7]> {
    let mut connection = TcpStream::connect(address)?;
    connection.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    connection.read_exact(&mut answer)?;
    Ok(answer)
}
