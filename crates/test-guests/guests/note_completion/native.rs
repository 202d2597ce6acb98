//! Logs how an exchange went.

use wasm_host_guest::{Config, OnComplete, Plugin, Result, Summary, exchange, export, log};

struct NoteCompletion;

impl Plugin for NoteCompletion {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnComplete for NoteCompletion {
    fn on_complete(&mut self, summary: Summary) {
        log::info(&format!(
            "{} ended: {:?}, {} bytes, finished {}",
            exchange::id(),
            summary.status,
            summary.response_bytes,
            summary.finished
        ));
        for decision in summary.decisions {
            log::info(&format!("{}:{}={} x{}", decision.plugin, decision.phase, decision.outcome, decision.calls));
        }
    }
}

export!(NoteCompletion: complete);
