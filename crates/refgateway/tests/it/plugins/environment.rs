//! Variables of the gateway's environment, for plugins whose ABI reads them.

use test_guests::BLITZ_USE_HOST;

use super::get_with;
use crate::support::*;

#[tokio::test]
async fn a_variable_is_read_where_it_is_granted() {
    const VARIABLE: &str = "PATH";
    let upstream = Upstream::echo().await;
    let path = std::env::var(VARIABLE).unwrap();
    for (granted, expected) in [("[PATH]", &*path), ("['*']", &path), ("[HOME]", ""), ("[]", "")] {
        let grants = format!("grants: {{ env: {granted} }}");
        let gateway = Plugged::to(upstream.address).through("reads", BLITZ_USE_HOST, &grants).start();
        let answer = get_with(&gateway.url("/a?b=c"), &[("x-variable", VARIABLE)]).await;
        let headers = &answer.json()["headers"];
        assert_eq!(headers["x-env"][0], format!("[{expected}]"), "{granted}");
        assert_eq!(headers["x-seen"][0], "GET /a");
    }
}
