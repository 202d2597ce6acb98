//! The same guest, called by bare wasmtime: the engine's settings are those of `wasm_host::PluginEngine`, and the host
//! has nothing but the functions the guest asks for. No limits, deadlines, failure policy or pool.

use std::{sync::LazyLock, thread, time::Duration};

use http::{HeaderName, HeaderValue, request::Parts};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store, StoreContextMut,
    UpdateDeadline,
    component::{
        Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, Lower, Resource, ResourceTable,
        ResourceType, TypedFunc,
    },
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{BATCH, Case, measured, message};

const GROUP: &str = "bare wasmtime";
pub(super) const REUSED: &str = "filter, instance reused";
pub(super) const FRESH: &str = "filter, instance fresh";

pub(super) fn cases() -> Vec<Case> {
    static LOADED: LazyLock<[Guest; 2]> = LazyLock::new(|| {
        let engine = engine();
        let code = Component::from_file(&engine, test_guests::NATIVE_FILTER).unwrap();
        [
            Guest::link(&code, wasmtime_wasi::p2::add_to_linker_async),
            Guest::link(&code, wasmtime_wasi::p2::add_to_linker_sync),
        ]
    });
    let case = |name, against, run| Case { group: GROUP, name, against, load: None, run };
    let (mut instance, mut sync_instance) = (None, None);
    vec![
        case(
            "filter, instance reused, not async",
            Some(REUSED),
            Box::new(move |runtime, work| {
                let [_, guest] = &*LOADED;
                let instance = sync_instance.get_or_insert_with(|| guest.instantiate_sync());
                runtime.block_on(measured(work, BATCH, async || parts(), async |parts| instance.call_sync(parts)))
            }),
        ),
        case(
            REUSED,
            None,
            Box::new(move |runtime, work| {
                let [guest, _] = &*LOADED;
                let instance = instance.get_or_insert_with(|| runtime.block_on(guest.instantiate()));
                runtime.block_on(measured(work, BATCH, async || parts(), async |parts| instance.call(parts).await))
            }),
        ),
        case(
            FRESH,
            None,
            Box::new(move |runtime, work| {
                let [guest, _] = &*LOADED;
                let call = async |parts| guest.instantiate().await.call(parts).await;
                runtime.block_on(measured(work, BATCH, async || parts(), call))
            }),
        ),
    ]
}

fn parts() -> Parts {
    message::request().into_parts().0
}

/// As `wasm-host/src/runtime.rs` has it.
fn engine() -> Engine {
    const INSTANCES: u32 = 1000;

    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * 4)
        .total_memories(INSTANCES * 2)
        .total_tables(INSTANCES * 4)
        .total_stacks(INSTANCES)
        .max_core_instances_per_component(32)
        .max_memories_per_component(8)
        .max_tables_per_component(16)
        .max_memories_per_module(8)
        .max_tables_per_module(16)
        .table_elements(100_000)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(8 << 10)
        .decommit_batch_size(16);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .wasm_multi_memory(true)
        .generate_address_map(false)
        .native_unwind_info(cfg!(windows))
        .concurrency_support(false);
    let engine = Engine::new(&config).unwrap();
    let ticked = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = ticked.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(Duration::from_millis(1));
        }
    });
    engine
}

struct Guest {
    pre: InstancePre<State>,
    configure: ComponentExportIndex,
    on_request: ComponentExportIndex,
}

struct Instance {
    store: Store<State>,
    on_request: OnRequest,
}

