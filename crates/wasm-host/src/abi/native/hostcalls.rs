//! Guest → host: each function checks its arguments and translates, nothing else.

use bytes::Bytes;
use http::HeaderMap;
use wasmtime::{Result, component::Resource};

use super::{
    RequestHandle, ResponseHandle,
    bindings::{
        wasi::config::store as config,
        wasm_host::plugin::types::{self, BodyReading, EditError},
    },
    body::reading_of,
};
use crate::{
    message::{self, ExchangeState, Headers, LocalResponse, Phase, Trailers},
    store::HostState,
};

type Edit<T = ()> = Result<Result<T, EditError>>;
pub(super) type HeaderList = Vec<(String, Vec<u8>)>;

fn first(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    headers.get(name).map(|value| value.as_bytes().to_vec())
}

fn values(headers: &HeaderMap, name: &str) -> Vec<Vec<u8>> {
    headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
}

pub(super) fn list(headers: &HeaderMap) -> HeaderList {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

impl HostState {
    fn request_headers(&mut self) -> Result<Headers<'_>> {
        let (request, budget) = self.exchange()?.edit_request();
        Ok(Headers { map: &mut request.headers, budget })
    }

    fn response_headers(&mut self) -> Result<Headers<'_>> {
        let (response, budget) = self.exchange()?.edit_response();
        Ok(Headers { map: &mut response.headers, budget })
    }

    fn trailers(&mut self) -> Result<Result<Trailers<'_>, message::EditError>> {
        let ExchangeState { trailers, edits, .. } = self.exchange()?;
        Ok(trailers.as_mut().map(|map| Trailers { map, budget: edits }).ok_or(message::EditError::WrongTime))
    }

    fn set_reading(&mut self, reading: BodyReading, phase: Phase) -> Edit {
        let limit = self.plugin.limits.body_bytes;
        let reading = reading_of(reading);
        let exchange = self.exchange()?;
        if exchange.phase != phase {
            return Ok(Err(EditError::WrongTime));
        }
        if reading.mode.held_bytes() as usize > limit {
            return Ok(Err(EditError::TooLarge));
        }
        exchange.reading = Some(reading);
        Ok(Ok(()))
    }

    /// Hands a local response to the guest.
    pub(super) fn give_local_response(&mut self, response: LocalResponse) -> Result<Resource<LocalResponse>> {
        let response = self.table.push(response)?;
        self.responses_held += 1;
        Ok(response)
    }

    /// Takes a local response back from the guest.
    pub(super) fn take_local_response(&mut self, response: Resource<LocalResponse>) -> Result<LocalResponse> {
        let response = self.table.delete(response)?;
        self.responses_held -= 1;
        Ok(response)
    }

    fn edit_local<T>(
        &mut self,
        response: &Resource<LocalResponse>,
        edit: impl FnOnce(&mut Headers<'_>) -> Result<T, message::EditError>,
    ) -> Edit<T> {
        self.count_hostcall()?;
        let Self { exchange, table, .. } = self;
        let Some(exchange) = exchange else { return Err(crate::store::HostStop::NoExchange.into()) };
        let response = table.get_mut(response)?;
        Ok(edit(&mut Headers { map: &mut response.headers, budget: &mut exchange.edits }).map_err(Into::into))
    }
}

impl types::Host for HostState {}

impl types::HostRequest for HostState {
    fn method(&mut self, _: Resource<RequestHandle>) -> Result<String> {
        Ok(self.exchange()?.request.method.to_string())
    }

    fn set_method(&mut self, _: Resource<RequestHandle>, method: String) -> Edit {
        let (request, budget) = self.exchange()?.edit_request();
        Ok(message::set_method(request, budget, &method).map_err(Into::into))
    }

    fn scheme(&mut self, _: Resource<RequestHandle>) -> Result<Option<String>> {
        Ok(self.exchange()?.request.uri.scheme_str().map(str::to_owned))
    }

    fn authority(&mut self, _: Resource<RequestHandle>) -> Result<Option<String>> {
        let request = &self.exchange()?.request;
        let host = || request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        Ok(request.uri.authority().map(|authority| authority.as_str()).or_else(host).map(str::to_owned))
    }

