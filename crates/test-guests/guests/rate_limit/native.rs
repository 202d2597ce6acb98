//! Answers with what a rate limit decides: the rule from the configuration or from `x-rule`, the key from `x-key`, the cost
//! from `x-cost`. With `x-flood`, asks for that many keys and answers with how each kind of answer came how often.

use std::collections::BTreeMap;

use serde::Deserialize;
use wasm_host_guest::{
    Action, Config, Error, LocalResponse, OnRequest, Plugin, Request, Result, export,
    rate_limit::{self, Decision, RateLimitError, Rule, SlidingWindow, TokenBucket},
};

#[derive(Deserialize)]
struct Limit {
    #[serde(default)]
    bucket: Option<[u32; 3]>,
    #[serde(default)]
    window: Option<[u32; 2]>,
}

impl Plugin for Limit {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnRequest for Limit {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let text = |name: &str| request.header(name).and_then(|value| value.to_str().map(str::to_owned));
        let number = |name: &str| text(name).and_then(|text| text.parse::<u32>().ok());
        if let Some(keys) = number("x-flood") {
            let mut answers = BTreeMap::<String, u32>::new();
            for key in 0..keys {
                let answer = told(rate_limit::check(&format!("flood-{key}"), self.rule()?, 1));
                *answers.entry(answer).or_default() += 1;
            }
            return answer(200, format!("{answers:?}"));
        }
        let rules = number("x-rules").unwrap_or(1);
        let key = match text("x-odd-key").as_deref() {
            Some("long") => "k".repeat(513),
            Some("odd") => "\0/../\u{202e}:{}*".to_owned(),
            _ => text("x-key").unwrap_or_default(),
        };
        let mut last = String::new();
        for extra in 0..rules {
            let rule: Rule = match self.rule()? {
                Rule::TokenBucket(rule) => TokenBucket { capacity: rule.capacity + extra, ..rule }.into(),
                Rule::SlidingWindow(rule) => SlidingWindow { limit: rule.limit + extra, ..rule }.into(),
            };
            last = told(rate_limit::check(&key, rule, number("x-cost").unwrap_or(1)));
        }
        answer(if last.starts_with("admitted") { 200 } else { 429 }, last)
    }
}

impl Limit {
    fn rule(&self) -> Result<Rule> {
        match (self.bucket, self.window) {
            (Some([capacity, refill, period_ms]), _) => Ok(TokenBucket { capacity, refill, period_ms }.into()),
            (_, Some([limit, window_ms])) => Ok(SlidingWindow { limit, window_ms }.into()),
            _ => Err(Error::new("no rule")),
        }
    }
}

fn told(decision: Result<Decision, RateLimitError>) -> String {
    match decision {
        Ok(Decision { allowed: true, remaining, .. }) => format!("admitted, {remaining} left"),
        Ok(Decision { remaining, retry_after_ms, .. }) => format!("wait {retry_after_ms} ms, {remaining} left"),
        Err(error) => Error::from(error).to_string(),
    }
}

fn answer(status: u16, text: String) -> Result<Action> {
    Ok(LocalResponse::new(status)?.body(text)?.into())
}

export!(Limit: request);
