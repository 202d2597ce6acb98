use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Method, Request, Response, Uri, header};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::{
    CallTarget, HttpCall, HttpCallError, HttpClient, HttpGrant, HttpLimits, HttpTarget, TraceContext, WholeCall,
    body::{RequestBody, ResponseBody, error_of},
    location::{becomes_get, redirect_of},
    message::{headers_of, method_of, size_of},
};
use crate::{Body, compute::home};

/// What is meant for one origin and no other.
const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// The calls of one plugin: what it may call, and how much of it at once.
#[derive(Debug)]
pub(crate) struct PluginHttp {
    plugin: Arc<str>,
    client: Arc<dyn HttpClient>,
    grant: HttpGrant,
    limits: HttpLimits,
    turns: Arc<Semaphore>,
}

/// What a guest asks of a call that it streams itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamOptions {
    pub(crate) connect: Option<Duration>,
    pub(crate) headers: Option<Duration>,
}

/// A call that may be made.
#[derive(Debug)]
pub(crate) struct AdmittedCall {
    method: Method,
    target: CallTarget,
    headers: HeaderMap,
    body: Bytes,
    redirects: u32,
    until: Instant,
}

impl PluginHttp {
    pub(crate) fn new(plugin: Arc<str>, client: Arc<dyn HttpClient>, grant: HttpGrant, limits: HttpLimits) -> Self {
        let turns = usize::try_from(limits.concurrency).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { plugin, client, grant, turns: Arc::new(Semaphore::new(turns)), limits }
    }

    /// Checks a call, and counts it with those that were `made` before.
    pub(crate) fn admit(
        &self,
        call: WholeCall,
        trace: TraceContext,
        made: &AtomicU32,
    ) -> Result<AdmittedCall, HttpCallError> {
        let method = method_of(&call.method)?;
        let target = call.target?;
        let mut headers = headers_of(&call.headers)?;
        self.grant.check(&method, &target)?;
        trace.copy_to(&mut headers);
        self.check_request(&headers, call.body.len() as u64)?;
        self.count(made)?;
        Ok(AdmittedCall {
            method,
            target,
            headers,
            body: call.body,
            redirects: call.redirects.map_or(self.limits.redirects, |wanted| wanted.min(self.limits.redirects)),
            until: self.until(call.timeout),
        })
    }

    /// Sends a call, follows its redirects, each of them checked as the call was, and reads the response.
    pub(crate) async fn send(&self, call: AdmittedCall) -> Result<Response<Bytes>, HttpCallError> {
        let AdmittedCall { mut method, mut target, mut headers, mut body, redirects, until } = call;
        let keeps_redirects = redirects == 0;
        let turn = self.turn(until).await?;
        let mut left = redirects;
        let response = loop {
            let call = self.call(&method, &target, &headers, Body::from(body.clone()), self.limits.connect)?;
            let response = timeout_at(until, self.client.send(call)).await.map_err(|_| HttpCallError::Timeout)??;
            let Some(next) = redirect_of(response.status(), response.headers(), &target) else { break response };
            if keeps_redirects {
                break response;
            }
            left = left.checked_sub(1).ok_or(HttpCallError::TooManyRedirects(redirects))?;
            let next = next?;
            if becomes_get(response.status(), &method) {
                method = Method::GET;
                body = Bytes::new();
                [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE]
                    .iter()
                    .for_each(|name| drop(headers.remove(name)));
            }
            self.grant.check(&method, &next)?;
            if next.origin() != target.origin() {
                CREDENTIALS.iter().for_each(|name| drop(headers.remove(name)));
            }
            target = next;
        };
        let (parts, body) = self.bounded(response, until, turn)?.into_parts();
        Ok(Response::from_parts(parts, collect(body).await?))
    }

