//! Signs tokens, good and bad ones, with other code than the plugin's.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};

pub(super) struct Token {
    pub(super) header: String,
    pub(super) claims: String,
    /// Signs when it is not empty; else the private key does.
    pub(super) secret: Vec<u8>,
    pub(super) private_pem: &'static str,
}

impl Token {
    /// A token as the plugin's `config.json` wants it.
    pub(super) fn hs256(claims: &Value) -> Self {
        let secret = b"an-example-secret-of-32-bytes-or-more".to_vec();
        Self { secret, ..Self::rs256(claims) }.header(json!({ "alg": "HS256", "typ": "JWT" }))
    }

    pub(super) fn rs256(claims: &Value) -> Self {
        Self {
            header: json!({ "alg": "RS256", "typ": "JWT" }).to_string(),
            claims: claims.to_string(),
            secret: Vec::new(),
            private_pem: include_str!("../keys/rs256.private.pem"),
        }
    }

    pub(super) fn header(self, header: Value) -> Self {
        self.raw_header(&header.to_string())
    }

    pub(super) fn raw_header(self, header: &str) -> Self {
        Self { header: header.to_owned(), ..self }
    }

    pub(super) fn raw_claims(self, claims: &str) -> Self {
        Self { claims: claims.to_owned(), ..self }
    }

    pub(super) fn encode(&self) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(&self.header), URL_SAFE_NO_PAD.encode(&self.claims));
        let signature = if self.secret.is_empty() {
            rsa_sha256(self.private_pem, message.as_bytes())
        } else {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret), message.as_bytes()).as_ref().to_vec()
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A time as tokens have it.
pub(super) fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

fn rsa_sha256(pem: &str, message: &[u8]) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = RsaKeyPair::from_pkcs8(&STANDARD.decode(base64).unwrap()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}
