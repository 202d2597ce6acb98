use crate::{
    BodyMode, BodyReading, EditError, HeaderValue, Result, bindings::imports::wasm_host::plugin::types,
    stream::Trailers,
};

/// A request on its way to the upstream, as the earlier plugins left it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a>(pub(crate) &'a types::Request);

/// A response on its way to the client, as the plugins behind this one left it.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a>(pub(crate) &'a types::Response);

macro_rules! headers {
    () => {
        /// The first value of a header.
        pub fn header(&self, name: &str) -> Option<HeaderValue> {
            self.0.header(name).map(HeaderValue)
        }

        /// Every value of a header, in order.
        pub fn header_values(&self, name: &str) -> Vec<HeaderValue> {
            self.0.header_values(name).into_iter().map(HeaderValue).collect()
        }

        /// Every header, one entry a value.
        pub fn headers(&self) -> Vec<(String, HeaderValue)> {
            self.0.headers().into_iter().map(|(name, value)| (name, HeaderValue(value))).collect()
        }

        /// The media type that the content-type header names, in lower case and without parameters.
        pub fn media_type(&self) -> Option<String> {
            let value = self.header("content-type")?;
            let essence = value.to_str()?.split(';').next()?.trim();
            Some(essence.to_ascii_lowercase())
        }

        /// Replaces every value of a header by one.
        pub fn set_header(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), EditError> {
            self.0.set_header(name, value.as_ref())
        }

        /// Adds a value behind those the header has.
        pub fn append_header(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), EditError> {
            self.0.append_header(name, value.as_ref())
        }

        /// Removes every value of a header, and says how many there were.
        pub fn remove_header(&self, name: &str) -> Result<u32, EditError> {
            self.0.remove_header(name)
        }

        /// How the plugin reads this message's body, in place of what it declared. For the phase of the headers.
        pub fn read_body(&self, reading: impl Into<BodyReading>) -> Result<(), EditError> {
            self.0.read_body(reading.into().into())
        }

        /// Lets this message's body flow past the plugin.
        pub fn skip_body(&self) -> Result<(), EditError> {
            self.read_body(BodyMode::None)
        }

        /// Names trailers that the plugin may add: HTTP/1.1 sends no others.
        pub fn announce_trailers(&self, names: &[&str]) -> Result<(), EditError> {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            self.0.announce_trailers(&names)
        }

        /// The trailers, at the end of the body.
        pub fn trailers(&self) -> Result<Vec<(String, HeaderValue)>, EditError> {
            Ok(self.0.trailers()?.into_iter().map(|(name, value)| (name, HeaderValue(value))).collect())
        }

        /// Sets a trailer, at the end of the body.
        pub fn set_trailer(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), EditError> {
            self.0.set_trailer(name, value.as_ref())
        }

        /// Removes a trailer, at the end of the body, and says how many values it had.
        pub fn remove_trailer(&self, name: &str) -> Result<u32, EditError> {
            self.0.remove_trailer(name)
        }
    };
}

impl Request<'_> {
    /// The method, for example `GET`.
    pub fn method(&self) -> String {
        self.0.method()
    }

    /// Replaces the method.
    pub fn set_method(&self, method: &str) -> Result<(), EditError> {
        self.0.set_method(method)
    }

    /// `http` or `https`, when the host knows which the client used.
    pub fn scheme(&self) -> Option<String> {
        self.0.scheme()
    }

    /// The host the client asked for, with its port when it gave one.
    pub fn authority(&self) -> Option<String> {
        self.0.authority()
    }

    /// Replaces the host the request is for.
    pub fn set_authority(&self, authority: &str) -> Result<(), EditError> {
        self.0.set_authority(authority)
    }

    /// The path without the query.
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// The query without its question mark.
    pub fn query(&self) -> Option<String> {
        self.0.query()
    }

    /// The path with its query.
    pub fn path_with_query(&self) -> String {
        self.0.path_with_query()
    }

    /// Replaces path and query.
    pub fn set_path_with_query(&self, path_with_query: &str) -> Result<(), EditError> {
        self.0.set_path_with_query(path_with_query)
    }

    headers!();
}

impl Response<'_> {
    /// The status.
    pub fn status(&self) -> u16 {
        self.0.status()
    }

    /// Replaces the status: 200 to 599.
    pub fn set_status(&self, status: u16) -> Result<(), EditError> {
        self.0.set_status(status)
    }

    headers!();
}

macro_rules! trailers_of {
    ($message:ty) => {
        impl Trailers for $message {
            fn trailers(&self) -> Result<Vec<(String, HeaderValue)>> {
                Ok(self.trailers()?)
            }

            fn edit(&self, name: &str, value: Option<&[u8]>) -> Result<()> {
                match value {
                    Some(value) => self.set_trailer(name, value)?,
                    None => drop(self.remove_trailer(name)?),
                }
                Ok(())
            }
        }
    };
}

trailers_of!(Request<'_>);
trailers_of!(Response<'_>);
