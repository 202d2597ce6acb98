use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The kernel reports processor time in hundredths of a second on every architecture Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running server; dropped, it is killed.
#[derive(Debug)]
pub struct Server(Child);

impl Server {
    /// Starts it on one processor, and waits until it answers.
    pub fn start(command: Command, processor: &str, address: SocketAddr) -> Self {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", processor]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            pinned.env(name, value.unwrap());
        }
        let server = Self(pinned.stdout(Stdio::null()).spawn().unwrap());
        let start = Instant::now();
        while !answers(address).unwrap_or(false) {
            assert!(start.elapsed() < Duration::from_secs(20), "{command:?} does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// User and system time of all its threads so far.
    pub fn processor_time(&self) -> Duration {
        // Behind the program's name, which may have any character, the 12th and 13th field.
        let stat = self.proc("stat");
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks: f64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
        Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
    }

    /// Bytes of its memory that were resident at one moment, at most.
    pub fn resident_peak(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
    }

    /// Has the peak count from now on.
    pub fn forget_resident_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.0.id()), "5").unwrap();
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn answers(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status == *b"HTTP/1.1 200")
}

/// An address that nobody listened on a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