    fn set_authority(&mut self, _: Resource<RequestHandle>, authority: String) -> Edit {
        let (request, budget) = self.exchange()?.edit_request();
        Ok(message::set_authority(request, budget, &authority).map_err(Into::into))
    }

    fn path(&mut self, _: Resource<RequestHandle>) -> Result<String> {
        Ok(self.exchange()?.request.uri.path().to_owned())
    }

    fn query(&mut self, _: Resource<RequestHandle>) -> Result<Option<String>> {
        Ok(self.exchange()?.request.uri.query().map(str::to_owned))
    }

    fn path_with_query(&mut self, _: Resource<RequestHandle>) -> Result<String> {
        let uri = &self.exchange()?.request.uri;
        Ok(uri.path_and_query().map_or("/", |target| target.as_str()).to_owned())
    }

    fn set_path_with_query(&mut self, _: Resource<RequestHandle>, target: String) -> Edit {
        let (request, budget) = self.exchange()?.edit_request();
        Ok(message::set_path_with_query(request, budget, &target).map_err(Into::into))
    }

    fn header(&mut self, _: Resource<RequestHandle>, name: String) -> Result<Option<Vec<u8>>> {
        Ok(first(&self.exchange()?.request.headers, &name))
    }

    fn header_values(&mut self, _: Resource<RequestHandle>, name: String) -> Result<Vec<Vec<u8>>> {
        Ok(values(&self.exchange()?.request.headers, &name))
    }

    fn headers(&mut self, _: Resource<RequestHandle>) -> Result<HeaderList> {
        Ok(list(&self.exchange()?.request.headers))
    }

    fn set_header(&mut self, _: Resource<RequestHandle>, name: String, value: Vec<u8>) -> Edit {
        Ok(self.request_headers()?.set(&name, &value).map_err(Into::into))
    }

    fn append_header(&mut self, _: Resource<RequestHandle>, name: String, value: Vec<u8>) -> Edit {
        Ok(self.request_headers()?.append(&name, &value).map_err(Into::into))
    }

    fn remove_header(&mut self, _: Resource<RequestHandle>, name: String) -> Edit<u32> {
        Ok(self.request_headers()?.remove(&name).map_err(Into::into))
    }

    fn read_body(&mut self, _: Resource<RequestHandle>, reading: BodyReading) -> Edit {
        self.set_reading(reading, Phase::Request)
    }

    fn announce_trailers(&mut self, _: Resource<RequestHandle>, names: Vec<String>) -> Edit {
        Ok(self.request_headers()?.announce_trailers(&names).map_err(Into::into))
    }

    fn trailers(&mut self, _: Resource<RequestHandle>) -> Edit<HeaderList> {
        Ok(self.trailers()?.map(|trailers| list(trailers.map)).map_err(Into::into))
    }

    fn set_trailer(&mut self, _: Resource<RequestHandle>, name: String, value: Vec<u8>) -> Edit {
        Ok(self.trailers()?.and_then(|mut trailers| trailers.set(&name, &value)).map_err(Into::into))
    }

    fn remove_trailer(&mut self, _: Resource<RequestHandle>, name: String) -> Edit<u32> {
        Ok(self.trailers()?.and_then(|mut trailers| trailers.remove(&name)).map_err(Into::into))
    }

    fn drop(&mut self, _: Resource<RequestHandle>) -> Result<()> {
        Ok(())
    }
}

impl types::HostResponse for HostState {
    fn status(&mut self, _: Resource<ResponseHandle>) -> Result<u16> {
        Ok(self.exchange()?.response.status.as_u16())
    }

    fn set_status(&mut self, _: Resource<ResponseHandle>, status: u16) -> Edit {
        let (response, budget) = self.exchange()?.edit_response();
        let status = budget.check_open().and_then(|()| message::set_status(&mut response.status, status));
        Ok(status.map_err(Into::into))
    }

    fn header(&mut self, _: Resource<ResponseHandle>, name: String) -> Result<Option<Vec<u8>>> {
        Ok(first(&self.exchange()?.response.headers, &name))
    }

    fn header_values(&mut self, _: Resource<ResponseHandle>, name: String) -> Result<Vec<Vec<u8>>> {
        Ok(values(&self.exchange()?.response.headers, &name))
    }

    fn headers(&mut self, _: Resource<ResponseHandle>) -> Result<HeaderList> {
        Ok(list(&self.exchange()?.response.headers))
    }

