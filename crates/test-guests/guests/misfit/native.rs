//! Exports a phase that has the right name and another type.

wit_bindgen::generate!({
    inline: "
        package wasm-host:plugin@0.1.0;

        interface request-phase {
            on-request: func(path: string) -> string;
        }

        world misfit {
            export request-phase;
        }
    ",
});

struct Misfit;

impl exports::wasm_host::plugin::request_phase::Guest for Misfit {
    fn on_request(path: String) -> String {
        path
    }
}

export!(Misfit);
