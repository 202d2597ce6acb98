//! Host → guest: bot detectors, which look at who says to be asking.

use std::sync::Arc;

use http::{HeaderName, header};
use wasmtime::{InstancePre, TypedFunc};

use super::{
    DETECT, ID,
    handover::{Handover, invalid},
    initialize,
    options::{BotOptions, OnBot},
};
use crate::{
    Error, LogLevel, Phases, Result,
    abi::{BoxFuture, Declared, Guest, GuestPre, GuestResult, HostStore},
    message::{Action, EditError, ExchangeState, Headers, LocalResponse},
    store::HostState,
};

/// The property with the verdict.
const PROPERTY: &str = "aegis.bot";

pub(super) struct BotPre {
    instance: InstancePre<HostState>,
    options: Arc<BotOptions>,
}

impl BotPre {
    pub(super) fn new(instance: InstancePre<HostState>, options: BotOptions) -> Result<Self> {
        if HeaderName::try_from(&options.header).is_err() {
            let reason = format!("`header`: `{}` is not a header name", options.header);
            return Err(Error::AbiOptions { abi: ID, reason });
        }
        Ok(Self { instance, options: Arc::new(options) })
    }
}

impl GuestPre for BotPre {
    fn phases(&self) -> Phases {
        Phases { request: true, ..Phases::default() }
    }

    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>> {
        Box::pin(async move {
            let instance = self.instance.instantiate_async(&mut *store).await?;
            initialize(&instance, store).await?;
            let guest = BotGuest {
                detect: instance.get_typed_func(&mut *store, DETECT)?,
                version: instance.get_typed_func(&mut *store, "get_version").ok(),
                handover: Handover::of(&instance, store)?,
                options: Arc::clone(&self.options),
            };
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }
}

struct BotGuest {
    detect: TypedFunc<(u32, u32), i32>,
    version: Option<TypedFunc<(), i32>>,
    handover: Handover,
    options: Arc<BotOptions>,
}

impl Guest for BotGuest {
    /// Tells the operator which version of its rules the plugin has.
    fn declare<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Declared>> {
        Box::pin(async move {
            if let Some(version) = &self.version {
                let version = version.call_async(&mut *store, ()).await?;
                store.data_mut().log(LogLevel::Info, "host", &format!("bot detector of version {version}"));
            }
            Ok(Declared::default())
        })
    }

    fn on_request<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async move {
            let request = store.data().exchange.as_deref().map(|exchange| &exchange.request.headers);
            let user_agent = request.and_then(|headers| headers.get(header::USER_AGENT)).cloned();
            let user_agent = user_agent.as_ref().map_or(&b""[..], |value| value.as_bytes());
            let given = self.handover.give(store, user_agent).await?;
            let len = u32::try_from(user_agent.len()).unwrap_or(u32::MAX);
            let code = self.detect.call_async(&mut *store, (given.ptr, len)).await?;
            self.handover.free(store, given).await?;
            let verdict = Verdict::of(code).ok_or_else(|| {
                invalid(&format!("`{DETECT}` returned {code}, and verdicts are 0 human, 1 known bot, 2 suspicious"))
            })?;
            self.decide(store.data_mut(), verdict)
        })
    }
}

impl BotGuest {
    fn decide(&self, state: &mut HostState, verdict: Verdict) -> GuestResult<Action> {
        let Some(exchange) = state.exchange.as_deref_mut() else { return Ok(Action::Continue) };
        let kept = exchange.set_property(PROPERTY, verdict.as_str().as_bytes());
        let edited = self.tell_upstream(exchange, verdict);
        if kept.is_err() {
            state.log(LogLevel::Warn, "host", "bot: the verdict is not kept: properties have 64 KiB together");
        }
        edited.map_err(|error| invalid(&format!("the verdict cannot be told in a header: {error}")))?;
        if self.options.of(verdict) != OnBot::Block {
            return Ok(Action::Continue);
        }
        let answer = LocalResponse::new(403).map_err(|error| invalid(&error.to_string()))?;
        Ok(Action::Respond(Box::new(answer)))
    }

    /// Where a header tells verdicts, what a client says there is not one.
    fn tell_upstream(&self, exchange: &mut ExchangeState, verdict: Verdict) -> Result<(), EditError> {
        let BotOptions { on_known, on_suspicious, header } = &*self.options;
        if ![on_known, on_suspicious].contains(&&OnBot::Header) {
            return Ok(());
        }
        let is_told = self.options.of(verdict) == OnBot::Header;
        if !is_told && !exchange.request.headers.contains_key(header) {
            return Ok(());
        }
        let (request, budget) = exchange.edit_request();
        let mut headers = Headers { map: &mut request.headers, budget };
        if is_told { headers.set(header, verdict.as_str().as_bytes()) } else { headers.remove(header).map(drop) }
    }
}

impl BotOptions {
    fn of(&self, verdict: Verdict) -> OnBot {
        match verdict {
            Verdict::Human => OnBot::Pass,
            Verdict::KnownBot => self.on_known,
            Verdict::Suspicious => self.on_suspicious,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Human,
    KnownBot,
    Suspicious,
}

impl Verdict {
    fn of(code: i32) -> Option<Self> {
        [Self::Human, Self::KnownBot, Self::Suspicious].get(usize::try_from(code).ok()?).copied()
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::KnownBot => "known-bot",
            Self::Suspicious => "suspicious",
        }
    }
}
