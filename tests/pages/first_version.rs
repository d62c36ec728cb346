//! The page that a new user follows, from the first command to the last, in one shell.

use std::path::Path;
use std::process::Command;

use wavepin::simulator::{Simulator, SimulatorOptions};

use super::{Shell, commands};
use crate::parts::helm::Helm;
use crate::parts::{ApiServer, Postgres, program};

const KEY: &str = "omni_osk_of-a-new-user";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_version_is_there_when_the_page_is_followed() {
    let options = SimulatorOptions {
        api_key: KEY.to_owned(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let database = Postgres::shared().database("first_version");
    let api_server = ApiServer::own();
    let [helm, kubectl] = [Helm::Three.program(), program::find("kubectl").unwrap()];
    let psql = program::find("psql").unwrap();
    let shell = Shell::new(
        "first-version",
        &[("helm", &helm), ("kubectl", &kubectl), ("psql", &psql)],
    );
    let host = url::Url::parse(&database.url).unwrap().host_str().unwrap().to_owned();
    let kubeconfig = api_server.kubeconfig().display().to_string();
    // What the page calls by other names.
    let here = |text: &str| {
        let text = text.replace("https://acme.omniapp.co", simulator.base_url());
        let text = text
            .replace("=acme.omniapp.co", "=127.0.0.1")
            .replace("db.example.com", &host);
        text.replace("clinical-v2.yaml", "\"$HOME\"/clinical-v2.yaml")
    };
    let variables = [
        ("KUBECONFIG", kubeconfig.as_str()),
        ("OMNI_API_KEY", KEY),
        ("DATABASE_URL", database.url.as_str()),
    ];
    let mut blocks = commands("first-version.md", "first version").into_iter();
    let mut next = || shell.run(&here(&blocks.next().expect("the page goes on")), &variables);

    next();
    let mut kubelet = kubelet(&api_server);
    kubelet.arg("--health-address=127.0.0.1:0");
    let operator = shell.family.spawn("operator", &mut kubelet).unwrap();
    let told = next();
    assert!(told.contains("Events:") && told.contains("Reachable"), "{told}");
    let ids = next();
    assert!(
        ids.contains("3fb59130-54fc-4848-832f-d22f61933485") && ids.contains("12db1a0a"),
        "{ids}"
    );
    let adopted = next();
    assert!(adopted.contains("acme-corp | production"), "{adopted}");
    let cut = next();
    assert!(cut.contains("clinical-v2 created (server dry run)"), "{cut}");
    assert!(cut.contains("+kind: ModelVersion"), "{cut}");
    let moved = next();
    let selected = moved.lines().filter(|line| line.starts_with("acme-corp-production "));
    assert_eq!(selected.count(), 1, "{moved}");
    assert!(
        moved.contains("acme-corp | production         |                2"),
        "{moved}"
    );
    assert_eq!(blocks.next(), None, "every command of the page was run");
    // The events of both moves, in their order.
    let events = moved.split("Events:").nth(1).unwrap_or_default();
    let at = |version: &str| {
        events
            .find(version)
            .unwrap_or_else(|| panic!("no {version} in {events}"))
    };
    assert!(at("version 2") < events.rfind("version 1").unwrap(), "{events}");
    drop(operator);
    simulator.shutdown().await;
}

/// What a kubelet would start of the Deployment that Helm has installed.
fn kubelet(api_server: &ApiServer) -> Command {
    let get = ["-n", "wavepin", "get", "deployment", "wavepin", "--output=json"];
    let deployment: serde_json::Value = serde_json::from_str(&api_server.kubectl(&get).success()).unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let token = api_server
        .kubectl(&["-n", "wavepin", "create", "token", "wavepin"])
        .success();
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_wavepin")));
    command.args(
        container["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|arg| arg.as_str().unwrap()),
    );
    command
        .env("KUBECONFIG", api_server.kubeconfig_of(token.trim()))
        .env("POD_NAMESPACE", "wavepin");
    command
}
