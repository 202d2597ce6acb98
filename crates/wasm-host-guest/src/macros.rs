/// Makes a type the component's plugin, with the phases that are named: `request`, `response`, `error`, `complete`.
///
/// Used once in a crate. Each phase needs its trait: [`OnRequest`](crate::OnRequest),
/// [`OnResponse`](crate::OnResponse), [`OnError`](crate::OnError), [`OnComplete`](crate::OnComplete).
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
    (response) => {
        $crate::bindings::response::__export_response!(Exported with_types_in $crate::bindings::response);
    };
    (error) => {
        $crate::bindings::error::__export_error!(Exported with_types_in $crate::bindings::error);
    };
    (complete) => {
        $crate::bindings::complete::__export_complete!(Exported with_types_in $crate::bindings::complete);
    };
    ($other:ident) => {
        compile_error!(concat!(
            "no such phase: `",
            stringify!($other),
            "`; the phases are request, response, error, complete"
        ));
    };
}
