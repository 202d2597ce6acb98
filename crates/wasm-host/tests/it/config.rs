//! Schemas of configurations, and secrets in them.

use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{Error, Grants, MemoryMetrics, Names, PluginBuilder, PluginEngine, SchemaOrigin, Secret, SecretMap};

use crate::common::{Logged, engine, plugin};

/// Long enough for nobody to say it by chance, with what is escaped where it is quoted.
const VALUE: &str = "s3cr3t\"v\\alue";

fn leak(config: Value) -> PluginBuilder {
    let secrets = SecretMap::from_iter([("token", Secret::new(VALUE)), ("pin", Secret::new("7"))]);
    let grants =
        Grants { secrets: Names::Only(vec!["token".into(), "pin".into()]), metrics: true, ..Grants::default() };
    plugin(guest::NATIVE_LEAK).config(config).grants(grants).secret_source(secrets)
}

async fn refused(builder: PluginBuilder) -> String {
    let error = builder.load(engine()).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("s3cr3t"), "{text}");
    error.to_string()
}

#[tokio::test]
async fn a_config_that_does_not_fit_the_shipped_schema_is_refused_before_the_guest_sees_it() {
    let config = json!({ "secret": "", "limit": 11, "configure": "s3cr3t", "other": 1 });
    let error = leak(config).load(engine()).await.unwrap_err();
    let Error::ConfigMisfit { plugin, problems } = &error else { panic!("{error}") };
    assert_eq!(plugin, "test");
    let mut told: Vec<_> =
        problems.iter().map(|problem| (problem.pointer.as_str(), problem.message.as_str())).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("", "Additional properties are not allowed ('other' was unexpected)"),
            ("/configure", "the value is not one of \"error\", \"panic\" or \"log\""),
            ("/limit", "the value is greater than the maximum of 10"),
            ("/secret", "the value is shorter than 1 character"),
        ]
    );
    let absent = refused(leak(Value::Null)).await;
    assert_eq!(absent, "plugin `test` has a config that does not fit its schema: \"secret\" is a required property");
}