type OnRequest = TypedFunc<(Resource<Request>,), (Result<Action, String>,)>;
type Configure = TypedFunc<(&'static str,), (Result<(), String>,)>;

impl Guest {
    fn link(code: &Component, wasi: impl FnOnce(&mut Linker<State>) -> Result<()>) -> Self {
        let mut linker = Linker::new(code.engine());
        wasi(&mut linker).unwrap();
        link_types(&mut linker).unwrap();
        let export = |phase: &str, function: &str| {
            let phase = code.get_export_index(None, &*format!("wasm-host:plugin/{phase}@0.1.0")).unwrap();
            code.get_export_index(Some(&phase), function).unwrap()
        };
        Self {
            pre: linker.instantiate_pre(code).unwrap(),
            configure: export("configure-phase", "configure"),
            on_request: export("request-phase", "on-request"),
        }
    }

    async fn instantiate(&self) -> Instance {
        let mut store = self.store(UpdateDeadline::Yield(1));
        let instance = self.pre.instantiate_async(&mut store).await.unwrap();
        let configure: Configure = instance.get_typed_func(&mut store, self.configure).unwrap();
        configure.call_async(&mut store, ("null",)).await.unwrap().0.unwrap();
        let on_request = instance.get_typed_func(&mut store, self.on_request).unwrap();
        Instance { store, on_request }
    }

    fn instantiate_sync(&self) -> Instance {
        let mut store = self.store(UpdateDeadline::Continue(1));
        let instance = self.pre.instantiate(&mut store).unwrap();
        let configure: Configure = instance.get_typed_func(&mut store, self.configure).unwrap();
        configure.call(&mut store, ("null",)).unwrap().0.unwrap();
        let on_request = instance.get_typed_func(&mut store, self.on_request).unwrap();
        Instance { store, on_request }
    }

    fn store(&self, update: UpdateDeadline) -> Store<State> {
        let state = State { request: None, table: ResourceTable::new(), wasi: WasiCtx::builder().build() };
        let mut store = Store::new(self.pre.engine(), state);
        let yields = matches!(update, UpdateDeadline::Yield(_));
        store.epoch_deadline_callback(move |_| {
            Ok(if yields { UpdateDeadline::Yield(1) } else { UpdateDeadline::Continue(1) })
        });
        store.set_epoch_deadline(1);
        store
    }
}

impl Instance {
    async fn call(&mut self, parts: Parts) -> Parts {
        self.store.data_mut().request = Some(parts);
        self.store.set_epoch_deadline(1);
        let (action,) = self.on_request.call_async(&mut self.store, (Resource::new_borrow(0),)).await.unwrap();
        self.passed(action)
    }

    fn call_sync(&mut self, parts: Parts) -> Parts {
        self.store.data_mut().request = Some(parts);
        self.store.set_epoch_deadline(1);
        let (action,) = self.on_request.call(&mut self.store, (Resource::new_borrow(0),)).unwrap();
        self.passed(action)
    }

    fn passed(&mut self, action: Result<Action, String>) -> Parts {
        assert!(matches!(action.unwrap(), Action::Continue));
        self.store.data_mut().request.take().unwrap()
    }
}

struct State {
    request: Option<Parts>,
    table: ResourceTable,
    wasi: WasiCtx,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

struct Request;
struct Response;
struct LocalResponse;

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Action {
    #[component(name = "continue")]
    Continue,
    #[component(name = "respond")]
    Respond(#[allow(dead_code, reason = "the filter lets these requests pass")] Resource<LocalResponse>),
}

#[derive(ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "the type must have every case")]
enum EditError {
    #[component(name = "invalid-name")]
    InvalidName(String),
    #[component(name = "invalid-value")]
    InvalidValue(String),
    #[component(name = "forbidden")]
    Forbidden(String),
    #[component(name = "invalid-status")]
    InvalidStatus(u16),
    #[component(name = "invalid-method")]
    InvalidMethod(String),
    #[component(name = "invalid-path")]
    InvalidPath(String),
    #[component(name = "invalid-authority")]
    InvalidAuthority(String),
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "wrong-time")]
    WrongTime,
}

/// What the filter imports of our package.
fn link_types(linker: &mut Linker<State>) -> Result<()> {
    let mut types = linker.instance("wasm-host:plugin/types@0.1.0")?;
    types.resource("request", ResourceType::host::<Request>(), |_, _| Ok(()))?;
    types.resource("response", ResourceType::host::<Response>(), |_, _| Ok(()))?;
    types.resource("local-response", ResourceType::host::<LocalResponse>(), |_, _| Ok(()))?;
    types.func_wrap(
        "[method]request.header",
        |store: StoreContextMut<'_, State>, (_, name): (Resource<Request>, String)| {
            let request = store.data().request.as_ref().unwrap();
            Ok((request.headers.get(&name).map(|value| value.as_bytes().to_vec()),))
        },
    )?;
    types.func_wrap(
        "[method]request.set-header",
        |mut store: StoreContextMut<'_, State>, (_, name, value): (Resource<Request>, String, Vec<u8>)| {
            let request = store.data_mut().request.as_mut().unwrap();
            let Ok(name) = HeaderName::try_from(&name) else { return Ok((Err(EditError::InvalidName(name)),)) };
            let Ok(value) = HeaderValue::try_from(value) else {
                return Ok((Err(EditError::InvalidValue(name.to_string())),));
            };
            request.headers.insert(name, value);
            Ok((Ok::<_, EditError>(()),))
        },
    )?;
    types.func_wrap("[static]local-response.new", |_: StoreContextMut<'_, State>, (_status,): (u16,)| {
        Ok((Ok::<_, EditError>(Resource::<LocalResponse>::new_own(0)),))
    })
}