    /// Checks a call whose bodies flow, counts it, and gives the future that makes it. No redirect is followed.
    pub(crate) fn stream(
        self: &Arc<Self>,
        request: Request<Body>,
        options: StreamOptions,
        trace: TraceContext,
        made: &AtomicU32,
    ) -> Result<impl Future<Output = Result<Response<Body>, HttpCallError>> + Send + 'static, HttpCallError> {
        let (mut parts, body) = request.into_parts();
        let target = CallTarget::of_uri(parts.uri)?;
        let method = method_of(parts.method.as_str())?;
        [header::HOST, header::TE, header::TRAILER, header::EXPECT]
            .iter()
            .for_each(|name| drop(parts.headers.remove(name)));
        self.grant.check(&method, &target)?;
        trace.copy_to(&mut parts.headers);
        let limit = self.limits.request_bytes;
        let left = self.check_request(&parts.headers, 0)?;
        self.count(made)?;
        let connect = options.connect.map_or(self.limits.connect, |wanted| wanted.min(self.limits.connect));
        let until = self.until(None);
        let headers_until = until.min(self.until(options.headers));
        let this = Arc::clone(self);
        Ok(async move {
            let turn = this.turn(headers_until).await?;
            let (body, over) = RequestBody::new(body, left, limit);
            let call = this.call(&method, &target, &parts.headers, Body::new(body), connect)?;
            match timeout_at(headers_until, this.client.send(call)).await {
                Err(_) => Err(HttpCallError::Timeout),
                Ok(Err(_)) if over.load(Relaxed) => Err(HttpCallError::RequestTooLarge(limit)),
                Ok(Err(error)) => Err(error),
                Ok(Ok(response)) => this.bounded(response, until, turn),
            }
        })
    }

    fn count(&self, made: &AtomicU32) -> Result<(), HttpCallError> {
        // Calls of one exchange take turns: nobody else counts meanwhile.
        if made.load(Relaxed) >= self.limits.calls {
            return Err(HttpCallError::TooManyCalls(self.limits.calls));
        }
        made.fetch_add(1, Relaxed);
        Ok(())
    }

    fn until(&self, wanted: Option<Duration>) -> Instant {
        /// What no call waits for.
        const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);
        let timeout = wanted.map_or(self.limits.timeout, |wanted| wanted.min(self.limits.timeout));
        Instant::now() + timeout.min(FOREVER)
    }

    /// Bytes that are left for the rest of the body.
    fn check_request(&self, headers: &HeaderMap, body: u64) -> Result<u64, HttpCallError> {
        let limit = self.limits.request_bytes;
        limit.checked_sub(size_of(headers) + body).ok_or(HttpCallError::RequestTooLarge(limit))
    }

    async fn turn(&self, until: Instant) -> Result<OwnedSemaphorePermit, HttpCallError> {
        home().await;
        match timeout_at(until, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(HttpCallError::TooManyAtOnce(self.limits.concurrency)),
        }
    }

    fn call(
        &self,
        method: &Method,
        target: &CallTarget,
        headers: &HeaderMap,
        body: Body,
        connect_timeout: Duration,
    ) -> Result<HttpCall, HttpCallError> {
        let (uri, target) = match target {
            CallTarget::Url(url) => (url.clone(), HttpTarget::Url),
            CallTarget::Service { name, path } => (Uri::from(path.clone()), HttpTarget::Service(name.as_str().into())),
        };
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.clone();
        Ok(HttpCall {
            plugin: Arc::clone(&self.plugin),
            target,
            request,
            addresses: self.grant.addresses.clone(),
            connect_timeout,
        })
    }

    /// The response with a body that keeps within what is left of bytes and time.
    fn bounded(
        &self,
        response: Response<Body>,
        until: Instant,
        turn: OwnedSemaphorePermit,
    ) -> Result<Response<Body>, HttpCallError> {
        let limit = self.limits.response_bytes;
        let left = limit.checked_sub(size_of(response.headers())).ok_or(HttpCallError::ResponseTooLarge(limit))?;
        let announced = http_body::Body::size_hint(response.body()).exact().unwrap_or(0);
        if announced > left {
            return Err(HttpCallError::ResponseTooLarge(limit));
        }
        Ok(response.map(|body| Body::new(ResponseBody::new(body, left, limit, until, turn))))
    }
}

async fn collect(mut body: Body) -> Result<Bytes, HttpCallError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(error_of)?.into_data() else { continue };
        match (first.is_empty(), rest.is_empty()) {
            (true, true) => first = data,
            (false, true) => {
                rest.extend_from_slice(&first);
                rest.extend_from_slice(&data);
            }
            _ => rest.extend_from_slice(&data),
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

#[cfg(test)]
mod tests;
