mod token;

use http::HeaderValue;
use plugin_tests::JWT_CHECK;
use serde_json::{Value, json};
use wasm_host::PluginChain;

use self::token::{Token, in_seconds};
use crate::harness::{Passed, chain, example_chain, example_config, get, refusal, send};

const RS256_PUBLIC: &str = include_str!("keys/rs256.public.pem");

async fn rs256_chain() -> PluginChain {
    chain(
        JWT_CHECK,
        json!({ "algorithm": "RS256", "public_key_pem": RS256_PUBLIC, "forward_claims": { "sub": "x-user" } }),
    )
    .await
}

fn claims() -> Value {
    json!({ "iss": "https://issuer.example", "aud": "orders", "sub": "ada", "exp": in_seconds(600) })
}

/// The claims with one of them replaced, or left out.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

async fn bearer(chain: &PluginChain, token: &str) -> Passed {
    send(chain, get("/", &[("authorization", &format!("Bearer {token}")), ("x-user", "forged")])).await
}

#[track_caller]
fn assert_refused(passed: &Passed, why: &str) {
    assert_eq!(passed.status(), 401);
    assert!(passed.upstream.is_none());
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{why}\"");
    assert_eq!(passed.header("www-authenticate"), [challenge]);
    assert_eq!(passed.json(), json!({ "error": why }));
}

const BROKEN: &str = "the token is malformed or its signature is wrong";

#[tokio::test]
async fn passes_a_valid_hs256_token_and_forwards_claims() {
    let chain = example_chain(JWT_CHECK).await;
    let passed = bearer(&chain, &Token::hs256(&claims_with("scope", json!("read"))).encode()).await;
    assert_eq!(passed.status(), 200);
    assert_eq!(passed.upstream_header("x-user"), ["ada"]);
    assert_eq!(passed.upstream_header("x-scope"), ["read"]);
    assert_eq!(passed.upstream_header("authorization").len(), 1);
}

#[tokio::test]
async fn passes_a_valid_rs256_token_within_the_default_limits() {
    let chain = rs256_chain().await;
    for _ in 0..10 {
        let passed = bearer(&chain, &Token::rs256(&claims()).encode()).await;
        assert_eq!(passed.status(), 200);
        assert_eq!(passed.upstream_header("x-user"), ["ada"]);
    }
}

#[tokio::test]
async fn refuses_a_token_of_another_key() {
    let token = Token { secret: b"another-secret-of-32-bytes-or-more!!".to_vec(), ..Token::hs256(&claims()) };
    assert_refused(&bearer(&example_chain(JWT_CHECK).await, &token.encode()).await, BROKEN);
    let token = Token { private_pem: include_str!("keys/other.private.pem"), ..Token::rs256(&claims()) };
    assert_refused(&bearer(&rs256_chain().await, &token.encode()).await, BROKEN);
}

#[tokio::test]
async fn refuses_alg_none_in_any_spelling() {
    let (hs256, rs256) = (example_chain(JWT_CHECK).await, rs256_chain().await);
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let token = Token::hs256(&claims()).header(json!({ "alg": alg, "typ": "JWT" }));
        let unsigned = token.encode().rsplit_once('.').unwrap().0.to_owned() + ".";
        for chain in [&hs256, &rs256] {
            assert_refused(&bearer(chain, &token.encode()).await, BROKEN);
            assert_refused(&bearer(chain, &unsigned).await, BROKEN);
        }
    }
}

#[tokio::test]
async fn refuses_the_public_key_as_an_hmac_secret() {
    for secret in [RS256_PUBLIC, RS256_PUBLIC.trim_end()] {
        let token = Token { secret: secret.as_bytes().to_vec(), ..Token::hs256(&claims()) };
        assert_refused(&bearer(&rs256_chain().await, &token.encode()).await, "the token has another algorithm");
    }
}

#[tokio::test]
async fn refuses_another_algorithm_with_the_right_key() {
    let chain = example_chain(JWT_CHECK).await;
    for alg in ["HS384", "HS512", "RS256", "ES256"] {
        let token = Token::hs256(&claims()).header(json!({ "alg": alg }));
        assert_refused(&bearer(&chain, &token.encode()).await, "the token has another algorithm");
    }
}

