//! Lets a client send so many requests while the instance lives. Clients are told apart by the header `x-api-key`.
//!
//! The guest has no clock: how long an instance lives, the operator says with `pool.max_age`.

use std::{cell::RefCell, collections::HashMap};

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    fn log(level: &str, message: &str);
    fn set_header(name: &str, value: &str);
    fn get_header(name: &str) -> String;
    fn get_env(name: &str) -> String;
}

const DEFAULT_LIMIT: u32 = 100;
/// Clients that are counted; those that come later count together.
const CLIENTS: usize = 10_000;
const LATER: &str = "";

struct Counts {
    limit: u32,
    requests: HashMap<String, u32>,
}

thread_local! {
    static COUNTS: RefCell<Counts> = RefCell::new(Counts { limit: DEFAULT_LIMIT, requests: HashMap::new() });
}

#[wasm_bindgen]
pub fn init() -> i32 {
    let limit = get_env("RATE_LIMIT");
    if limit.is_empty() {
        return 0;
    }
    match limit.parse() {
        Ok(limit) => {
            COUNTS.with_borrow_mut(|counts| counts.limit = limit);
            0
        }
        Err(_) => {
            log("error", "RATE_LIMIT is not a number");
            -1
        }
    }
}

#[wasm_bindgen]
pub fn process_request(_method: &str, _path: &str) -> i32 {
    let client = get_header("x-api-key");
    let (count, limit) = COUNTS.with_borrow_mut(|counts| (counts.count(client), counts.limit));
    if count > limit {
        return -1;
    }
    set_header("x-ratelimit-remaining", &(limit - count).to_string());
    0
}

impl Counts {
    fn count(&mut self, client: String) -> u32 {
        let is_known = self.requests.len() < CLIENTS || self.requests.contains_key(&client);
        let count = self.requests.entry(if is_known { client } else { LATER.to_owned() }).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

#[wasm_bindgen]
pub fn cleanup() -> i32 {
    0
}
