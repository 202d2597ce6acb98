use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::*;

const GOOD: &str = "
listeners: [{ address: '127.0.0.1:0' }]
routes: [{ name: all, service: b }]
services: [{ name: b, upstreams: [{ url: 'http://127.0.0.1:1' }] }]
admin: { enabled: false }
workers: 1
";

#[test]
fn check_counts_a_good_config() {
    let (_directory, path) = file("good.yaml", GOOD);
    let (code, stdout, stderr) = output(&["check", "--config", &path]);
    assert_eq!((code, stdout.as_str()), (Some(0), "ok: 1 listener, 1 route, 1 service, 0 plugins\n"), "{stderr}");
}

#[test]
fn check_prints_every_problem_with_its_place() {
    let (_directory, path) = file("bad.toml", "listeners = []\n[[routes]]\nname = 'a'\nservice = 'x'\n");
    let (code, _, stderr) = output(&["check", "--config", &path]);
    let expected = format!(
        "{path}:1:1: listeners: at least one listener is needed\n{path}:4:1: routes[0].service: no service is called `x`\n"
    );
    assert_eq!((code, stderr), (Some(1), expected));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let (code, _, stderr) = output(&["check", "--config", "/nowhere/gateway.yaml"]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("/nowhere/gateway.yaml: cannot be read: "), "{stderr}");
    let (code, _, stderr) = output(&["check", "--config", "gateway.json"]);
    assert_eq!((code, stderr.as_str()), (Some(1), "gateway.json: the name must end in .yaml, .yml or .toml\n"));
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [&["run"][..], &["check"], &["run", "--config", "a", "--upstream", "b"], &["fly"], &[]] {
        assert_eq!(output(arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_left_is_no_failure() {
    let (_directory, path) = file("good.yaml", GOOD);
    for arguments in [&["schema"][..], &["check", "--config", &path]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = refgateway(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output();
        let ended = ended.unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}");
    }
}

#[test]
fn a_failure_that_nobody_reads_exits_with_1() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = refgateway(&["check", "--config", "/nowhere.yaml"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn schema_is_json_schema_of_the_config() {
    let (code, stdout, _) = output(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(schema["title"], "Config");
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["$defs"]["Route"]["properties"]["match"].is_object());
    let on_failure = &schema["$defs"]["OnFailure"]["properties"];
    assert_eq!(on_failure["request-body"]["anyOf"][0]["$ref"], "#/$defs/FailureActions");
    assert_eq!(schema["$defs"]["FailureActions"]["additionalProperties"], false);
    assert_eq!(schema["$defs"]["FailureAction"]["anyOf"][1]["properties"]["closed"]["$ref"], "#/$defs/ClosedAnswer");
}

#[tokio::test]
async fn run_serves_logs_and_ends_with_sigterm() {
    let upstream = Upstream::echo().await;
    let url = format!("http://{}", upstream.address);
    let mut gateway = Running::start(&["run", "--upstream", &url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let address = gateway.line("listening")["address"].as_str().unwrap().to_owned();

    let request = http::Request::get(format!("http://{address}/path?token=s3cr3t"))
        .header("authorization", "Bearer s3cr3t")
        .header("x-request-id", "id-1");
    assert_eq!(send(&client(), request.body(body::empty()).unwrap()).await.status, 200);
    let line = gateway.line("\"access\"");
    assert!(!line.to_string().contains("s3cr3t"), "{line}");
    assert_eq!((&line["method"], &line["path"], &line["status"]), (&"GET".into(), &"/path".into(), &200.into()));
    assert_eq!((&line["id"], &line["route"]), (&"id-1".into(), &"all".into()));
    assert_eq!(line["upstream"], upstream.address.to_string());

    gateway.signal("-TERM");
    gateway.line("draining");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn requests_that_fail_or_are_refused_are_logged_by_their_id() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let mut gateway = Running::start(&["run", "--upstream", &url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let address = gateway.line("listening")["address"].as_str().unwrap().to_owned();

    let request = http::Request::get(format!("http://{address}/")).header("x-request-id", "id-2");
    assert_eq!(send(&client(), request.body(body::empty()).unwrap()).await.status, 502);
    let line = gateway.line("request failed");
    assert_eq!((&line["id"], &line["level"]), (&"id-2".into(), &"WARN".into()), "{line}");
    assert_eq!(gateway.line("\"access\"")["id"], "id-2");

    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    let smuggled = "POST /both HTTP/1.1\r\nHost: a\r\nX-Request-Id: id-3\r\nContent-Length: 5\r\n\
        Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    std::io::Write::write_all(&mut stream, smuggled.as_bytes()).unwrap();
    let line = gateway.line("\"access\"");
    assert_eq!((&line["id"], &line["path"], &line["status"]), (&"id-3".into(), &"/both".into(), &400.into()), "{line}");
}

#[tokio::test]
async fn lines_of_a_request_are_in_its_span_at_debug_only() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let arguments = ["run", "--upstream", &url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    for (level, id) in [("info", serde_json::Value::Null), ("debug", "id-4".into())] {
        let mut gateway = Running::start_in(&arguments, &[("RUST_LOG", level)]);
        let address = gateway.line("listening")["address"].as_str().unwrap().to_owned();
        let request = http::Request::get(format!("http://{address}/")).header("x-request-id", "id-4");
        assert_eq!(send(&client(), request.body(body::empty()).unwrap()).await.status, 502);
        assert_eq!(gateway.line("request failed")["span"]["id"], id, "{level}");
    }
}

#[tokio::test]
async fn sighup_reloads_all_or_nothing() {
    let (directory, path) = file("gateway.yaml", GOOD);
    let mut gateway = Running::start(&["run", "--config", &path]);
    let address = gateway.line("listening")["address"].as_str().unwrap().to_owned();
    let url = format!("http://{address}/");
    assert_eq!(get(&url).await.status, 502);

    std::fs::write(&path, format!("{GOOD}routs: []\n")).unwrap();
    gateway.signal("-HUP");
    let refused = gateway.line("config not reloaded");
    assert!(refused["reason"].as_str().unwrap().contains("unknown key `routs`, did you mean `routes`?"), "{refused}");
    assert_eq!(get(&url).await.status, 502);

    let upstream = Upstream::echo().await;
    std::fs::write(&path, GOOD.replace("127.0.0.1:1'", &format!("{}'", upstream.address))).unwrap();
    gateway.signal("-HUP");
    gateway.line("config reloaded");
    assert_eq!(get(&url).await.status, 200);
    drop(directory);
}

#[tokio::test]
async fn demo_prints_lines_that_work() {
    let plugin = plugin_tests::API_KEY_AUTH.file;
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--plugin", plugin];
    let mut child = refgateway(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let lines: Vec<_> = lines.take_while(|line| !line.contains("Ctrl-C")).collect();
    let curls: Vec<_> = lines.iter().filter_map(|line| line.trim().strip_prefix("curl -i ")).collect();

    let refused = get(curls[0]).await;
    assert_eq!((refused.status.as_u16(), refused.text()), (401, r#"{"error":"a valid API key is needed"}"#));

    let (url, header) = curls[1].split_once(" -H ").unwrap();
    let (name, key) = header.trim_matches('\'').split_once(": ").unwrap();
    let request = http::Request::get(url).header(name, key).body(body::empty()).unwrap();
    let answer = send(&client(), request).await;
    assert_eq!(answer.status, 200);
    let echo = answer.json();
    assert_eq!((&echo["method"], &echo["path"]), (&"GET".into(), &"/hello".into()));
    assert_eq!((&echo["headers"]["via"], &echo["headers"]["x-consumer"]), (&"1.1 refgateway".into(), &"demo".into()));
    assert!(echo["headers"]["x-api-key"].is_null());

    let disable = lines.iter().find_map(|line| line.trim().strip_prefix("curl -X POST ")).unwrap();
    assert_eq!(send(&client(), http::Request::post(disable).body(body::empty()).unwrap()).await.status, 200);
    assert_eq!(get(curls[0]).await.status, 200);
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn a_demo_without_its_plugin_says_how_to_build_it() {
    let (code, _, stderr) = output(&["demo", "--listen", "127.0.0.1:0", "--plugin", "/nowhere/auth.wasm"]);
    assert_eq!(code, Some(1));
    let reason = stderr.lines().last().unwrap();
    assert!(reason.contains("/nowhere/auth.wasm") && reason.contains("cargo xtask guests"), "{stderr}");
}
