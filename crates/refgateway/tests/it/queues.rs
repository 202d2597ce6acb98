//! Queues between plugins of a gateway, as the config grants them.

use http::Request;
use test_guests::NATIVE_QUEUE;

use crate::support::*;

#[tokio::test]
async fn plugins_of_two_routes_share_a_queue() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&format!(
        "routes:\n\
         - {{ name: in, match: {{ path: /in }}, service: backend, chain: [sender] }}\n\
         - {{ name: out, match: {{ path: /out }}, service: backend, chain: [receiver] }}\n\
         services: [{{ name: backend, upstreams: [{{ url: 'http://{}' }}] }}]\n\
         state: {{ queues: {{ items: 2 }} }}\n\
         plugins:\n\
         - {{ name: sender, file: '{NATIVE_QUEUE}', config: {{ shows: x-told, sends: true }},\n\
         \x20   grants: {{ queues: {{ shared: {{ jobs: send }} }} }} }}\n\
         - {{ name: receiver, file: '{NATIVE_QUEUE}', config: {{ shows: x-told, receives: true }},\n\
         \x20   grants: {{ queues: {{ own: true, shared: {{ jobs: receive }} }} }} }}\n",
        upstream.address
    ));
    let told = async |path: &str, header: &str, value: &str| {
        let request = Request::get(gateway.url(path)).header("x-queue", "jobs").header(header, value);
        let answer = send(&client(), request.body(body::empty()).unwrap()).await;
        answer.json()["headers"]["x-told"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(told("/in", "x-send", "a").await, "sent; 1");
    assert_eq!(told("/in", "x-send", "b").await, "sent; 2");
    assert_eq!(told("/in", "x-send", "c").await, "queue not used: it is full; 2");
    assert_eq!(told("/out", "x-receive", "9").await, "a,b; 0");
}