    fn set_header(&mut self, _: Resource<ResponseHandle>, name: String, value: Vec<u8>) -> Edit {
        Ok(self.response_headers()?.set(&name, &value).map_err(Into::into))
    }

    fn append_header(&mut self, _: Resource<ResponseHandle>, name: String, value: Vec<u8>) -> Edit {
        Ok(self.response_headers()?.append(&name, &value).map_err(Into::into))
    }

    fn remove_header(&mut self, _: Resource<ResponseHandle>, name: String) -> Edit<u32> {
        Ok(self.response_headers()?.remove(&name).map_err(Into::into))
    }

    fn read_body(&mut self, _: Resource<ResponseHandle>, reading: BodyReading) -> Edit {
        self.set_reading(reading, Phase::Response)
    }

    fn announce_trailers(&mut self, _: Resource<ResponseHandle>, names: Vec<String>) -> Edit {
        Ok(self.response_headers()?.announce_trailers(&names).map_err(Into::into))
    }

    fn trailers(&mut self, _: Resource<ResponseHandle>) -> Edit<HeaderList> {
        Ok(self.trailers()?.map(|trailers| list(trailers.map)).map_err(Into::into))
    }

    fn set_trailer(&mut self, _: Resource<ResponseHandle>, name: String, value: Vec<u8>) -> Edit {
        Ok(self.trailers()?.and_then(|mut trailers| trailers.set(&name, &value)).map_err(Into::into))
    }

    fn remove_trailer(&mut self, _: Resource<ResponseHandle>, name: String) -> Edit<u32> {
        Ok(self.trailers()?.and_then(|mut trailers| trailers.remove(&name)).map_err(Into::into))
    }

    fn drop(&mut self, _: Resource<ResponseHandle>) -> Result<()> {
        Ok(())
    }
}

impl types::HostLocalResponse for HostState {
    fn new(&mut self, status: u16) -> Edit<Resource<LocalResponse>> {
        self.count_hostcall()?;
        match LocalResponse::new(status) {
            Ok(response) => Ok(Ok(self.give_local_response(response)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn set_header(&mut self, response: Resource<LocalResponse>, name: String, value: Vec<u8>) -> Edit {
        self.edit_local(&response, |headers| headers.set(&name, &value))
    }

    fn append_header(&mut self, response: Resource<LocalResponse>, name: String, value: Vec<u8>) -> Edit {
        self.edit_local(&response, |headers| headers.append(&name, &value))
    }

    fn set_body(&mut self, response: Resource<LocalResponse>, body: Vec<u8>) -> Edit {
        self.count_hostcall()?;
        let Some(left) = self.response_bytes_left.checked_sub(body.len()) else {
            return Ok(Err(EditError::TooLarge));
        };
        self.response_bytes_left = left;
        self.table.get_mut(&response)?.body = Bytes::from(body);
        Ok(Ok(()))
    }

    fn drop(&mut self, response: Resource<LocalResponse>) -> Result<()> {
        self.take_local_response(response)?;
        Ok(())
    }
}

impl config::Host for HostState {
    fn get(&mut self, key: String) -> Result<Result<Option<String>, config::Error>> {
        self.count_hostcall()?;
        Ok(Ok(self.plugin.config.get(&key).map(str::to_owned)))
    }

    fn get_all(&mut self) -> Result<Result<Vec<(String, String)>, config::Error>> {
        self.count_hostcall()?;
        Ok(Ok(self.plugin.config.entries().to_vec()))
    }
}

impl From<message::EditError> for EditError {
    fn from(error: message::EditError) -> Self {
        use message::EditError as E;

        match error {
            E::InvalidName(name) => Self::InvalidName(name),
            E::InvalidValue(name) => Self::InvalidValue(name),
            E::Forbidden(name) => Self::Forbidden(name),
            E::InvalidStatus(status) => Self::InvalidStatus(status),
            E::InvalidMethod(method) => Self::InvalidMethod(method),
            E::InvalidPath(path) => Self::InvalidPath(path),
            E::InvalidAuthority(authority) => Self::InvalidAuthority(authority),
            E::TooLarge => Self::TooLarge,
            E::WrongTime => Self::WrongTime,
        }
    }
}
