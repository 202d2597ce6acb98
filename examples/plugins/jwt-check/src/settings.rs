use std::collections::BTreeMap;

use http::HeaderName;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rsa::{RsaPublicKey, pkcs8::DecodePublicKey, traits::PublicKeyParts};
use serde::Deserialize;
use wasm_host_guest::{Error, Result};

/// RFC 7518 3.2: as long as the hash, or longer.
const MIN_SECRET_BYTES: usize = 32;
/// RFC 7518 3.3.
const MIN_RSA_BITS: usize = 2048;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    algorithm: Accepted,
    secret: Option<String>,
    public_key_pem: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
    #[serde(default = "default_leeway")]
    leeway_seconds: u64,
    #[serde(default)]
    forward_claims: BTreeMap<String, String>,
}

/// The algorithms there are: one a plugin, so that a token never chooses.
#[derive(Clone, Copy, Deserialize)]
enum Accepted {
    HS256,
    RS256,
}

impl Settings {
    pub(crate) fn key(&self) -> Result<DecodingKey> {
        match (self.algorithm, &self.secret, &self.public_key_pem) {
            (Accepted::HS256, Some(secret), None) => secret_key(secret),
            (Accepted::RS256, None, Some(pem)) => public_key(pem),
            (Accepted::HS256, ..) => Err(Error::new("`algorithm: HS256` needs `secret` and no `public_key_pem`")),
            (Accepted::RS256, ..) => Err(Error::new("`algorithm: RS256` needs `public_key_pem` and no `secret`")),
        }
    }

    pub(crate) fn validation(&self) -> Validation {
        let mut validation = Validation::new(match self.algorithm {
            Accepted::HS256 => Algorithm::HS256,
            Accepted::RS256 => Algorithm::RS256,
        });
        validation.leeway = self.leeway_seconds;
        validation.validate_nbf = true;
        validation.validate_aud = self.audience.is_some();
        // A claim that is checked only when it is there could be left out.
        let mut required = vec!["exp"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    pub(crate) fn forwarded(self) -> Result<Vec<(String, HeaderName)>> {
        let parse = |(claim, header): (String, String)| match HeaderName::try_from(&header) {
            Ok(header) => Ok((claim, header)),
            Err(_) => Err(Error::new(format!("`forward_claims.{claim}`: `{header}` is not a header name"))),
        };
        self.forward_claims.into_iter().map(parse).collect()
    }
}

fn secret_key(secret: &str) -> Result<DecodingKey> {
    if secret.len() < MIN_SECRET_BYTES {
        return Err(Error::new(format!("`secret` has {} bytes, HS256 needs {MIN_SECRET_BYTES} or more", secret.len())));
    }
    Ok(DecodingKey::from_secret(secret.as_bytes()))
}

fn public_key(pem: &str) -> Result<DecodingKey> {
    let key = RsaPublicKey::from_public_key_pem(pem).map_err(|error| {
        Error::new(format!("`public_key_pem` is not an RSA key that starts with `-----BEGIN PUBLIC KEY-----`: {error}"))
    })?;
    if key.n().bits() < MIN_RSA_BITS {
        return Err(Error::new(format!(
            "`public_key_pem` has {} bits, RS256 needs {MIN_RSA_BITS} or more",
            key.n().bits()
        )));
    }
    Ok(DecodingKey::from_rsa_raw_components(&key.n().to_bytes_be(), &key.e().to_bytes_be()))
}

fn default_leeway() -> u64 {
    60
}
