//! A plugin that imports what no host offers.

wit_bindgen::generate!({
    inline: r#"
        package test:missing;

        interface database { query: func(sql: string) -> string; }
        interface queue { push: func(message: string); }

        world missing {
            import database;
            import queue;
            include wasm-host:plugin/imports@0.1.0;
            export wasm-host:plugin/request-phase@0.1.0;
        }
    "#,
    path: [
        "../../../wit/deps/io",
        "../../../wit/deps/clocks",
        "../../../wit/deps/random",
        "../../../wit/deps/logging",
        "../../../wit/deps/config",
        "../../../wit/deps/http",
        "../../../wit/deps/keyvalue",
        "../../../wit/plugin@0.1.0",
    ],
    world: "test:missing/missing",
    generate_all,
});

use exports::wasm_host::plugin::request_phase::{Action, Guest, Request};

struct Missing;

impl Guest for Missing {
    fn on_request(_: &Request) -> Result<Action, String> {
        test::missing::queue::push(&test::missing::database::query("select 1"));
        Ok(Action::Continue)
    }
}

export!(Missing);
