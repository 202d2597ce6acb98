//! Puts `x-send` into the queue `x-queue`, or takes up to `x-receive` items out of it, and shows what came of it in the
//! header that its configuration names. With `x-flood`, sends as often, items or queues of that many bytes or names.

use std::collections::BTreeMap;

use serde::Deserialize;
use wasm_host_guest::{Action, Config, Error, OnRequest, Plugin, Request, Result, export, queue};

#[derive(Deserialize)]
struct Queue {
    shows: String,
    #[serde(default)]
    sends: bool,
    #[serde(default)]
    receives: bool,
}

impl Plugin for Queue {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnRequest for Queue {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let text = |name: &str| request.header(name).and_then(|value| value.to_str().map(str::to_owned));
        let number = |name: &str| text(name).and_then(|text| text.parse::<u32>().ok());
        let name = text("x-queue").unwrap_or_default();
        let mut told = Vec::new();
        if let Some(times) = number("x-flood") {
            told.push(flood(&name, times, number("x-bytes").unwrap_or_default(), request.header("x-names").is_some()));
        }
        if let Some(item) = text("x-send").filter(|_| self.sends) {
            told.push(result(queue::enqueue(&name, item).map(|()| "sent".to_owned())));
        }
        if let Some(max) = number("x-receive").filter(|_| self.receives) {
            let received = match max {
                1 => queue::dequeue(&name).map(|item| item.into_iter().collect()),
                _ => queue::dequeue_many(&name, max),
            };
            let items =
                |items: Vec<Vec<u8>>| items.iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect();
            told.push(result(received.map(|received| {
                let items: Vec<String> = items(received);
                items.join(",")
            })));
        }
        told.push(result(queue::length(&name).map(|length| length.to_string())));
        request.set_header(self.shows.as_str(), told.join("; "))?;
        Ok(Action::Continue)
    }
}

/// How often each answer came.
fn flood(name: &str, times: u32, bytes: u32, names: bool) -> String {
    let mut answers = BTreeMap::<String, u32>::new();
    for number in 0..times {
        let name = if names { format!("{name}-{number}") } else { name.to_owned() };
        let answer = result(queue::enqueue(&name, vec![b'x'; bytes as usize]).map(|()| "sent".to_owned()));
        *answers.entry(answer).or_default() += 1;
    }
    format!("{answers:?}")
}

fn result(outcome: Result<String, queue::QueueError>) -> String {
    outcome.unwrap_or_else(|error| Error::from(error).to_string())
}

export!(Queue: request);
