//! Host → guest: WAF modules, which look at whole requests.

mod request;
mod verdict;

use wasmtime::{InstancePre, TypedFunc};

use self::verdict::{Match, Verdict};
use super::{
    ANALYZE,
    handover::{Handover, Part, invalid},
    initialize,
};
use crate::{
    BodyMode, BodyReading, LogLevel, Phases,
    abi::{BoxFuture, Declared, Guest, GuestError, GuestPre, GuestResult, HostStore},
    message::{BodyAction, BodyPiece, LocalResponse},
    store::{HostState, HostStop, Message},
};

/// The property with the ids of the rules that matched, as JSON.
const PROPERTY: &str = "aegis.waf";

pub(super) struct WafPre {
    pub(super) instance: InstancePre<HostState>,
}

impl GuestPre for WafPre {
    fn phases(&self) -> Phases {
        Phases { request_body: true, ..Phases::default() }
    }

    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>> {
        Box::pin(async move {
            let instance = self.instance.instantiate_async(&mut *store).await?;
            initialize(&instance, store).await?;
            let analyze = instance.get_typed_func(&mut *store, ANALYZE)?;
            let guest = WafGuest { analyze, handover: Handover::of(&instance, store)? };
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }
}

struct WafGuest {
    analyze: TypedFunc<(u32, u32), u32>,
    handover: Handover,
}

impl Guest for WafGuest {
    fn declare<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Declared>> {
        Box::pin(async move {
            let bytes = u32::try_from(store.data().plugin.limits.body_bytes).unwrap_or(u32::MAX);
            // Whoever compresses an attack is not to get it past.
            let request_body = BodyReading { mode: BodyMode::Buffer(bytes), decode: true };
            Ok(Declared { request_body, whole_messages: true, ..Declared::default() })
        })
    }

    fn on_request_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let BodyPiece::Whole(body) = piece else { return Ok(BodyAction::Pass) };
            let exchange = store.data().exchange.as_deref();
            let exchange = exchange.ok_or_else(|| GuestError::Wasm(HostStop::NoExchange.into()))?;
            let request = request::json(&exchange.request, &body);
            let verdict = self.analyze(store, &request).await?;
            let state = store.data_mut();
            report(state, &verdict);
            if !verdict.blocked {
                return Ok(BodyAction::Pass);
            }
            let answer = LocalResponse::new(403).map_err(|error| invalid(&error.to_string()))?;
            Ok(BodyAction::Respond(Box::new(answer)))
        })
    }
}

impl WafGuest {
    async fn analyze(&self, store: &mut HostStore, request: &[u8]) -> GuestResult<Verdict> {
        let given = self.handover.give(store, request).await?;
        let len = u32::try_from(request.len()).unwrap_or(u32::MAX);
        let ptr = self.analyze.call_async(&mut *store, (given.ptr, len)).await?;
        let result = self.handover.memory.prefixed(&*store, ptr);
        let result =
            result.map_err(|error| invalid(&format!("`{ANALYZE}` returned a pointer to no result: {error}")))?;
        let whole = Part { ptr, len: u32::try_from(result.len()).unwrap_or(u32::MAX).saturating_add(4) };
        let most = store.data().plugin.limits.hostcall_bytes;
        let verdict = Verdict::read(result, most).map_err(|what| invalid(&format!("`{ANALYZE}` returned {what}")))?;
        self.handover.free(store, given).await?;
        // A result in the room of the request is given back with it.
        if !given.overlaps(whole) {
            self.handover.free(store, whole).await?;
        }
        Ok(verdict)
    }
}

/// Tells the operator of each match, and later plugins of the rules.
fn report(state: &mut HostState, verdict: &Verdict) {
    let level = if verdict.blocked { LogLevel::Warn } else { LogLevel::Info };
    for Match { rule_id, description, severity, category, matched_value, location } in &verdict.matches.first {
        let field = |name: &str, value: String| (name.to_owned(), value);
        let fields = [
            field("rule_id", rule_id.to_string()),
            field("severity", severity.to_string()),
            field("category", category.to_string()),
            field("location", location.to_string()),
            field("matched_value", matched_value.to_string()),
            field("blocked", verdict.blocked.to_string()),
        ];
        state.log_with(Message { level, context: "waf", message: &description.to_string(), fields: &fields });
    }
    let rules: Vec<_> = verdict.matches.first.iter().map(|found| &found.rule_id).collect();
    let json = serde_json::to_vec(&rules).unwrap_or_default();
    let kept = state.exchange.as_deref_mut().map(|exchange| exchange.set_property(PROPERTY, &json));
    if let Some(Err(_)) = kept {
        state.log(LogLevel::Warn, "host", "waf: the ids of rules are not kept: properties have 64 KiB together");
    }
}
