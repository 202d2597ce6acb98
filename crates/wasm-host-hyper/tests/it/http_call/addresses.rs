//! Hosts and addresses: what a plugin may reach, whatever a resolver or a redirect says.

use serde_json::json;
use test_guests::NATIVE_CALL_OUT;
use wasm_host::{AddressPolicy, Grants, HttpGrant};

use super::support::{Calls, Server, get};

const DENIED: &str = "call denied: `grants.http` does not cover the addresses of `localhost`";

/// The grant of a server, for these networks only.
fn within(server: &Server, networks: &[&str]) -> Grants {
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    let mut grants = server.grant();
    grants.http.addresses = AddressPolicy { networks, ..AddressPolicy::default() };
    grants
}

#[tokio::test]
async fn a_private_address_is_denied_unless_granted() {
    let server = Server::start().await;
    let calls = Calls::new();
    let mut grants = server.grant();
    grants.http.addresses =
        AddressPolicy { private: true, link_local: true, metadata: true, ..AddressPolicy::default() };
    let logged = calls.run_as("p", NATIVE_CALL_OUT, get(&server.url("/")), grants).await;
    assert_eq!(logged.len(), 2);
    let host = &logged[0];
    assert!(
        host.starts_with("http: denied the address ")
            && host.ends_with(" of `localhost`: `grants.http.addresses` does not grant it"),
        "{host}"
    );
    assert_eq!(logged[1], DENIED);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn an_address_in_a_url_is_checked_too() {
    let server = Server::start().await;
    let calls = Calls::new();
    let all = HttpGrant { hosts: vec!["*".parse().unwrap()], ..server.grant().http };
    let grants = Grants { http: HttpGrant { addresses: AddressPolicy::default(), ..all }, ..Grants::default() };
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0", "10.0.0.1"] {
        let logged =
            calls.run(NATIVE_CALL_OUT, get(&format!("http://{host}:{}/", server.port())), grants.clone()).await;
        assert_eq!(logged[1], format!("call denied: `grants.http` does not cover the addresses of `{host}`"));
    }
    // What the system makes an address of is no way around it.
    for host in ["2130706433", "0x7f.1", "127.1"] {
        calls.run(NATIVE_CALL_OUT, get(&format!("http://{host}:{}/", server.port())), grants.clone()).await;
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn hosts_ports_and_methods_are_checked() {
    let server = Server::start().await;
    let (calls, _) = Calls::resolving([&["127.0.0.1"][..]]);
    let port = server.port();
    let mut grants = server.grant();
    grants.http.hosts = vec!["exact.test".parse().unwrap(), "*.wild.test".parse().unwrap()];
    for (host, allowed) in [
        ("exact.test", true),
        ("EXACT.test", true),
        ("a.wild.test", true),
        ("a.b.wild.test", true),
        ("wild.test", false),
        ("evilwild.test", false),
        ("sub.exact.test", false),
        ("exact.test.evil", false),
    ] {
        let logged = calls.run(NATIVE_CALL_OUT, get(&format!("http://{host}:{port}/")), grants.clone()).await;
        if allowed {
            assert_eq!(logged, ["200 ok"], "{host}");
        } else {
            assert_eq!(
                logged,
                [
                    format!("http: denied the host `{host}`: `grants.http.hosts` does not grant it"),
                    format!("call denied: `grants.http` does not cover the host `{host}`"),
                ]
            );
        }
    }
    for (config, denied) in [
        (get("http://exact.test/"), "the port 80 of `exact.test`".to_owned()),
        (get(&format!("https://exact.test:{port}/")), "`https` to `exact.test`".to_owned()),
        (
            json!({ "on": "request", "method": "DELETE", "url": format!("http://exact.test:{port}/") }),
            "the method DELETE".to_owned(),
        ),
    ] {
        let logged = calls.run(NATIVE_CALL_OUT, config, grants.clone()).await;
        assert_eq!(logged[1], format!("call denied: `grants.http` does not cover {denied}"));
    }
}

/// The name is one address when it is checked, and another one later.
#[tokio::test]
async fn a_name_that_is_rebound_leads_nowhere_else() {
    let allowed = Server::start().await;
    let forbidden = Server::at(([127, 0, 0, 2], allowed.port()).into()).await;
    let (calls, names) = Calls::resolving([&["127.0.0.1"][..], &["127.0.0.2"]]);
    let config = |path| get(&allowed.url(path));
    let grants = within(&allowed, &["127.0.0.1"]);
    assert_eq!(calls.run(NATIVE_CALL_OUT, config("/"), grants.clone()).await, ["200 ok"]);
    assert_eq!(names.asked(), 1, "what is checked is what is connected to");
    // The kept connection goes where it was made to.
    assert_eq!(calls.run(NATIVE_CALL_OUT, config("/close"), grants.clone()).await, ["200 closed"]);
    assert_eq!((names.asked(), allowed.connections()), (1, 1));
    let logged = calls.run(NATIVE_CALL_OUT, config("/"), grants).await;
    assert_eq!(logged[1], DENIED);
    assert_eq!((names.asked(), forbidden.connections()), (2, 0));
}

#[tokio::test]
async fn of_several_addresses_only_allowed_ones_are_tried() {
    let allowed = Server::start().await;
    let forbidden = Server::at(([127, 0, 0, 2], allowed.port()).into()).await;
    let (calls, _) = Calls::resolving([&["127.0.0.2", "::ffff:127.0.0.2", "127.0.0.3", "127.0.0.1"][..]]);
    let grants = within(&allowed, &["127.0.0.1", "127.0.0.3"]);
    assert_eq!(calls.run(NATIVE_CALL_OUT, get(&allowed.url("/")), grants).await, ["200 ok"]);
    assert_eq!((allowed.connections(), forbidden.connections()), (1, 0));
}

/// A connection that one plugin's policy allowed is not there for a plugin whose policy does not.
#[tokio::test]
async fn a_kept_connection_is_not_lent_past_a_policy() {
    let server = Server::start().await;
    let calls = Calls::new();
    assert_eq!(calls.run(NATIVE_CALL_OUT, get(&server.url("/")), server.grant()).await, ["200 ok"]);
    let logged = calls.run(NATIVE_CALL_OUT, get(&server.url("/")), within(&server, &[])).await;
    assert_eq!(logged[1], DENIED);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_redirect_is_checked_as_the_call_was() {
    let server = Server::start().await;
    let forbidden = Server::at("127.0.0.2:0".parse().unwrap()).await;
    let calls = Calls::new();
    let mut grants = within(&server, &["127.0.0.1", "::1"]);
    grants.http.hosts.push("127.0.0.2".parse().unwrap());
    grants.http.ports.push(forbidden.port());
    let to = |location: &str| get(&server.url(&format!("/to?{location}")));
    assert_eq!(calls.run(NATIVE_CALL_OUT, to("/"), grants.clone()).await, ["200 ok"]);
    for (location, denied) in [
        ("http://evil.test/".to_owned(), "the host `evil.test`"),
        (format!("http://127.0.0.2:{}/", forbidden.port()), "the addresses of `127.0.0.2`"),
        (format!("//127.0.0.2:{}/", forbidden.port()), "the addresses of `127.0.0.2`"),
        (format!("https://localhost:{}/", server.port()), "`https` to `localhost`"),
    ] {
        let logged = calls.run(NATIVE_CALL_OUT, to(&location), grants.clone()).await;
        assert_eq!(logged[1], format!("call denied: `grants.http` does not cover {denied}"), "{location}");
    }
    assert_eq!(forbidden.connections(), 0);
    let config = json!({ "on": "request", "url": server.url("/to?http://evil.test/"), "redirects": 0 });
    assert_eq!(calls.run(NATIVE_CALL_OUT, config, grants.clone()).await, ["302 "], "the guest may look itself");
    let endless = get(&server.url("/loop"));
    assert!(calls.run(NATIVE_CALL_OUT, endless, grants).await[0].contains("too many redirects"));
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let (server, other) = (Server::start().await, Server::start().await);
    let calls = Calls::new();
    let mut grants = server.grant();
    grants.http.ports.push(other.port());
    let config = |location: String| {
        json!({ "on": "request", "url": server.url(&format!("/to?{location}")),
            "headers": { "authorization": "Bearer s", "cookie": "a=b", "x-kept": "1" } })
    };
    let names = |logged: Vec<String>| -> Vec<String> {
        let of_ours = |line: &&str| ["authorization", "cookie", "x-kept"].iter().any(|name| line.starts_with(name));
        let mut names: Vec<_> = logged[0].lines().filter(of_ours).map(str::to_owned).collect();
        names.sort();
        names
    };
    let same = calls.run(NATIVE_CALL_OUT, config("/echo".into()), grants.clone()).await;
    assert_eq!(names(same), ["authorization: Bearer s", "cookie: a=b", "x-kept: 1"]);
    let another = calls.run(NATIVE_CALL_OUT, config(other.url("/echo")), grants).await;
    assert_eq!(names(another), ["x-kept: 1"]);
}
