//! Does what the header `x-do` says, to prove that each limit stops it.

use std::{hint::black_box, time::Duration};

use wasm_host_guest::{
    Action, Config, Error, LocalResponse, OnRequest, OnResponse, Plugin, Request, Response, Result, export, log,
};

struct Misbehave;

impl Plugin for Misbehave {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Misbehave {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        request.set_header("x-half-done", "yes")?;
        let what = request.header("x-do");
        match what.as_ref().and_then(|what| what.to_str()).unwrap_or_default() {
            "loop" => loop {
                black_box(());
            },
            "hostcalls" => loop {
                black_box(request.header("x-do"));
            },
            "sleep" => std::thread::sleep(Duration::from_secs(60)),
            "sleep-often" => loop {
                std::thread::sleep(Duration::from_millis(1));
            },
            "sleep-briefly" => std::thread::sleep(Duration::from_millis(400)),
            "memory" => loop {
                black_box(vec![1_u8; 1 << 20]).leak();
            },
            "too-much" => {
                let mut kept: Vec<Vec<u8>> = Vec::new();
                for number in 0..200_u8 {
                    assert!(Vec::<u8>::new().try_reserve(16 << 20).is_err());
                    kept.push(vec![number; 2048]);
                }
                let is_whole =
                    |(number, piece): (usize, &Vec<u8>)| piece.iter().all(|byte| usize::from(*byte) == number);
                assert!(kept.iter().enumerate().all(is_whole), "allocations overlap");
            }
            "stack" => {
                black_box(descend(black_box(0)));
            }
            "panic" => panic!("the plugin gave up"),
            "trap" => core::arch::wasm32::unreachable(),
            "error" => return Err(Error::new("not today")),
            "response" => return Ok(LocalResponse::new(200)?.body(vec![b'x'; 2 << 20])?.into()),
            "responses" => {
                let mut kept = Vec::new();
                loop {
                    kept.push(LocalResponse::new(200)?.header("x-pad", vec![b'x'; 1024])?);
                }
            }
            "hoard" => std::mem::forget(LocalResponse::new(200)?.body(vec![b'x'; 1 << 10])?),
            "handover" => request.set_header("x-big", vec![b'x'; 8 << 20])?,
            "log" => {
                for number in 0..1000 {
                    log::info(&format!("{number} {}", "x".repeat(100)));
                }
            }
            "print" => {
                for _ in 0..1000 {
                    println!("{}", "y".repeat(100));
                }
            }
            _ => {}
        }
        Ok(Action::Continue)
    }
}

impl OnResponse for Misbehave {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        response.set_header("x-half-done", "yes")?;
        match response.header("x-do") {
            Some(what) if what == "panic" => panic!("the plugin gave up on the response"),
            _ => Ok(Action::Continue),
        }
    }
}

fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    descend(depth + 1) + frame[7]
}

export!(Misbehave: request, response);
