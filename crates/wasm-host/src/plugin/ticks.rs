//! Calls outside of exchanges, every now and then.

use std::{future::Future, sync::Weak, time::Duration};

use super::{Inner, Plugin};
use crate::{ExchangeFacts, Execution, Failure, Outcome, Phase, exchange::report, metrics::Took};

/// The shortest time between two ticks.
pub(super) const SHORTEST: Duration = Duration::from_millis(10);

impl Plugin {
    /// How long after one tick the next one comes; none for a plugin without a tick phase.
    pub fn tick(&self) -> Option<Duration> {
        self.0.declared.tick
    }

    /// Calls the plugin's tick phase every now and then, for as long as the plugin lives: the future ends when the last
    /// clone of the plugin is dropped, and at once for a plugin without a tick phase. It does not keep the plugin alive.
    ///
    /// To be spawned once for each plugin, on a tokio runtime. A tick takes an instance of the plugin's pool and has the
    /// limits of any call; one that fails is logged and counted, and the next one comes. Two ticks never overlap. Dropping
    /// the future ends the tick under way and discards its instance.
    pub fn run_ticks(&self) -> impl Future<Output = ()> + Send + use<> {
        let (every, plugin) = (self.tick(), std::sync::Arc::downgrade(&self.0));
        async move {
            let Some(every) = every else { return };
            loop {
                tokio::time::sleep(every).await;
                let Some(plugin) = upgrade(&plugin) else { return };
                plugin.tick_once().await;
            }
        }
    }

    async fn tick_once(&self) {
        let (result, took) = match self.check_out().await {
            Ok(instance) => {
                let (instance, result) =
                    instance.call(&mut None, Phase::Tick, |guest, store| guest.on_tick(store)).await;
                let took = instance.took();
                if result.is_ok() {
                    self.give_back(instance);
                }
                (result, took)
            }
            Err(failure) => (Err(failure), Took::nothing()),
        };
        let outcome = match &result {
            Ok(()) => Outcome::Continue,
            Err(Failure { class, .. }) => Outcome::Failed(*class),
        };
        self.counters().count(outcome, took);
        self.observer().executed(&Execution { phase: Phase::Tick, outcome, duration: took.duration });
        if let Err(failure) = &result {
            report(self, Phase::Tick, &ExchangeFacts::default(), failure);
        }
    }
}

fn upgrade(plugin: &Weak<Inner>) -> Option<Plugin> {
    plugin.upgrade().map(Plugin)
}
