//! Every call is counted once, where it is asked for.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use test_guests::NATIVE_MISBEHAVE;
use wasm_host::{Execution, FailureClass, Observer, PluginEngine, PluginObserver};

use crate::common::{ask, open, passed, plugin, request, response};

#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Observer for Seen {
    fn plugin(&self, name: &str, _: Option<&'static str>) -> Arc<dyn PluginObserver> {
        self.0.lock().push(format!("loaded {name}"));
        Arc::new(self.clone())
    }
}

impl PluginObserver for Seen {
    fn executed(&self, execution: &Execution) {
        assert!(execution.duration.as_nanos() > 0);
        self.0.lock().push(format!("{} {}", execution.phase.as_str(), execution.outcome.as_str()));
    }
}

#[tokio::test]
async fn counts_each_call_once() {
    let seen = Seen::default();
    let engine = PluginEngine::builder().max_instances(8).observer(seen.clone()).build().unwrap();
    let plugin = plugin(NATIVE_MISBEHAVE).load(&engine).await.unwrap();
    let mut exchange = open([plugin.clone()]);
    passed(exchange.on_request(request(&[])).await);
    exchange.on_response(response(200)).await;
    exchange.finish();
    drop(ask(&plugin, &[("x-do", "error")]).await);

    assert_eq!(*seen.0.lock(), ["loaded test", "request continue", "response continue", "request guest-error"]);
    let stats = plugin.stats();
    assert_eq!(stats.executions, 3);
    assert!(Duration::ZERO < stats.longest_execution && stats.longest_execution < stats.execution_time, "{stats:?}");
    assert_eq!(stats.failures, [(FailureClass::GuestError, 1)]);
    assert_eq!((stats.pool_hits, stats.pool_misses), (0, 2));
}
