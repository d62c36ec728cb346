//! What the organisation's own description of its API says, and what is kept back then.

use super::*;

const IMPORT: &str = "POST /unstable/documents/import";

fn without_import() -> serde_json::Value {
    serde_json::json!({"paths": {"/api/unstable/documents/import": null}})
}

#[tokio::test]
async fn a_call_that_the_contract_no_longer_has_is_kept_back_until_it_has_it_again() {
    let house = House::new(DEFAULT_API_KEY).await;
    house
        .simulator
        .turn(|knobs| knobs.openapi_patch = Some(without_import()));
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, CONTRACT_KNOWN),
        Some((Verdict::False, Reason::ContractDrift))
    );
    let told = &said(&pass, CONTRACT_KNOWN).unwrap().message;
    for part in [IMPORT, "the call is gone", "a newer release", env!("CARGO_PKG_VERSION")] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(verdict(&pass, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!((verdict(&pass, STALLED), verdict(&pass, RECONCILING)), (None, None));
    let standing = house.standing();
    assert!(standing.admits("POST /v1/models").is_ok() && !pass.opens);
    assert!(standing.admits(IMPORT).is_err());

    house.simulator.turn(|knobs| knobs.openapi_patch = None);
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, CONTRACT_KNOWN),
        Some((Verdict::True, Reason::ContractFits))
    );
    assert!(pass.opens, "an import was turned away meanwhile");
    assert!(standing.admits(IMPORT).is_ok());
    assert!(!house.pass().await.opens, "once");
}

#[tokio::test]
async fn a_call_of_the_look_itself_that_is_touched_comes_back_by_itself() {
    let house = House::new(DEFAULT_API_KEY).await;
    let renamed = serde_json::json!({"paths": {"/api/v1/connections": null}});
    house.simulator.turn(|knobs| knobs.openapi_patch = Some(renamed));
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, SAME_ORGANIZATION),
        Some((Verdict::False, Reason::ContractDrift))
    );
    assert!(ready(&pass).contains("GET /v1/connections"), "{}", ready(&pass));
    assert!(
        house.standing().admits("POST /v1/models").is_err(),
        "not recognised, so nothing is written"
    );
    house.simulator.turn(|knobs| knobs.openapi_patch = None);
    assert_eq!(
        verdict(&house.pass().await, READY),
        Some((Verdict::True, Reason::Converged))
    );
}

#[tokio::test]
async fn what_is_new_in_the_contract_is_told_and_counted() {
    let house = House::new(DEFAULT_API_KEY).await;
    let new = serde_json::json!({"paths": {"/api/v3/versions": {"get": {}, "post": {}}}});
    house.simulator.turn(|knobs| knobs.openapi_patch = Some(new));
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, CONTRACT_KNOWN),
        Some((Verdict::True, Reason::ContractFits))
    );
    let told = &said(&pass, CONTRACT_KNOWN).unwrap().message;
    assert!(told.contains("2 things") && told.contains("GET /v3/versions"), "{told}");
}

#[tokio::test]
async fn an_instance_that_serves_no_contract_is_ready_all_the_same() {
    let house = House::new(DEFAULT_API_KEY).await;
    house.simulator.turn(|knobs| knobs.openapi = OpenapiDocument::Absent);
    let pass = house.pass().await;
    let unknown = Some((Verdict::Unknown, Reason::ContractNotServed));
    assert_eq!(verdict(&pass, CONTRACT_KNOWN), unknown);
    assert_eq!(verdict(&pass, READY), Some((Verdict::True, Reason::Converged)));
    let page = FaultKind::WrongJson;
    house.simulator.turn(|knobs| knobs.openapi = OpenapiDocument::Served);
    house.simulator.arm(Fault::once("GET", "openapi.json", page).unwrap());
    assert_eq!(
        verdict(&house.pass().await, CONTRACT_KNOWN),
        unknown,
        "whatever an application has there"
    );
}

#[tokio::test]
async fn a_contract_that_cannot_be_read_now_leaves_what_was_known_of_it() {
    let house = House::new(DEFAULT_API_KEY).await;
    house
        .simulator
        .turn(|knobs| knobs.openapi_patch = Some(without_import()));
    house.pass().await;
    let down = Fault {
        times: 9,
        ..Fault::once("GET", "openapi.json", FaultKind::Status { code: 503 }).unwrap()
    };
    house.simulator.arm(down);
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, CONTRACT_KNOWN),
        Some((Verdict::Unknown, Reason::OmniUnreachable))
    );
    assert_eq!(verdict(&pass, READY), Some((Verdict::True, Reason::Converged)));
    assert!(house.standing().admits(IMPORT).is_err());
}
