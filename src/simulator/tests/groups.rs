//! User groups and schedules, as lists show them.

use super::*;

#[tokio::test]
async fn user_groups_are_listed_by_the_page_and_not_to_a_personal_key() {
    let mut omni = Omni::start().await;
    let path = "/api/scim/v2/Groups?excludedAttributes=members";
    let all = omni.done("GET", path, None).await;
    assert_eq!(all["totalResults"], 2);
    assert_eq!(all["Resources"][0]["displayName"], "embed-viewers");
    assert_eq!(all["Resources"][0].get("members"), None);
    let second = omni.done("GET", &format!("{path}&startIndex=2&count=1"), None).await;
    assert_eq!(second["Resources"].as_array().unwrap().len(), 1);
    assert_eq!(second["Resources"][0]["displayName"], "analysts");
    let found = omni
        .done(
            "GET",
            "/api/scim/v2/Groups?filter=displayName%20eq%20%22embed-viewers%22",
            None,
        )
        .await;
    assert_eq!(found["Resources"][0]["id"], EMBED_GROUP);
    assert_eq!(found["Resources"][0]["members"].as_array().unwrap().len(), 6);
    omni.key = "omni_pat_simulator".to_owned();
    assert_eq!(omni.get(path).await.0, 403);
}

#[tokio::test]
async fn schedules_are_a_documents_own_and_go_with_it() {
    let omni = Omni::start().await;
    let add = |identifier: &str, name: &str, alert: bool| {
        let hand = json!({"action": "add_schedule", "identifier": identifier, "name": name, "alert": alert});
        omni.simulator.play(&hand).unwrap();
    };
    add("12db1a0a", "Mondays", false);
    add("12db1a0a", "Full wards", true);
    add("5e07c1d2", "Fridays", false);
    let listed = async |query: &str| {
        let path = format!("/api/v1/schedules?sortDirection=asc{query}");
        let list = omni.done("GET", &path, None).await;
        let records = list["records"].as_array().unwrap().clone();
        records
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, ["Fridays", "Full wards", "Mondays"]);
    assert_eq!(listed("&identifier=12db1a0a").await, ["Full wards", "Mondays"]);
    assert_eq!(listed("&scheduleType=alert").await, ["Full wards"]);
    assert_eq!(listed("&pageSize=1").await, ["Fridays"]);
    let list = omni.done("GET", "/api/v1/schedules?scheduleType=alert", None).await;
    assert_eq!(list["records"][0]["alert"]["conditionType"], "RESULTS_PRESENT");
    omni.done("DELETE", "/api/v1/documents/12db1a0a", None).await;
    assert_eq!(listed("").await, ["Fridays"]);
    assert_eq!(omni.get("/api/v1/schedules?scheduleType=never").await.0, 400);
}
