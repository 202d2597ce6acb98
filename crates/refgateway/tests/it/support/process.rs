use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
};

/// The program with these arguments.
pub(crate) fn refgateway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refgateway"));
    command.args(arguments);
    for variable in ["RUST_LOG", "PLUGIN_DIR", "PLUGIN_MEMORY_LIMIT", "PLUGIN_TIMEOUT", "PLUGIN_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// Runs it to its end: exit code, standard output, standard error.
pub(crate) fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = refgateway(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A file of its own; it goes with the directory.
pub(crate) fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    (directory, path.display().to_string())
}

/// A running process that is killed with the test, and its log lines.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: std::io::Lines<BufReader<std::process::ChildStderr>>,
    read: Vec<String>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(arguments, &[])
    }

    /// With these environment variables.
    pub(crate) fn start_in(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = refgateway(arguments);
        let mut child = command.envs(variables.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log, read: Vec::new() }
    }

    /// The next log line with this text, as JSON.
    pub(crate) fn line(&mut self, text: &str) -> serde_json::Value {
        for line in self.log.by_ref().map(Result::unwrap) {
            self.read.push(line);
            let line = &self.read[self.read.len() - 1];
            if line.contains(text) {
                return serde_json::from_str(line).unwrap();
            }
        }
        panic!("no {text:?} in the log: {:#?}", self.read)
    }

    /// Where it listens, once it does.
    pub(crate) fn address(&mut self) -> String {
        self.line("listening")["address"].as_str().unwrap().to_owned()
    }

    /// Where its admin listener is, once it listens: ask for it after [`Running::address`].
    pub(crate) fn admin_address(&mut self) -> String {
        self.line("\"admin\"")["address"].as_str().unwrap().to_owned()
    }

    /// Ends it, and returns every line of its log.
    pub(crate) fn whole_log(mut self) -> String {
        self.signal("-TERM");
        self.read.extend(self.log.by_ref().map(Result::unwrap));
        self.read.join("\n")
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