#[tokio::test]
async fn a_secret_is_checked_and_not_shown() {
    let short = json!({ "properties": { "secret": { "maxLength": 3, "const": "expected", "type": "integer" } } });
    let error = refused(leak(json!({ "secret": "secret://token" })).config_schema(short)).await;
    for problem in ["/secret: \"expected\" was expected", "/secret: the value is longer than 3 characters"] {
        assert!(error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn the_operators_schema_holds_besides_the_shipped_one() {
    let schema = json!({ "properties": { "limit": { "maximum": 5 } } });
    let config = |limit: u32| json!({ "secret": "a", "limit": limit });
    leak(config(5)).config_schema(schema.clone()).load(engine()).await.unwrap();
    let error = refused(leak(config(6)).config_schema(schema.clone())).await;
    assert!(error.ends_with("its schema: /limit: the value is greater than the maximum of 5"), "{error}");
    let error = refused(leak(config(11)).config_schema(schema)).await;
    assert!(error.contains("the maximum of 10; /limit: the value is greater than the maximum of 5"), "{error}");

    let alone = plugin(guest::NATIVE_EDIT).config(json!([])).config_schema(json!({ "type": "object" }));
    assert!(refused(alone).await.ends_with("does not fit its schema: the value is not of type \"object\""));
}

/// The file with a custom section behind its end.
fn with_section(file: &str, content: &[u8]) -> Vec<u8> {
    fn number(mut number: usize, to: &mut Vec<u8>) {
        while number > 0x7f {
            to.push(number as u8 | 0x80);
            number >>= 7;
        }
        to.push(number as u8);
    }
    let name = b"wasm-host:config-schema";
    let mut section = Vec::new();
    number(name.len(), &mut section);
    section.extend_from_slice(name);
    section.extend_from_slice(content);
    let mut bytes = std::fs::read(file).unwrap();
    bytes.push(0);
    number(section.len(), &mut bytes);
    bytes.extend(section);
    bytes
}

#[tokio::test]
async fn a_schema_is_found_in_core_modules_and_in_components() {
    for file in [guest::NATIVE_EDIT_ON_UNKNOWN, guest::NATIVE_EDIT_ON_WASIP1, guest::NATIVE_EDIT] {
        let bytes = with_section(file, br#"{ "type": "object", "required": ["a"] }"#);
        let error = refused(plugin(file).bytes(bytes.clone())).await;
        assert!(error.ends_with("its schema: \"a\" is a required property"), "{error}");
        plugin(file).bytes(bytes).config(json!({ "a": 1 })).load(engine()).await.unwrap();
    }
    let inspection = engine().inspect(&std::fs::read(guest::NATIVE_LEAK).unwrap()).unwrap();
    let schema: Value = serde_json::from_str(&inspection.config_schema.unwrap()).unwrap();
    assert_eq!(schema["required"], json!(["secret"]));
    assert_eq!(engine().inspect(&std::fs::read(guest::NATIVE_EDIT).unwrap()).unwrap().config_schema, None);
}

#[tokio::test]
async fn a_schema_that_cannot_be_used_is_blamed_on_who_gave_it() {
    for (section, reason) in [
        (&b"{"[..], "it is not JSON: "),
        (b"\xff", "it is not UTF-8 text: "),
        (br#"{ "type": "integr" }"#, "/type: "),
        (br##"{ "$ref": "#" }"##, "it refers to itself without end"),
        (br#"{ "$ref": "https://example.com/s" }"#, ""),
        (&[b' '; (128 << 10) + 1], "it has 131073 bytes; 131072 are allowed"),
    ] {
        let bytes = with_section(guest::NATIVE_COUNT, section);
        let error = plugin("").bytes(bytes.clone()).load(engine()).await.unwrap_err();
        let Error::SchemaUnusable { origin: SchemaOrigin::Plugin, .. } = error else { panic!("{error}") };
        let start = format!("plugin `test`: the config schema that it ships cannot be used: {reason}");
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(engine().inspect(&bytes).unwrap().problems.len() <= 1);
    }
    let twice = with_section(guest::NATIVE_LEAK, b"{}");
    let error = refused(leak(json!({ "secret": "a" })).bytes(twice)).await;
    assert!(error.ends_with("the file has more than one, and they differ"), "{error}");

    let error = refused(plugin(guest::NATIVE_COUNT).config_schema(json!({ "type": 1 }))).await;
    assert!(error.starts_with("plugin `test`: the operator's config schema cannot be used: /type: "), "{error}");
}

#[tokio::test]
async fn secrets_that_are_not_granted_or_not_there_are_named_at_once() {
    let grants = Grants { secrets: Names::Only(vec!["gone".into()]), ..Grants::default() };
    let config = json!({ "secret": "secret://token", "configure": "secret://gone" });
    let error = leak(config).grants(grants).load(engine()).await.unwrap_err();
    assert!(matches!(error, Error::Secrets { .. }));
    assert_eq!(
        error.to_string(),
        "plugin `test` cannot have secrets that its config names: /configure: the secret `gone`: there is no such secret; \
         looked for it among the host's own; /secret: the secret `token` is not granted to the plugin: `grants.secrets` \
         does not name it"
    );
    let none = plugin(guest::NATIVE_LEAK).config(json!({ "secret": "secret://a" }));
    let error = refused(none.grants(Grants { secrets: Names::All, ..Grants::default() })).await;
    assert!(error.ends_with("looked for it nowhere: the host was given no secrets"), "{error}");
}

#[tokio::test]
async fn a_config_is_compared_with_the_secrets_as_they_are_now() {
    let config = json!({ "secret": "secret://token" });
    let loaded = leak(config.clone()).load(engine()).await.unwrap();
    let now = |value: &str| SecretMap::from_iter([("token", Secret::new(value))]);
    assert!(loaded.has_config(&config, &now(VALUE)));
    assert!(!loaded.has_config(&config, &now("rotated")));
    assert!(!loaded.has_config(&config, &SecretMap::default()));
    assert!(!loaded.has_config(&json!({ "secret": "secret://pin" }), &now(VALUE)));
    for text in [format!("{loaded:?}"), format!("{:?}", leak(json!({ "secret": VALUE })))] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

#[tokio::test]
async fn the_code_of_a_plugin_is_configured_again_without_compiling() {
    let engine = PluginEngine::builder().max_instances(8).build().unwrap();
    let first = leak(json!({ "secret": "a" })).load(&engine).await.unwrap();
    assert_eq!(engine.compilations(), 1);
    let second = leak(json!({ "secret": "b" })).load(&engine).await.unwrap();
    let third = leak(json!({ "secret": "c" })).file("/gone.wasm").code_of(&first).load(&engine).await.unwrap();
    assert_eq!(engine.compilations(), 1);
    assert_eq!((first.digest(), first.digest()), (second.digest(), third.digest()));
    let absent = plugin(guest::NATIVE_LEAK).absent(&engine, "gone");
    assert!(matches!(leak(json!({})).code_of(&absent).load(&engine).await, Err(Error::NoCode { .. })));
    plugin(guest::NATIVE_COUNT).load(&engine).await.unwrap();
    assert_eq!(engine.compilations(), 2);
}

mod leaks {
    use http::StatusCode;
    use wasm_host::{FailureClass, RequestOutcome, UpstreamFailure, UpstreamFailureKind};

    use super::*;
    use crate::common::{answered, ask, open, passed, request, text};

    async fn lines(config: Value, act: &str) -> (Vec<String>, MemoryMetrics) {
        let (logged, metrics) = (Logged::default(), MemoryMetrics::default());
        let engine = PluginEngine::builder().max_instances(8).log_sink(logged.clone()).metric_sink(metrics.clone());
        let plugin = leak(config).load(&engine.build().unwrap()).await.unwrap();
        drop(ask(&plugin, &[("x-do", act)]).await);
        let lines = logged.lines();
        assert!(lines.iter().all(|line| !line.contains("s3cr3t")), "{lines:#?}");
        (lines, metrics)
    }

    fn token() -> Value {
        json!({ "secret": "secret://token" })
    }

    /// How the one failure of a call is told.
    async fn failure(act: &str) -> (FailureClass, String) {
        let plugin = leak(token()).load(engine()).await.unwrap();
        let mut exchange = open([plugin]);
        assert_eq!(answered(exchange.on_request(request(&[("x-do", act)])).await).status(), 500);
        let failures = exchange.failures();
        let failure = failures.first().unwrap();
        assert!(!format!("{failure:?} {exchange:?}").contains("s3cr3t"), "{failure:?}");
        (failure.class, failure.message.clone())
    }

    #[tokio::test]
    async fn log_and_streams_have_the_secrets_name() {
        let (lines, _) = lines(token(), "log").await;
        assert_eq!(
            lines,
            [
                "test exchange-1 Warn : it is [secret token], or \"[secret token]\"",
                "test exchange-1 Error [secret token]: its name is the context",
            ]
        );
        let (lines, _) = super::leaks::lines(token(), "print").await;
        assert_eq!(
            lines,
            [
                "test exchange-1 Info stdout: it is [secret token], or \"[secret token]\"",
                "test exchange-1 Warn stderr: it is [secret token], or \"[secret token]\"",
            ]
        );
        let (lines, _) = super::leaks::lines(json!({ "secret": "secret://token", "configure": "log" }), "").await;
        assert_eq!(lines[0], "test  Info : configured with [secret token]");
    }

    #[tokio::test]
    async fn a_short_secret_is_cut_out_too() {
        let (lines, _) = lines(json!({ "secret": "secret://pin" }), "log").await;
        assert_eq!(lines[0], "test exchange-1 Warn : it is [secret pin], or \"[secret pin]\"");
    }

    #[tokio::test]
    async fn what_is_not_a_secret_may_be_logged() {
        let (lines, _) = lines(json!({ "secret": "no secret" }), "log").await;
        assert_eq!(lines[0], "test exchange-1 Warn : it is no secret, or \"no secret\"");
    }

    #[tokio::test]
    async fn failures_have_the_secrets_name() {
        let told = "it is [secret token], or \"[secret token]\"";
        assert_eq!(failure("error").await, (FailureClass::GuestError, told.to_owned()));
        for act in ["panic", "exit"] {
            let (class, message) = failure(act).await;
            assert_eq!(class, FailureClass::Trap);
            assert!(message.contains(told), "{message}");
        }
        let plugin = leak(token()).load(engine()).await.unwrap();
        let mut exchange = open([plugin]);
        passed(exchange.on_request(request(&[])).await);
        exchange
            .on_error(&UpstreamFailure {
                service: None,
                kind: UpstreamFailureKind::Connect,
                message: "refused".into(),
                status: StatusCode::BAD_GATEWAY,
            })
            .await;
        let message = exchange.failures().first().unwrap().message.clone();
        assert!(message.starts_with("asked for a retry") && !message.contains("s3cr3t"), "{message}");
    }

    #[tokio::test]
    async fn a_plugin_that_does_not_start_tells_the_secrets_name() {
        for (configure, told) in [
            ("error", "refuses its config: no use for [secret token] and \"[secret token]\""),
            ("panic", "no use for [secret token] and \"[secret token]\""),
        ] {
            let error = refused(leak(json!({ "secret": "secret://token", "configure": configure }))).await;
            assert!(error.contains(told), "{error}");
        }
    }

    #[tokio::test]
    async fn metrics_have_the_secrets_name_or_are_refused() {
        let (lines, metrics) = lines(token(), "metric").await;
        let told = [
            "value Ok(())",
            "label Err(MetricError { code: 2, name: \"invalid-label\"",
            "name Err(MetricError { code: 1",
        ];
        assert_eq!(lines.len(), told.len());
        for (line, told) in lines.iter().zip(told) {
            assert!(line.starts_with(&format!("test exchange-1 Info : {told}")), "{line}");
        }
        assert_eq!(metrics.read("test", "told_total", &[("what", "[secret token]")]), Some((1.0, 1)));
        let (lines, _) = super::leaks::lines(token(), "choose").await;
        assert_eq!(
            lines[0],
            "test exchange-1 Warn host: routing: denied the service `[secret token]`: `grants.upstreams` does not grant it"
        );
    }

    #[tokio::test]
    async fn the_messages_themselves_are_the_plugins_own() {
        let plugin = leak(token()).load(engine()).await.unwrap();
        let response = match ask(&plugin, &[("x-do", "respond")]).await {
            RequestOutcome::Respond(response) => response,
            other => panic!("{other:?}"),
        };
        assert_eq!(response.headers()["x-secret"], VALUE);
        assert_eq!(text(response.into_body()).await, VALUE);
    }
}
