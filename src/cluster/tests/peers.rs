//! Failures that others have had, each by the name of its report.

use std::sync::Mutex;

use super::*;
use crate::environment::RolloutReport;
use crate::resources::VersionRollout;

/// How many pins are looked at again.
const RESYNCED: usize = 2000;

fn pin(name: &str, status: Value) -> Value {
    let spec = json!({"instanceRef": {"name": "acme"}, "tenant": name, "environment": "production"});
    let mut pin = object("TenantPin", name, &spec);
    pin["status"] = status;
    pin
}

fn rollout() -> Value {
    let spec =
        json!({"instanceRef": {"name": "acme"}, "environment": "production", "version": 2, "waves": [{"name": "all"}]});
    object("VersionRollout", "production", &spec)
}

/// What a pass says of a pin that waits for its wave.
fn of_pin(bench: &Bench, name: &str) -> Report {
    let record = bench.store.record::<TenantPin>(&ObjectName::new("n", name)).unwrap();
    Report::Pin(PinReport {
        name: name.to_owned(),
        spec_hash: record.object.spec_hash.clone(),
        findings: vec![Finding::holds(RECONCILING, Reason::Queued, "its wave has not opened")],
        row_seen: true,
        version: Some(1),
        previous_version: None,
        since: None,
    })
}

fn of_rollout(bench: &Bench) -> Report {
    let name = ObjectName::new("n", "production");
    let record = bench.store.record::<VersionRollout>(&name).unwrap();
    Report::Rollout(Box::new(RolloutReport {
        name: name.name,
        spec_hash: record.object.spec_hash.clone(),
        findings: vec![Finding::holds(RECONCILING, Reason::Progressing, "wave all is open")],
        progress: None,
    }))
}

/// External Secrets issues 4180 and 5045: while thousands were looked at again, what was new waited behind them.
#[tokio::test]
async fn external_secrets_4180_a_new_pin_and_a_new_rollout_go_before_thousands_that_are_looked_at_again() {
    let log = Arc::new(Mutex::new(Vec::<String>::new()));
    let (wrote, mut written) = tokio::sync::mpsc::unbounded_channel();
    let writes = Arc::clone(&log);
    let bench = Bench::new(Box::new(move |_, path| {
        let parts: Vec<&str> = path.split('/').collect();
        let [.., kind, name, "status"] = parts[..] else {
            return (StatusCode::CREATED, json!({}));
        };
        writes.lock().unwrap().push(name.to_owned());
        // Nobody listens any more once the test has seen enough.
        let _ = wrote.send(());
        let mut object = match kind {
            "versionrollouts" => rollout(),
            _ => pin(name, json!({"observedGeneration": 1})),
        };
        object["metadata"]["resourceVersion"] = json!("2");
        (StatusCode::OK, object)
    }))
    .await;
    for number in 0..RESYNCED {
        let name = format!("old-{number}");
        bench.declare::<TenantPin>(pin(&name, json!({"observedGeneration": 1, "version": 1})));
        bench
            .writer
            .offer(ObjectName::new("n", &name), of_pin(&bench, &name), None);
    }
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WRITES_AT_ONCE {
        let writer = Arc::clone(&bench.writer);
        workers.spawn(async move { writer.work().await });
    }
    for _ in 0..100 {
        written.recv().await.unwrap();
    }

    // Nothing else goes on in this thread between the look at the log and the two offers.
    let before = log.lock().unwrap().len();
    assert!(before < RESYNCED / 2, "most of them wait");
    bench.declare::<TenantPin>(pin("new", json!({})));
    bench
        .writer
        .offer(ObjectName::new("n", "new"), of_pin(&bench, "new"), None);
    bench.declare::<VersionRollout>(rollout());
    bench
        .writer
        .offer(ObjectName::new("n", "production"), of_rollout(&bench), None);
    let position = |name: &str| log.lock().unwrap().iter().position(|written| written == name);
    let both = async {
        loop {
            if let (Some(pin), Some(rollout)) = (position("new"), position("production")) {
                return [pin, rollout];
            }
            written.recv().await.unwrap();
        }
    };
    let both = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("both are written");
    // Those that had begun, and the two themselves.
    assert!(
        both.iter().all(|it| *it < before + WRITES_AT_ONCE + 2),
        "{both:?} after {before}"
    );
}
