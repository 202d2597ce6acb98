//! Tells the secret of its configuration to whoever the header `x-do` says.

use serde::Deserialize;
use wasm_host_guest::{
    Action, Config, Error, ErrorAction, Failure, Failures, LocalResponse, OnError, OnRequest, Plugin, Request, Result,
    bindings::imports::{
        wasi::{config::store, logging::logging},
        wasm_host::plugin::metrics,
    },
    config_schema, export, log, upstream,
};

#[derive(Deserialize)]
struct Leak {
    secret: String,
    #[serde(default)]
    configure: String,
}

impl Plugin for Leak {
    fn configure(config: Config) -> Result<Self> {
        let plugin: Self = config.parse()?;
        let secret = &plugin.secret;
        match plugin.configure.as_str() {
            "error" => return Err(Error::new(format!("no use for {secret} and {secret:?}"))),
            "panic" => panic!("no use for {secret} and {secret:?}"),
            "log" => log::info(&format!("configured with {secret}")),
            _ => {}
        }
        Ok(plugin)
    }
}

impl OnRequest for Leak {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let secret = self.secret.as_str();
        let told = format!("it is {secret}, or {secret:?}");
        match request.header("x-do").as_ref().and_then(|what| what.to_str()).unwrap_or_default() {
            "log" => {
                log::warn(&told);
                logging::log(logging::Level::Error, secret, "its name is the context");
            }
            "print" => {
                println!("{told}");
                eprintln!("{told}");
            }
            "error" => return Err(Error::new(told)),
            "panic" => panic!("{told}"),
            "exit" => {
                eprintln!("{told}");
                std::process::exit(1);
            }
            "metric" => {
                let label = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
                log::info(&format!("value {:?}", metrics::count("told_total", &label("what", secret), 1)));
                log::info(&format!("label {:?}", metrics::count("labels_total", &label(secret, "x"), 1)));
                log::info(&format!("name {:?}", metrics::count(secret, &[], 1)));
            }
            "choose" => log::info(&format!("{:?}", upstream::choose(secret))),
            "path" => request.set_path_with_query(&format!("/{secret}"))?,
            "respond" => {
                let stored = store::get("secret").unwrap_or_default().unwrap_or_default();
                return Ok(LocalResponse::new(200)?.header("x-secret", secret)?.body(stored)?.into());
            }
            _ => {}
        }
        Ok(Action::Continue)
    }
}

impl OnError for Leak {
    fn failures(&self) -> Failures {
        Failures::UNREACHABLE
    }

    fn on_error(&mut self, _: &Request<'_>, _: Failure) -> Result<ErrorAction> {
        Ok(ErrorAction::Retry(Some(self.secret.clone())))
    }
}

config_schema!("schema.json");
export!(Leak: request, error);
