use refgateway::config::Config;

const OK: &str = "listeners: [{ address: '127.0.0.1:8080' }]\n";

fn variables(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("9000".to_owned()),
        "SECRET" => Some("s3cr3t: [injected".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// Each problem as `line:column path: message`.
fn problems(result: Result<Config, refgateway::config::ConfigError>) -> Vec<String> {
    let error = result.expect_err("the config is valid");
    let problems = error.problems().iter().map(|problem| {
        let (line, column) = problem.position().unwrap_or_default();
        format!("{line}:{column} {problem}")
    });
    problems.collect()
}

fn yaml(text: &str) -> Vec<String> {
    problems(Config::from_yaml(text, &variables))
}

#[test]
fn an_unknown_key_is_named_with_place_and_suggestion() {
    assert_eq!(
        yaml("listeners:\n  - adress: 127.0.0.1:80\n"),
        ["2:5 listeners[0]: unknown key `adress`, did you mean `address`?"]
    );
    let toml = "[[listeners]]\naddress = '127.0.0.1:80'\n\n[timeouts]\nrequets = '1s'\n";
    assert_eq!(
        problems(Config::from_toml(toml, &variables)),
        ["5:1 timeouts: unknown key `requets`, did you mean `request`?"]
    );
    let far = yaml(&format!("{OK}limits: {{ bananas: 1 }}"));
    assert_eq!(
        far,
        ["2:11 limits: unknown key `bananas`, known here: `header_bytes`, `headers`, `request_body`, `streams`"]
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_not_printed() {
    for (line, problem) in [
        ("workers: s3cr3t", "2:10 workers: expected a nonzero usize, found text"),
        ("workers: 0", "2:10 workers: expected a nonzero usize"),
        ("timeouts: { request: soon }", "2:22 timeouts.request: expected a duration such as `250ms`, `5s` or `2m`"),
        (
            "timeouts: { request: 5 }",
            "2:22 timeouts.request: expected a duration such as `250ms`, `5s` or `2m`, found a whole number",
        ),
        (
            "limits: { header_bytes: 1 potato }",
            "2:25 limits.header_bytes: expected a size such as `64KiB`, `16MiB` or a number of bytes",
        ),
        ("trust_forwarded: 1", "2:18 trust_forwarded: expected a boolean, found a whole number"),
        ("routes: {}", "2:9 routes: expected a sequence, found a map"),
        ("routes: [{ name: a }]", "2:10 routes[0]: `service` is missing"),
        ("admin: { address: nowhere }", "2:19 admin.address: invalid socket address syntax"),
    ] {
        assert_eq!(yaml(&format!("{OK}{line}")), [problem]);
    }
}

#[test]
fn syntax_errors_have_a_place() {
    let [problem] = &yaml("listeners: [\n  { address: x")[..] else { panic!("one problem") };
    assert!(problem.contains("not valid YAML: "), "{problem}");
    let toml = problems(Config::from_toml("listeners = [\n", &variables));
    assert!(toml[0].contains("not valid TOML: "), "{toml:?}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = "
listeners: [{ address: '127.0.0.1:8080' }, { address: '127.0.0.1:8080' }]
chain: [nobody]
routes:
  - { name: a, service: bakend }
  - { name: a, service: backend, chain: [auht], match: { path_regex: '(' } }
  - { name: c, service: backend, match: { path: x, methods: [get] } }
  - { name: d, service: backend, match: { path: /x, path_prefix: /y } }
  - { name: e, service: backend, match: { host: 'a.example:80' } }
services:
  - { name: backend, upstreams: [{ url: 'backend:80' }, { url: 'http://u:s3cr3t@h' }] }
  - { name: empty, upstreams: [] }
plugins:
  - { name: auth, file: auth.wasm }
admin: { address: '0.0.0.0:9901' }
limits: { header_bytes: 1KiB }
";
    assert_eq!(
        yaml(text),
        [
            "2:46 listeners[1].address: `127.0.0.1:8080` is listened on twice",
            "11:36 services[0].upstreams[0].url: an upstream URL is `http://` or `https://` with host and port, and this has another scheme or none",
            "11:59 services[0].upstreams[1].url: an upstream URL is `http://` or `https://` with host and port, without user and password",
            "12:20 services[1].upstreams: at least one upstream is needed",
            "6:7 routes[1].name: `a` is used twice",
            "5:16 routes[0].service: no service is called `bakend`, did you mean `backend`?",
            "6:42 routes[1].chain[0]: no plugin is called `auht`, did you mean `auth`?",
            "6:58 routes[1].match.path_regex: not a regular expression: unclosed group",
            "7:43 routes[2].match.path: a path starts with `/`",
            "7:62 routes[2].match.methods[0]: a method is a word in capitals, such as `GET`",
            "8:34 routes[3].match: only one of `path`, `path_prefix`, `path_pattern` and `path_regex` can be given",
            "9:43 routes[4].match.host: a host is a name without a port, or `*.` and a name",
            "3:9 chain[0]: no plugin is called `nobody`",
            "16:11 limits.header_bytes: must be 8KiB to 1MiB",
            "15:10 admin.address: `admin.token` is needed when the admin listener is not on a loopback address",
        ]
    );
}

#[test]
fn variables_are_expanded_in_values_only() {
    let text = "
listeners: [{ address: '127.0.0.1:${PORT}' }]
workers: ${WORKERS:-2}
plugins:
  - { name: p, file: p.wasm, config: { key: '${SECRET}', cost: '$$5', '${PORT}': '${EMPTY:-none}' } }
";
    let config = Config::from_yaml(text, &variables).unwrap();
    assert_eq!(config.listeners[0].address.port(), 9000);
    assert_eq!(config.workers.unwrap().get(), 2);
    let expected = serde_json::json!({ "key": "s3cr3t: [injected", "cost": "$5", "${PORT}": "none" });
    assert_eq!(config.plugins[0].config, expected);
}

#[test]
fn a_missing_variable_is_named_with_its_place() {
    assert_eq!(
        yaml(&format!("{OK}admin: {{ token: '${{NOT_SET}}' }}")),
        ["2:17 admin.token: environment variable `NOT_SET` is not set; set it or write `${NOT_SET:-default}`"]
    );
    assert_eq!(yaml(&format!("{OK}admin: {{ token: '${{open' }}"))[0], "2:17 admin.token: `${` without a closing `}`");
}

#[test]
fn a_value_from_the_environment_is_never_printed() {
    for line in ["workers: ${SECRET}", "timeouts: { request: '${SECRET}' }", "admin: { address: '${SECRET}' }"] {
        let problems = yaml(&format!("{OK}{line}")).join("\n");
        assert!(!problems.contains("s3cr3t"), "{problems}");
    }
    let config = Config::from_yaml(&format!("{OK}admin: {{ token: 'very-s3cr3t-token' }}"), &variables).unwrap();
    assert!(!format!("{config:?}").contains("s3cr3t"));
}

#[test]
fn both_formats_have_the_same_model() {
    let yaml = "
listeners: [{ address: '127.0.0.1:80' }]
routes: [{ name: a, service: s, match: { path_prefix: /a }, timeout: 1.5s }]
services: [{ name: s, upstreams: [{ url: 'http://h:1', weight: 2 }], balance: least_requests }]
plugins: [{ name: p, file: p.wasm, limits: { memory: 64MiB, cpu: 50ms }, on_failure: { default: open, cpu-deadline: closed } }]
";
    let toml = "
listeners = [{ address = '127.0.0.1:80' }]
[[routes]]
name = 'a'
service = 's'
timeout = '1.5s'
match.path_prefix = '/a'
[[services]]
name = 's'
balance = 'least_requests'
upstreams = [{ url = 'http://h:1', weight = 2 }]
[[plugins]]
name = 'p'
file = 'p.wasm'
limits = { memory = '64MiB', cpu = '50ms' }
on_failure = { default = 'open', cpu-deadline = 'closed' }
";
    let (yaml, toml) = (Config::from_yaml(yaml, &variables), Config::from_toml(toml, &variables));
    assert_eq!(format!("{:?}", yaml.unwrap()), format!("{:?}", toml.unwrap()));
}

#[test]
fn problems_of_plugins_are_named() {
    let plugin = |more: &str| format!("{OK}plugins: [{{ name: p, file: p.wasm, {more} }}]\n");
    let action = "expected `closed`, `closed(STATUS)` with a status from 400 to 599, `open`, `open+tag`, \
                  `open+tag(HEADER)`, `retry-fresh` or a map with `closed`";
    let mode = "expected `none`, `trailers`, `peek(SIZE)`, `buffer(SIZE)` with a size below 4GiB, `stream(chunks)`, \
                `stream(lines)` or `stream(sse)`";
    for (more, problem) in [
        ("on_failure: { default: s3cr3t }", format!("plugins[0].on_failure.default: {action}")),
        ("on_failure: { trap: closed(200) }", format!("plugins[0].on_failure.trap: {action}")),
        ("on_failure: { memory: 'open+tag(a b)' }", format!("plugins[0].on_failure.memory: {action}")),
        ("on_failure: { trap: 500 }", format!("plugins[0].on_failure.trap: {action}, found a whole number")),
        (
            "on_failure: { cpu_deadline: open }",
            "plugins[0].on_failure: unknown key `cpu_deadline`, did you mean `cpu-deadline`?".to_owned(),
        ),
        ("on_failure: open", "plugins[0].on_failure: expected a map of failure classes and phases".to_owned()),
        (
            "on_failure: { response: open }",
            "plugins[0].on_failure.response: expected a map of failure classes".to_owned(),
        ),
        (
            "on_failure: { respnse: {} }",
            "plugins[0].on_failure: unknown key `respnse`, did you mean `response`?".to_owned(),
        ),
        (
            "on_failure: { request-body: { trp: open } }",
            "plugins[0].on_failure.request-body: unknown key `trp`, did you mean `trap`?".to_owned(),
        ),
        (
            "on_failure: { request: { expose_header: x } }",
            "plugins[0].on_failure.request: unknown key `expose_header`, known here: `default`, `trap`".to_owned(),
        ),
        ("on_failure: { request: { trap: s3cr3t } }", format!("plugins[0].on_failure.request.trap: {action}")),
        (
            "on_failure: { trap: { close: {} } }",
            "plugins[0].on_failure.trap: unknown key `close`, did you mean `closed`?".to_owned(),
        ),
        ("on_failure: { trap: {} }", "plugins[0].on_failure.trap: `closed` is missing".to_owned()),
        (
            "on_failure: { trap: { closed: { status: 200 } } }",
            "plugins[0].on_failure.trap.closed.status: expected a status from 400 to 599".to_owned(),
        ),
        (
            "on_failure: { trap: { closed: { status: s3cr3t } } }",
            "plugins[0].on_failure.trap.closed.status: expected a status from 400 to 599, found text".to_owned(),
        ),
        (
            "on_failure: { trap: { closed: { text: x } } }",
            "plugins[0].on_failure.trap.closed: unknown key `text`, known here: `status`, `body`, `content_type`"
                .to_owned(),
        ),
        (
            "on_failure: { default: { closed: { content_type: \"a\\nb\" } } }",
            "plugins[0].on_failure.default.closed.content_type: this is not a header value".to_owned(),
        ),
        ("bodies: { request: s3cr3t }", format!("plugins[0].bodies.request: {mode}")),
        ("bodies: { response: buffer(4GiB) }", format!("plugins[0].bodies.response: {mode}")),
        ("bodies: { response: stream(words) }", format!("plugins[0].bodies.response: {mode}")),
        ("bodies: { request: 4096 }", format!("plugins[0].bodies.request: {mode}, found a whole number")),
        ("bodies: { requests: none }", "plugins[0].bodies: unknown key `requests`, did you mean `request`?".to_owned()),
        (
            "bodies: { decode: true }",
            "plugins[0].bodies.decode: `decode` is for the bodies named beside it: give `request` or `response`"
                .to_owned(),
        ),
        ("circuit_breaker: { failures: 0 }", "plugins[0].circuit_breaker.failures: expected a nonzero u32".to_owned()),
        ("circuit_breaker: { window: 0s }", "plugins[0].circuit_breaker.window: must be more than 0".to_owned()),
        ("circuit_breaker: { cooldown: 0ms }", "plugins[0].circuit_breaker.cooldown: must be more than 0".to_owned()),
        (
            "circuit_breaker: { treshold: 1 }",
            "plugins[0].circuit_breaker: unknown key `treshold`, known here: `failures`".to_owned(),
        ),
        (
            "on_failure: { expose_header: 'a b' }",
            "plugins[0].on_failure.expose_header: this is not a header name".to_owned(),
        ),
        ("limits: { memroy: 1MiB }", "plugins[0].limits: unknown key `memroy`, did you mean `memory`?".to_owned()),
        ("limits: { concurrency: 0 }", "plugins[0].limits.concurrency: expected a nonzero u32".to_owned()),
        ("pool: { mode: forever }", "plugins[0].pool.mode: expected one of `fresh`, `reuse`".to_owned()),
        ("grants: { net: [x] }", "plugins[0].grants: unknown key `net`, known here: `upstreams`".to_owned()),
        (
            "grants: { env: [PATH, A=B] }",
            "plugins[0].grants.env[1]: this is no name of a variable: it is not empty and has no `=`".to_owned(),
        ),
        ("grants: { upstreams: [nobody] }", "plugins[0].grants.upstreams[0]: no service is called `nobody`".to_owned()),
        (
            "grants: { rate_limit: yes please }",
            "plugins[0].grants.rate_limit: expected `true`, `false` or a map with `shared` and a name, found"
                .to_owned(),
        ),
        (
            "grants: { rate_limit: { share: a } }",
            "plugins[0].grants.rate_limit: unknown key `share`, did you mean `shared`?".to_owned(),
        ),
        ("grants: { rate_limit: { shared: '' } }", "plugins[0].grants.rate_limit: a name is needed".to_owned()),
        (
            "grants: { queues: { shared: { jobs: sned } } }",
            "plugins[0].grants.queues.shared.jobs: expected one of `send`, `receive`, `both`".to_owned(),
        ),
        ("wasm: x", "plugins[0]: unknown key `wasm`".to_owned()),
    ] {
        let problems = yaml(&plugin(more));
        assert_eq!(problems.len(), 1, "{problems:?}");
        let (at, text) = problems[0].split_once(' ').unwrap();
        assert!(at.starts_with("2:"), "{problems:?}");
        assert!(text.starts_with(&problem), "{text}\n{problem}");
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    assert_eq!(yaml(&format!("{OK}plugins: [{{ name: p }}]")), ["2:11 plugins[0]: `file` is missing"]);
    let twice = format!("{OK}plugins: [{{ name: p, file: a }}, {{ name: p, file: b }}]");
    assert_eq!(yaml(&twice), ["2:35 plugins[1].name: `p` is used twice"]);
}

#[test]
fn what_a_plugin_may_call_is_checked() {
    let with = |plugin: &str| {
        yaml(&format!(
            "{OK}services: [{{ name: orders, upstreams: [{{ url: 'http://o' }}] }}]\n\
             plugins:\n  - name: p\n    file: p.wasm\n    {plugin}\n"
        ))
    };
    assert_eq!(
        with(
            "grants: { http: { hosts: ['a:80', '*.b.test', '*c'], methods: [get, CONNECT], addresses: [local, 10.0.0.0/8], \
             services: [order] } }"
        ),
        [
            "6:31 plugins[0].grants.http.hosts[0]: a host is a name without a port, an IP address, `*.` and a name, or `*`",
            "6:51 plugins[0].grants.http.hosts[2]: a host is a name without a port, an IP address, `*.` and a name, or `*`",
            "6:68 plugins[0].grants.http.methods[0]: a method is a word in capitals, such as `GET`, and not CONNECT",
            "6:73 plugins[0].grants.http.methods[1]: a method is a word in capitals, such as `GET`, and not CONNECT",
            "6:95 plugins[0].grants.http.addresses[0]: one of `loopback`, `private`, `link_local`, `metadata`, or a network \
             such as `10.1.0.0/16`",
            "6:126 plugins[0].grants.http.services[0]: no service is called `order`, did you mean `orders`?",
        ]
    );
    assert_eq!(
        with("grants: { http: { ports: [8443], addresses: [loopback], services: [orders] } }"),
        [
            "6:23 plugins[0].grants.http.ports: this is about the hosts of URLs: give `hosts`",
            "6:38 plugins[0].grants.http.addresses: this is about the hosts of URLs: give `hosts`",
        ]
    );
    assert_eq!(with("limits: { http: { timeout: 0s } }"), ["6:23 plugins[0].limits.http.timeout: must be more than 0"]);
    assert_eq!(with("grants: { http: { hosts: [a], schemes: [ftp] } }").len(), 1);
}
