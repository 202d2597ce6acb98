/// Makes a type the component's plugin, with the phases that are named.
///
/// Used once in a crate. Each phase needs its trait:
///
/// | Phase | Trait |
/// | --- | --- |
/// | `request` | [`OnRequest`](crate::OnRequest) |
/// | `request_body` | [`OnRequestBody`](crate::OnRequestBody) |
/// | `request_stream` | [`OnRequestStream`](crate::OnRequestStream), in the place of `request_body` |
/// | `response` | [`OnResponse`](crate::OnResponse) |
/// | `response_body` | [`OnResponseBody`](crate::OnResponseBody) |
/// | `response_stream` | [`OnResponseStream`](crate::OnResponseStream), in the place of `response_body` |
/// | `error` | [`OnError`](crate::OnError) |
/// | `complete` | [`OnComplete`](crate::OnComplete) |
/// | `tick` | [`OnTick`](crate::OnTick) |
///
/// ```text
/// export!(MyPlugin: request, response);
/// ```
#[macro_export]
macro_rules! export {
    ($plugin:ty: $($phase:ident),+ $(,)?) => {
        const _: () = {
            type Exported = $crate::Adapter<$plugin>;

            impl $crate::Slot for $plugin {
                fn with<T>(use_it: impl FnOnce(&mut Option<Self>) -> T) -> T {
                    ::std::thread_local! {
                        static PLUGIN: ::std::cell::RefCell<Option<$plugin>> =
                            const { ::std::cell::RefCell::new(None) };
                    }
                    PLUGIN.with(|plugin| use_it(&mut plugin.borrow_mut()))
                }
            }

            $crate::bindings::configure::__export_configure!(
                Exported with_types_in $crate::bindings::configure
            );
            $($crate::__export_phase!($phase);)+
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_phase {
    (request) => {
        $crate::bindings::request::__export_request!(Exported with_types_in $crate::bindings::request);
    };
    (request_body) => {
        $crate::bindings::request_body::__export_request_body!(
            Exported with_types_in $crate::bindings::request_body
        );
    };
    (request_stream) => {
        type ExportedRequestStream = $crate::Streams<Exported>;
        $crate::bindings::request_body::__export_request_body!(
            ExportedRequestStream with_types_in $crate::bindings::request_body
        );
    };
    (response) => {
        $crate::bindings::response::__export_response!(Exported with_types_in $crate::bindings::response);
    };
    (response_body) => {
        $crate::bindings::response_body::__export_response_body!(
            Exported with_types_in $crate::bindings::response_body
        );
    };
    (response_stream) => {
        type ExportedResponseStream = $crate::Streams<Exported>;
        $crate::bindings::response_body::__export_response_body!(
            ExportedResponseStream with_types_in $crate::bindings::response_body
        );
    };
    (error) => {
        $crate::bindings::error::__export_error!(Exported with_types_in $crate::bindings::error);
    };
    (complete) => {
        $crate::bindings::complete::__export_complete!(Exported with_types_in $crate::bindings::complete);
    };
    (tick) => {
        $crate::bindings::tick::__export_tick!(Exported with_types_in $crate::bindings::tick);
    };
    ($other:ident) => {
        compile_error!(concat!(
            "no such phase: `",
            stringify!($other),
            "`; the phases are request, request_body, request_stream, response, response_body, response_stream, ",
            "error, complete, tick"
        ));
    };
}

/// Ships a JSON Schema of the plugin's configuration with the plugin: the host checks a configuration against it before
/// the plugin sees it, and tells the operator every place that does not fit.
///
/// Used once in a crate, with the path of a file of at most 128 KiB, relative to the source file as in `include_bytes!`.
/// It becomes the custom section `wasm-host:config-schema` of the `.wasm`, which stripping of all symbols removes: use
/// `strip = "debuginfo"` at most.
///
/// ```text
/// config_schema!("../schema.json");
/// ```
#[macro_export]
macro_rules! config_schema {
    ($path:literal) => {
        const _: () = {
            const SCHEMA: &[u8] = ::core::include_bytes!($path);

            #[cfg(target_family = "wasm")]
            #[used]
            #[unsafe(link_section = "wasm-host:config-schema")]
            static SECTION: [u8; SCHEMA.len()] = *::core::include_bytes!($path);
        };
    };
}
