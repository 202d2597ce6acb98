//! The metrics that AEGIS has for its edge functions.

use test_guests::{AEGIS_EDGE, NATIVE_OBSERVE};

use crate::support::*;

#[tokio::test]
async fn edge_functions_have_the_metrics_of_aegis() {
    let upstream = Upstream::echo().await;
    let gateway = Plugged::to(upstream.address)
        .through("native", NATIVE_OBSERVE, "")
        .through("failing", AEGIS_EDGE, "abi: { entry: fail }, on_failure: { default: open }")
        .through("looking", AEGIS_EDGE, "abi: { entry: look_up }, grants: { cache: true }")
        .start();
    for _ in 0..4 {
        assert_eq!(get(&gateway.url("/")).await.status, 200);
    }
    let metrics = get(&format!("http://{}/metrics", gateway.admin())).await.text().to_owned();
    for line in [
        r#"edge_function_execution_time_ms_count{plugin="failing"} 4"#,
        r#"edge_function_execution_time_ms_bucket{plugin="looking",le="+Inf"} 4"#,
        r#"edge_function_errors_total{plugin="failing"} 4"#,
        r#"edge_function_errors_total{plugin="looking"} 0"#,
        r#"edge_function_early_terminations_total{plugin="failing"} 0"#,
        r#"edge_function_early_terminations_total{plugin="looking"} 3"#,
        r#"edge_function_cache_hit_rate{plugin="looking"} 0.75"#,
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} in {metrics}");
    }
    assert!(!metrics.lines().any(|line| line.starts_with("edge_function_") && line.contains("native")), "{metrics}");
}
