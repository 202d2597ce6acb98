//! The admin listener: health, metrics, and what the gateway would do.
//!
//! Every resource is one file with a handler; [`resource`] is the table of them.

mod auth;
mod change;
mod execute;
mod explain;
mod form;
mod health;
mod percent;
mod plugins;
mod reply;
mod routes;
mod wasm;

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::oneshot};

use self::{auth::Token, reply::Reply};
use crate::{body::Body, config, error::Error, execute::Executor, listener, server::Shared};

/// Binds the admin listener, if it is enabled, and serves it on its own thread until the gateway has drained.
pub(crate) fn start(
    config: &config::Admin,
    shared: Arc<Shared>,
) -> Result<Option<(SocketAddr, oneshot::Receiver<()>)>, Error> {
    if !config.enabled {
        return Ok(None);
    }
    let failed = |source| Error::Listen { address: config.address, source };
    let socket = listener::bind(config.address, 1).map_err(failed)?.pop();
    let Some(socket) = socket else { return Ok(None) };
    let address = socket.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Worker)?;
    let gateway = shared.gateway();
    let executor = gateway.config.execute.enabled.then(|| Executor::new(&gateway.config.execute, &gateway.engine));
    let admin = Arc::new(Admin { shared, token: config.token.as_deref().map(Token::new), executor });
    let (ended, has_ended) = oneshot::channel();
    thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || {
            runtime.block_on(run(admin, socket));
            runtime.shutdown_timeout(Duration::ZERO);
            let _ = ended.send(());
        })
        .map_err(Error::Worker)?;
    Ok(Some((address, has_ended)))
}

struct Admin {
    shared: Arc<Shared>,
    token: Option<Token>,
    /// None where no commands are run.
    executor: Option<Executor>,
}

async fn run(admin: Arc<Admin>, socket: std::net::TcpListener) {
    let listener = match listener::register(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot use the admin socket"),
    };
    // While requests drain, health and metrics stay readable.
    let mut draining = admin.shared.draining();
    tokio::select! {
        () = accept(&admin, listener) => {}
        () = async {
            let _ = draining.wait_for(|draining| *draining).await;
            let deadline = admin.shared.drain_deadline();
            let all = admin.shared.all_gone();
            let _ = tokio::time::timeout_at(deadline.into(), all).await;
        } => {}
    }
}

async fn accept(admin: &Arc<Admin>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let admin = admin.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let admin = admin.clone();
                async move { Ok::<_, std::convert::Infallible>(admin.answer(request).await) }
            });
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "admin connection ended");
            }
        });
    }
}

/// Bytes the body of an admin request may have.
const BODY: usize = 1 << 20;

impl Admin {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let reply = match &self.token {
            Some(token) if !token.is_in(request.headers()) => Reply::unauthorized(),
            None if auth::is_from_a_page(&request) => {
                Reply::error(StatusCode::FORBIDDEN, "requests of web pages need an admin token")
            }
            _ => self.resource(request).await,
        };
        reply.into_response()
    }

    /// The table of resources.
    async fn resource(&self, request: Request<Incoming>) -> Reply {
        let handler: fn(&Shared, &Request<Incoming>) -> Reply = match request.uri().path() {
            "/health/live" => health::live,
            "/health/ready" => health::ready,
            "/metrics" => health::metrics,
            "/api/routes" => routes::list,
            "/api/explain" => explain::explain,
            "/api/wasm/execute" | "/api/execute" => return execute::answer(self.executor.as_ref(), request).await,
            path if is_below(path, plugins::PATH) => return self.changing(request, plugins::answer).await,
            path if is_below(path, wasm::PATH) => return self.changing(request, wasm::answer).await,
            path => return Reply::not_found(path),
        };
        match *request.method() {
            Method::GET | Method::HEAD => handler(&self.shared, &request),
            _ => Reply::method_not_allowed("GET, HEAD"),
        }
    }

    /// For what may change the config, which takes its time: on a thread of its own.
    async fn changing(&self, request: Request<Incoming>, answer: Answer) -> Reply {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY).collect().await else {
            return Reply::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB, or broke off");
        };
        let (shared, body) = (self.shared.clone(), body.to_bytes());
        tokio::task::spawn_blocking(move || answer(&shared, &parts.method, parts.uri.path(), &body))
            .await
            .unwrap_or_else(|error| Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
    }
}

/// Answers a request with this method, path and body.
type Answer = fn(&Shared, &Method, &str, &Bytes) -> Reply;

fn is_below(path: &str, resource: &str) -> bool {
    path.strip_prefix(resource).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
