//! One table of what guests do, run on every ABI that can express it.
//!
//! Each ABI has a guest, `scenario/<abi>.rs` or `.c`, that does what the header `x-scenario` says. The request carries
//! that header, and so does the upstream's response.

use std::time::Duration;

use http::{HeaderValue, Request};
use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{Body, FailureClass, Limits, Plugin, PluginBuilder, RequestOutcome};

use crate::common::{engine, open, text};

/// An ABI with its guest.
struct Abi {
    name: &'static str,
    file: &'static str,
    /// What the guest is used as, in the words of its ABI.
    options: Value,
    /// The message that a guest of the ABI edits when it sees a request.
    edits: Edits,
    /// Scenarios of [`COMMON`] that the ABI has no words for.
    cannot: &'static [&'static str],
    /// What only this ABI can do wrong, and what comes of it: none where the guest is told and the message goes on.
    wrong: &'static [(&'static str, Option<FailureClass>)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edits {
    /// On its way to the upstream.
    Request,
    /// The response that the upstream will give.
    Response,
}

fn abis() -> Vec<Abi> {
    vec![
        Abi {
            name: "native",
            file: guest::NATIVE_SCENARIO,
            options: Value::Null,
            edits: Edits::Request,
            cannot: &[],
            wrong: &[],
        },
        Abi {
            name: "sgl",
            file: guest::SGL_SCENARIO,
            options: Value::Null,
            edits: Edits::Request,
            cannot: &["reject-with-body"],
            wrong: &[
                ("exit", Some(FailureClass::Trap)),
                ("stack", Some(FailureClass::Trap)),
                ("no-utf8", Some(FailureClass::Hostcall)),
                ("bad-name", None),
                ("bad-value", None),
                ("host-header", None),
                ("many-headers", Some(FailureClass::InvalidOutput)),
                ("huge-body", Some(FailureClass::Hostcall)),
            ],
        },
        Abi {
            name: "odin",
            file: guest::ODIN_SCENARIO,
            options: Value::Null,
            edits: Edits::Request,
            cannot: &[],
            wrong: &[
                ("exit", Some(FailureClass::Trap)),
                ("bad-pointer", Some(FailureClass::InvalidOutput)),
                ("bad-length", Some(FailureClass::InvalidOutput)),
                ("nothing-returned", Some(FailureClass::InvalidOutput)),
                ("not-json", Some(FailureClass::InvalidOutput)),
                ("not-utf8", Some(FailureClass::InvalidOutput)),
                ("misshapen", Some(FailureClass::InvalidOutput)),
                ("bad-base64", Some(FailureClass::InvalidOutput)),
                ("bad-header-name", Some(FailureClass::InvalidOutput)),
                ("bad-header-value", Some(FailureClass::InvalidOutput)),
                ("bad-status", Some(FailureClass::InvalidOutput)),
                ("much-metadata", Some(FailureClass::InvalidOutput)),
                ("long-output", Some(FailureClass::InvalidOutput)),
                ("large-answer", Some(FailureClass::InvalidOutput)),
                ("managed-header", None),
            ],
        },
        Abi {
            name: "aegis",
            file: guest::AEGIS_SCENARIO,
            options: json!({ "entry": "edit_response" }),
            edits: Edits::Response,
            cannot: &[],
            wrong: AEGIS_WRONG,
        },
        Abi {
            name: "aegis-request",
            file: guest::AEGIS_SCENARIO,
            options: json!({ "entry": "edit_request" }),
            edits: Edits::Request,
            cannot: &[],
            wrong: AEGIS_WRONG,
        },
        blitz("blitz", guest::BLITZ_SCENARIO),
        blitz("blitz before 0.2.100", guest::BLITZ_OLD_SCENARIO),
    ]
}

fn blitz(name: &'static str, file: &'static str) -> Abi {
    use FailureClass::{GuestError, Hostcall, InvalidOutput, Trap};

    Abi {
        name,
        file,
        options: Value::Null,
        edits: Edits::Request,
        cannot: &["remove-header", "replace-body", "reject", "set-status"],
        wrong: &[
            ("log with a bad pointer", Some(Hostcall)),
            ("log with a bad length", Some(Hostcall)),
            ("log with bad UTF-8", Some(Hostcall)),
            ("log level with a bad pointer", Some(Hostcall)),
            ("log level with bad UTF-8", Some(Hostcall)),
            ("set_header with a bad pointer", Some(Hostcall)),
            ("set_header with a bad length", Some(Hostcall)),
            ("set_header with bad UTF-8", Some(Hostcall)),
            ("set_header name with a bad length", Some(Hostcall)),
            ("get_header with a bad pointer", Some(Hostcall)),
            ("get_header with a bad length", Some(Hostcall)),
            ("get_header with bad UTF-8", Some(Hostcall)),
            ("header-name", Some(InvalidOutput)),
            ("header-value", Some(InvalidOutput)),
            ("host-header", None),
            ("throw", Some(Trap)),
            ("code-7", Some(GuestError)),
            ("code-2", Some(GuestError)),
        ],
    }
}