#[tokio::test]
async fn refuses_by_time_beyond_the_leeway() {
    let chain = example_chain(JWT_CHECK).await;
    for (claim, seconds, why) in [
        ("exp", -60, Some("the token has expired")),
        ("exp", -10, None),
        ("nbf", 60, Some("the token is not valid yet")),
        ("nbf", 10, None),
    ] {
        let token = Token::hs256(&claims_with(claim, json!(in_seconds(seconds))));
        let passed = bearer(&chain, &token.encode()).await;
        match why {
            Some(why) => assert_refused(&passed, why),
            None => assert_eq!(passed.status(), 200),
        }
    }
}

#[tokio::test]
async fn refuses_other_issuers_and_audiences_and_missing_claims() {
    let chain = example_chain(JWT_CHECK).await;
    for (claim, value, why) in [
        ("iss", json!("https://issuer.example.evil"), "the token is from another issuer"),
        ("aud", json!("payments"), "the token is for another audience"),
        ("aud", json!(["payments", "stock"]), "the token is for another audience"),
        ("iss", Value::Null, "the token lacks a claim"),
        ("aud", Value::Null, "the token lacks a claim"),
        ("exp", Value::Null, "the token lacks a claim"),
    ] {
        let token = Token::hs256(&claims_with(claim, value));
        assert_refused(&bearer(&chain, &token.encode()).await, why);
    }
    let token = Token::hs256(&claims_with("aud", json!(["payments", "orders"])));
    assert_eq!(bearer(&chain, &token.encode()).await.status(), 200);
}

#[tokio::test]
async fn does_not_check_issuer_and_audience_that_are_not_configured() {
    let mut config = example_config(JWT_CHECK);
    config.as_object_mut().unwrap().retain(|name, _| ["algorithm", "secret"].contains(&name.as_str()));
    let chain = chain(JWT_CHECK, config).await;
    assert_eq!(bearer(&chain, &Token::hs256(&claims_with("aud", json!("anyone"))).encode()).await.status(), 200);
}

#[tokio::test]
async fn refuses_critical_extensions() {
    let token = Token::hs256(&claims()).header(json!({ "alg": "HS256", "crit": ["exp"] }));
    assert_refused(
        &bearer(&example_chain(JWT_CHECK).await, &token.encode()).await,
        "the token has critical extensions",
    );
}

#[tokio::test]
async fn asks_for_a_token_when_there_is_none() {
    let chain = example_chain(JWT_CHECK).await;
    for headers in
        [&[][..], &[("authorization", "")], &[("authorization", "Basic dTpw")], &[("authorization", "Bearer")]]
    {
        let passed = send(&chain, get("/", headers)).await;
        assert_eq!(passed.status(), 401);
        assert_eq!(passed.header("www-authenticate"), ["Bearer"]);
        assert_eq!(passed.json(), json!({ "error": "a bearer token is needed" }));
    }
}

#[tokio::test]
async fn takes_the_scheme_in_any_case() {
    let chain = example_chain(JWT_CHECK).await;
    let authorization = format!("bEARER {}", Token::hs256(&claims()).encode());
    assert_eq!(send(&chain, get("/", &[("authorization", &authorization)])).await.status(), 200);
}

#[tokio::test]
async fn refuses_hostile_authorizations() {
    let chain = example_chain(JWT_CHECK).await;
    let good = Token::hs256(&claims()).encode();
    let nested = Token::hs256(&claims()).raw_header(&nested_json()).encode();
    let nested_claims = Token::hs256(&Value::Null).raw_claims(&nested_json()).encode();
    let huge = "A".repeat(60_000);
    for token in [
        "",
        "a",
        "..",
        "a.b",
        "a.b.c.d",
        "!.!.!",
        &format!("{good}.x"),
        &format!("{good}="),
        &nested,
        &nested_claims,
        &huge,
    ] {
        assert_refused(&bearer(&chain, token).await, BROKEN);
    }
    let twice = get("/", &[("authorization", &format!("Bearer {good}")), ("authorization", "Bearer x")]);
    assert_refused(&send(&chain, twice).await, "there are several authorizations");
    let mut bytes = get("/", &[]);
    bytes.headers_mut().insert("authorization", HeaderValue::from_bytes(b"Bearer \xff").unwrap());
    assert_refused(&send(&chain, bytes).await, "the authorization is not text");
}

