//! The README's quick start, pasted into a shell.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};

use crate::cluster::{api_server_with_definitions, eventually};
use crate::parts::Family;

/// The commands of the section, but for the installation: the binary is built already.
fn commands() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, section) = readme.split_once("## Quick start").expect("the section is there");
    let (_, block) = section.split_once("```sh\n").expect("a block of commands");
    let (block, _) = block.split_once("```").expect("it ends");
    let (install, rest) = block.split_once('\n').expect("many lines");
    assert_eq!(install, "cargo install --locked --path .");
    rest.to_owned()
}

/// Copies the files of a folder, each as `change` leaves it.
fn copy(from: &str, to: &Path, change: impl Fn(String) -> String) {
    std::fs::create_dir_all(to.join(from)).unwrap();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(from)).unwrap() {
        let file = file.unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        std::fs::write(to.join(from).join(file.file_name()), change(text)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_works_as_written() {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("quick-start");
    let family = Family::new("quick-start").unwrap();
    let home = family.home();
    // The simulator's own port may be taken, and so may that of the probes.
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let simulator = free.local_addr().unwrap().to_string();
    drop(free);
    copy("crds", home, |text| text);
    copy("examples/clinical", home, |text| {
        text.replace("127.0.0.1:4000", &simulator)
    });
    // The context says where kubectl and the controller's Lease are. It names the certificate by its place beside it.
    let kubeconfig = api_server
        .kubeconfig()
        .with_file_name(format!("{namespace}.kubeconfig"));
    std::fs::copy(api_server.kubeconfig(), &kubeconfig).unwrap();
    let at = format!("--kubeconfig={}", kubeconfig.display());
    let context = ["config", "set-context", "--current", "--namespace", &namespace, &at];
    api_server.kubectl(&context).success();

    let built = Path::new(env!("CARGO_BIN_EXE_wavepin")).parent().unwrap();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/bin");
    let path = format!(
        "{}:{}:{}",
        built.display(),
        tools.display(),
        std::env::var("PATH").unwrap()
    );
    let mut shell = Command::new("bash");
    shell
        .args(["-euc", &commands()])
        .current_dir(home)
        .env("PATH", path)
        .env("HOME", home)
        .env("KUBECONFIG", &kubeconfig)
        .env("WAVEPIN_NAMESPACES", &namespace)
        .env("WAVEPIN_SIMULATOR_LISTEN", &simulator)
        .env("WAVEPIN_HEALTH_ADDRESS", "127.0.0.1:0")
        .env_remove("POD_NAMESPACE");
    let mut shell = family.spawn("shell", &mut shell).unwrap();
    let mut ended = None;
    eventually("the last command ends", Duration::from_secs(120), || {
        ended = shell.ended();
        ended.is_some()
    });
    let said = std::fs::read_to_string(family.log("shell")).unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{said}");

    // What both `kubectl get` showed: the pin before the patch and after it.
    let rows = said
        .lines()
        .filter(|line| line.contains("acme-corp-production ") && line.contains("True"));
    assert_eq!(rows.count(), 2, "{said}");
    assert!(said.contains("modelversion.wavepin.dev/clinical-v2 "), "{said}");
    let lease = ["-n", &namespace, "get", "lease", "wavepin-controller"];
    api_server.kubectl(&lease).success();
    let url = format!("sqlite:{}", home.join("wavepin.sqlite").display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let rows: Vec<(String, String, i32)> =
        sqlx::query_as("SELECT tenant_id, tenant_environment, model_version_id FROM tenant_version ORDER BY 1, 2")
            .fetch_all(&mut database)
            .await
            .unwrap();
    let promoted = |(tenant, environment, version): &(String, String, i32)| {
        *version
            == if tenant == "acme-corp" || environment == "staging" {
                2
            } else {
                1
            }
    };
    assert!(rows.len() == 6 && rows.iter().all(promoted), "{rows:?}");
}
