use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::SECRET;

/// The kernel reports processor time in hundredths of a second on every architecture Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// More than the slowest server takes, which loads a thousand plugins.
const STARTING: Duration = Duration::from_secs(60);
/// With which `taskset` ends when there is no such program.
const NOT_FOUND: i32 = 127;

/// A running server; dropped, it is killed.
#[derive(Debug)]
pub struct Server(Child);

impl Server {
    /// Starts it on one processor, and waits until it answers.
    pub fn start(command: Command, processor: &str, address: SocketAddr) -> Self {
        Self::try_start(command, processor, address, "/").unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// The same for a program that may not be there, and that answers requests for this path. Fails with the reason.
    pub fn try_start(command: Command, processor: &str, address: SocketAddr, path: &str) -> Result<Self, String> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", processor]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            pinned.env(name, value.unwrap());
        }
        let program = Path::new(command.get_program()).file_name().unwrap_or_default().display();
        let mut server = Self(pinned.stdout(Stdio::null()).spawn().map_err(|error| format!("`taskset`: {error}"))?);
        let start = Instant::now();
        while !answers(address, path) {
            if let Some(status) = server.0.try_wait().unwrap() {
                return Err(match status.code() {
                    Some(NOT_FOUND) => format!("`{program}` is not there"),
                    _ => format!("`{program}` ended ({status})"),
                });
            }
            if start.elapsed() > STARTING {
                return Err(format!("`{program}` does not answer within {} s", STARTING.as_secs()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// User and system time of all its threads so far.
    pub fn processor_time(&self) -> Duration {
        // Behind the program's name, which may have any character, the 12th and 13th field.
        let stat = self.proc("stat");
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks: f64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
        Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
    }

    /// Sends it SIGHUP: to read its config again.
    pub fn hang_up(&self) {
        assert!(Command::new("kill").args(["-HUP", &self.0.id().to_string()]).status().unwrap().success());
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

fn answers(address: SocketAddr, path: &str) -> bool {
    get(address, path, &[SECRET]).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Asks once for a path, with these headers. The answer as it comes.
pub fn get(address: SocketAddr, path: &str, headers: &[&str]) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let headers: String = headers.iter().flat_map(|header| [header, "\r\n"]).collect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// An address that nobody listened on a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