const AEGIS_WRONG: &[(&str, Option<FailureClass>)] = &[
    ("bad-pointer", None),
    ("bad-length", None),
    ("bad-buffer-range", None),
    ("bad-utf8", None),
    ("bad-utf8-value", None),
    ("header-with-line-break", None),
    ("name-with-line-break", None),
    ("header-with-nul", None),
    ("status-700", None),
    ("terminate-700", None),
    ("host-managed", None),
    ("status-100", Some(FailureClass::InvalidOutput)),
    ("error", Some(FailureClass::GuestError)),
];

type Check = fn(&Abi, &Seen);

/// What a guest does, and what then holds.
const COMMON: [(&str, Check); 9] = [
    ("add-header", |abi, seen| assert_eq!(seen.edited(abi, "x-added"), ["1"], "{}", abi.name)),
    ("remove-header", |abi, seen| assert!(seen.edited(abi, "x-remove").is_empty(), "{}", abi.name)),
    ("read-body", |abi, seen| assert_eq!(seen.edited(abi, "x-body"), ["request body"], "{}", abi.name)),
    ("replace-body", |abi, seen| {
        let body = if abi.edits == Edits::Request { &seen.sent_body } else { &seen.body };
        assert_eq!(body, "replaced", "{}", abi.name);
    }),
    ("reject", |abi, seen| {
        assert!(!seen.was_sent, "{}", abi.name);
        let body = if abi.cannot.contains(&"reject-with-body") { "" } else { "rejected" };
        assert_eq!((seen.status, seen.body.as_str()), (403, body), "{}", abi.name);
    }),
    ("set-status", |abi, seen| assert_eq!((seen.was_sent, seen.status), (true, 418), "{}", abi.name)),
    ("trap", |abi, seen| seen.failed(abi, FailureClass::Trap, 500)),
    ("loop", |abi, seen| seen.failed(abi, FailureClass::CpuDeadline, 504)),
    ("memory", |abi, seen| seen.failed(abi, FailureClass::Memory, 500)),
];

/// What was seen of one exchange.
struct Seen {
    was_sent: bool,
    sent: http::HeaderMap,
    sent_body: String,
    status: u16,
    headers: http::HeaderMap,
    body: String,
    failures: Vec<FailureClass>,
}

impl Seen {
    /// The values of a header in the message that the ABI edits.
    fn edited(&self, abi: &Abi, name: &str) -> Vec<&str> {
        assert!(self.failures.is_empty() && self.was_sent, "{} {:?}", abi.name, self.failures);
        let headers = if abi.edits == Edits::Request { &self.sent } else { &self.headers };
        headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    fn failed(&self, abi: &Abi, class: FailureClass, status: u16) {
        assert_eq!((&self.failures[..], self.status, self.was_sent), (&[class][..], status, false), "{}", abi.name);
    }
}

impl Abi {
    fn plugin(&self) -> PluginBuilder {
        // To fill the default takes longer on a busy machine than the deadline allows.
        let (cpu, wall) = (Duration::from_millis(300), Duration::from_secs(10));
        let limits = Limits { memory: 32 << 20, cpu, wall, ..Limits::default() };
        Plugin::builder(self.name).file(self.file).abi_options(self.options.clone()).limits(limits)
    }
}

async fn run(plugin: &Plugin, scenario: &'static str) -> Seen {
    let mut exchange = open([plugin.clone()]);
    let request = Request::post("/path?q=1").header("host", "example.test").header("x-remove", "1");
    let request = request.header("x-scenario", scenario).body(Body::from("request body")).unwrap();
    let (sent, answer) = match exchange.on_request(request).await {
        RequestOutcome::Continue(request) => {
            let mut response = crate::common::response(200);
            response.headers_mut().insert("x-scenario", HeaderValue::from_static(scenario));
            response.headers_mut().insert("x-remove", HeaderValue::from_static("1"));
            (Some(request), response)
        }
        RequestOutcome::Respond(response) => (None, response),
        RequestOutcome::BodyFailed(error) => panic!("{error}"),
    };
    let answer = exchange.on_response(answer).await;
    let failures = exchange.failures().iter().map(|failure| failure.class).collect();
    exchange.finish();
    let (parts, body) = answer.into_parts();
    let (was_sent, sent, sent_body) = match sent {
        Some(request) => {
            let (parts, body) = request.into_parts();
            (true, parts.headers, text(body).await)
        }
        None => (false, http::HeaderMap::new(), String::new()),
    };
    let body = text(body).await;
    Seen { was_sent, sent, sent_body, status: parts.status.as_u16(), headers: parts.headers, body, failures }
}

#[tokio::test]
async fn every_abi_does_what_it_can_express() {
    for abi in abis() {
        let plugin = abi.plugin().load(engine()).await.unwrap_or_else(|error| panic!("{}: {error}", abi.name));
        for (scenario, check) in COMMON {
            if !abi.cannot.contains(&scenario) {
                check(&abi, &run(&plugin, scenario).await);
            }
        }
    }
}

#[tokio::test]
async fn what_only_one_abi_can_do_wrong_fails_as_its_page_says() {
    for abi in abis() {
        let plugin = abi.plugin().load(engine()).await.unwrap();
        for (scenario, class) in abi.wrong {
            let seen = run(&plugin, scenario).await;
            assert_eq!(seen.failures, class.iter().copied().collect::<Vec<_>>(), "{} {scenario}", abi.name);
            // Nothing of it stays: the next exchange is served.
            assert!(run(&plugin, "nothing").await.failures.is_empty(), "{} after {scenario}", abi.name);
        }
    }
}
