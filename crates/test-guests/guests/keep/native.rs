//! Uses its key-value store as the header `x-do` says, and answers with what came of it.

use std::{hint::black_box, time::Duration};

use serde::Deserialize;
use wasm_host_guest::{
    Action, Config, LocalResponse, OnRequest, Plugin, Request, Result,
    bindings::imports::wasi::keyvalue::{atomics, batch, store},
    export,
    kv::{Bucket, KvError, Swapped},
};

#[derive(Deserialize)]
struct Keep {
    /// The bucket; the plugin's own where nothing is said.
    #[serde(default)]
    bucket: String,
}

impl Plugin for Keep {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnRequest for Keep {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let header = |name| request.header(name).and_then(|value| value.to_str().map(str::to_owned));
        let times = header("x-times").and_then(|times| times.parse().ok()).unwrap_or(1);
        let bucket = Bucket::open(&self.bucket)?;
        let told = match header("x-do").as_deref().unwrap_or_default() {
            "count" => bucket.increment("hits", 1)?.to_string(),
            "tour" => tour(&bucket)?,
            "standard" => standard(&self.bucket).map_err(|error| wasm_host_guest::Error::new(format!("{error:?}")))?,
            "write" => format!("{:?}", bucket.set("written", "1")),
            "huge" => huge(&bucket),
            "flood" => flood(&bucket)?,
            "list" => list(&bucket)?,
            "names" => names(&bucket)?,
            "seen" => bucket.keys().collect::<Result<Vec<_>, _>>()?.len().to_string(),
            "hoard" => hoard(&bucket)?,
            "greedy" => format!("{:?}", bucket.get_many(&vec!["big".to_owned(); 1000])),
            "get" => repeat(times, || bucket.get("bench").map(|value| black_box(value).is_some()))?,
            "set" => repeat(times, || bucket.set("bench", [7_u8; 100]).map(|()| true))?,
            "add" => repeat(times, || bucket.increment("number", 1).map(|_| true))?,
            _ => return Ok(Action::Continue),
        };
        Ok(LocalResponse::new(200)?.body(told)?.into())
    }
}

fn tour(bucket: &Bucket) -> Result<String> {
    let mut told = Vec::new();
    bucket.set_for("a", "1", Duration::from_secs(60))?;
    told.push(format!("{:?} {:?}", bucket.get("a")?, bucket.exists("a")?));
    let lives = matches!(bucket.lifetime("a")?, wasm_host_guest::kv::Lifetime::For(left) if left.as_secs() >= 50);
    told.push(format!("{lives} {:?}", bucket.lifetime("b")?));
    told.push(format!("{} {}", bucket.increment("a", 41)?, bucket.increment_for("n", -2, Duration::from_secs(60))?));
    bucket.set_many([("x", "1"), ("y", "2")], None)?;
    told.push(format!("{:?}", bucket.get_many(&["y".into(), "z".into()])?));
    bucket.delete_many(&["a".into(), "n".into(), "z".into()])?;
    told.push(format!("{:?}", bucket.keys().collect::<Result<Vec<_>, _>>()?));
    let (first, late) = (bucket.watch("x")?, bucket.watch("x")?);
    told.push(format!("{}", matches!(first.swap("3")?, Swapped::Done)));
    let Swapped::Changed(again) = late.swap("4")? else { return Ok("nobody saw the change".to_owned()) };
    told.push(format!("{:?} {}", again.current()?, matches!(again.swap("5")?, Swapped::Done)));
    told.push(format!("{:?}", bucket.update("x", |value| [value.unwrap_or_default(), b"!".to_vec()].concat())?));
    bucket.set("text", "one")?;
    told.push(format!("{:?} {:?}", bucket.increment("text", 1), bucket.set("", "1")));
    told.push(format!("{:?}", bucket.set_for("x", "1", Duration::ZERO)));
    Ok(told.join("\n"))
}

/// What a guest written for other hosts does.
fn standard(name: &str) -> Result<String, store::Error> {
    let bucket = store::open(name)?;
    bucket.set("a", b"1")?;
    let sum = atomics::increment(&bucket, "a", 2)?;
    batch::set_many(&bucket, &[("b".into(), b"2".to_vec()), ("c".into(), b"3".to_vec())])?;
    let many = batch::get_many(&bucket, &["a".into(), "none".into()])?;
    let (first, late) = (atomics::Cas::new(&bucket, "b")?, atomics::Cas::new(&bucket, "b")?);
    let swapped = atomics::swap(first, b"4").is_ok();
    let failed = match atomics::swap(late, b"5") {
        Err(atomics::CasError::CasFailed(now)) => now.current()?,
        _ => None,
    };
    batch::delete_many(&bucket, &["c".into()])?;
    let page = bucket.list_keys(None)?;
    let refused = atomics::increment(&bucket, "b", i64::MAX);
    Ok(format!("{sum} {many:?} {swapped} {failed:?} {:?} {:?} {refused:?}", page.keys, page.cursor))
}

fn huge(bucket: &Bucket) -> String {
    let values = [(1 << 20) - 1, 1 << 20, (1 << 20) + 1];
    values.map(|bytes| format!("{:?}", bucket.set("huge", vec![7; bytes]))).join(" ")
}

/// Keys until there is no room, which must be there again when one goes.
fn flood(bucket: &Bucket) -> Result<String> {
    let mut number = 0;
    let refused = loop {
        match bucket.set(&format!("key-{number}"), "") {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    bucket.delete("key-0")?;
    bucket.set("again", "")?;
    Ok(format!("{number} {refused:?} {:?}", bucket.increment("one-more", 1)))
}

/// Ten thousand keys, listed page by page.
fn list(bucket: &Bucket) -> Result<String> {
    for thousand in 0..10 {
        let keys = (0..1000).map(|number| (format!("{:05}", thousand * 1000 + number), ""));
        bucket.set_many(keys, None)?;
    }
    let (mut pages, mut keys, mut cursor) = (0, Vec::new(), None);
    loop {
        let page = bucket.page(cursor.as_deref())?;
        pages += 1;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let in_order = keys.iter().enumerate().all(|(number, key)| *key == format!("{number:05}"));
    Ok(format!("{} keys in {pages} pages, in order: {in_order}", keys.len()))
}

/// Names that would reach elsewhere if a key were a path.
fn names(bucket: &Bucket) -> Result<String> {
    let names = ["/", "../other/k", "plugin:other/k", "\0", "a\0b", "}:v", "*", "shared:sessions\0k", "ключ"];
    for name in names {
        bucket.set(name, name)?;
    }
    let mut wrong = Vec::new();
    for name in names {
        if bucket.get(name)?.as_deref() != Some(name.as_bytes()) {
            wrong.push(name);
        }
    }
    Ok(format!("{wrong:?} {}", bucket.keys().count()))
}

/// Handles until the host has enough of it.
fn hoard(bucket: &Bucket) -> Result<String> {
    let mut kept = Vec::new();
    loop {
        kept.push(bucket.watch("k")?);
    }
}

fn repeat(times: u32, mut work: impl FnMut() -> Result<bool, KvError>) -> Result<String> {
    let mut found = 0;
    for _ in 0..times {
        found += u32::from(work()?);
    }
    Ok(found.to_string())
}

export!(Keep: request);