/// An array within an array, ten thousand times.
fn nested_json() -> String {
    format!("{{\"alg\":\"HS256\",\"exp\":{}}}", "[".repeat(10_000) + &"]".repeat(10_000))
}

#[tokio::test]
async fn refuses_a_claim_that_would_break_the_header() {
    let token = Token::hs256(&claims_with("sub", json!("ada\r\nx-admin: yes")));
    assert_refused(&bearer(&example_chain(JWT_CHECK).await, &token.encode()).await, "a claim does not fit a header");
}

#[tokio::test]
async fn removes_forwarded_headers_that_the_client_sent() {
    let chain = example_chain(JWT_CHECK).await;
    let passed = bearer(&chain, &Token::hs256(&claims_with("sub", Value::Null)).encode()).await;
    assert_eq!(passed.status(), 200);
    assert!(passed.upstream_header("x-user").is_empty());
}

#[tokio::test]
async fn forwards_claims_that_are_no_text_as_json() {
    let chain = example_chain(JWT_CHECK).await;
    let passed = bearer(&chain, &Token::hs256(&claims_with("scope", json!(["read", 2]))).encode()).await;
    assert_eq!(passed.upstream_header("x-scope"), ["[\"read\",2]"]);
}

#[tokio::test]
async fn stack_suffices_for_claims_as_deep_as_json_may_be() {
    let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
    let passed = bearer(&example_chain(JWT_CHECK).await, &Token::hs256(&claims_with("scope", deep)).encode()).await;
    assert_eq!(passed.upstream_header("x-scope")[0].len(), 241);
    let mut claims = claims();
    claims["deep"] = (0..120).fold(json!(1), |inner, _| json!({ "a": inner }));
    assert_eq!(bearer(&rs256_chain().await, &Token::rs256(&claims).encode()).await.status(), 200);
}

#[tokio::test]
async fn refuses_bad_configs() {
    let long = "x".repeat(32);
    for (config, text) in [
        (json!(null), "\"algorithm\" is a required property"),
        (json!({ "algorithm": "none" }), "/algorithm: the value is not one of \"HS256\" or \"RS256\""),
        (json!({ "algorithm": "HS256" }), "`algorithm: HS256` needs `secret` and no `public_key_pem`"),
        (
            json!({ "algorithm": "HS256", "secret": &long, "public_key_pem": RS256_PUBLIC }),
            "needs `secret` and no `public_key_pem`",
        ),
        (json!({ "algorithm": "RS256", "secret": &long }), "`algorithm: RS256` needs `public_key_pem` and no `secret`"),
        (json!({ "algorithm": "HS256", "secret": "hunter2" }), "`secret` has 7 bytes, HS256 needs 32 or more"),
        (json!({ "algorithm": "RS256", "public_key_pem": "nonsense" }), "`public_key_pem` is not an RSA key"),
        (
            json!({ "algorithm": "RS256", "public_key_pem": include_str!("keys/rs256.private.pem") }),
            "`public_key_pem` is not an RSA key",
        ),
        (
            json!({ "algorithm": "RS256", "public_key_pem": include_str!("keys/short.public.pem") }),
            "has 1024 bits, RS256 needs 2048 or more",
        ),
        (
            json!({ "algorithm": "HS256", "secret": &long, "forward_claims": { "sub": "x user" } }),
            "`forward_claims.sub`: `[the value of /forward_claims/sub]` is not a header name",
        ),
        (
            json!({ "algorithm": "HS256", "secret": &long, "leeway": 5 }),
            "Additional properties are not allowed ('leeway' was unexpected)",
        ),
    ] {
        let error = refusal(JWT_CHECK, config).await;
        assert!(error.contains(text), "{error}");
        assert!(!error.contains("hunter2") && !error.contains(&long), "{error}");
    }
}
