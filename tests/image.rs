//! The image: no container engine runs in the tests, so its binary is built by the Dockerfile's own command and started as
//! the kubelet would start it, in an empty tree and as the chart's user; and what the Dockerfile and the chart must agree on
//! is compared.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::journey::bed::{Bed, FILES};
use crate::parts::helm::tool;

/// The most that the stripped binary may weigh.
const MOST_BYTES: u64 = 40 * 1024 * 1024;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn dockerfile() -> String {
    std::fs::read_to_string(root().join("Dockerfile")).unwrap()
}

/// The binary of the image, built once by its own command.
fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        assert!(
            dockerfile().contains("tools/static"),
            "the Dockerfile builds by tools/static"
        );
        let mut build = Command::new(root().join("tools/static"));
        // What this test binary was built with is none of that build's business.
        build.env_remove("RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
        let built = build.output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{said}");
        let path = String::from_utf8(built.stdout).unwrap();
        root().join(path.trim().lines().last().unwrap())
    })
}

#[test]
fn the_binary_is_static_stripped_and_small() {
    let read = |flag: &str| {
        let output = Command::new("readelf").arg(flag).arg(binary()).output();
        String::from_utf8(output.expect("binutils come with every C compiler").stdout).unwrap()
    };
    assert!(!read("--program-headers").contains("INTERP"), "it wants a loader");
    assert!(!read("--dynamic").contains("NEEDED"), "it wants a library");
    assert!(!read("--sections").contains(".symtab"), "it is not stripped");
    let bytes = std::fs::metadata(binary()).unwrap().len();
    println!("the image's binary: {:.1} MiB", bytes as f64 / 1_048_576.0);
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
}

#[test]
fn the_linter_finds_nothing_in_the_dockerfile() {
    let path = root().join("Dockerfile").display().to_string();
    let said = tool("hadolint", &["--failure-threshold", "style", &path], "");
    assert_eq!(said.success(), "");
}

/// What stands after a word at the beginning of a line of the last stage.
fn says(word: &str) -> String {
    let file = dockerfile();
    let (_, last) = file.rsplit_once("\nFROM scratch\n").expect("the last stage is empty");
    let line = last.lines().find_map(|line| line.strip_prefix(&format!("{word} ")));
    line.unwrap_or_else(|| panic!("no {word}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_empty_tree_and_as_the_charts_user_it_does_what_the_chart_asks() {
    let bed = Bed::new("image").await;
    let deployment = bed.cluster.deployment();
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let [user, group] = ["runAsUser", "runAsGroup"].map(|it| pod["securityContext"][it].as_u64().unwrap());
    assert_eq!(says("USER"), format!("{user}:{group}"));
    assert_eq!(says("EXPOSE"), container["ports"][0]["containerPort"].to_string());
    assert_eq!(says("ENTRYPOINT"), r#"["/wavepin"]"#);
    assert_eq!(
        container["command"],
        Value::Null,
        "the image's entry point is the chart's"
    );
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);

    let tree = bed.cluster.family.home().join("tree");
    for folder in ["dev", "etc/ssl/certs", "kube"] {
        std::fs::create_dir_all(tree.join(folder)).unwrap();
    }
    // What the kubelet brings, besides the image: names, and the way to the API server.
    for file in ["etc/hosts", "etc/resolv.conf"] {
        let _ = std::fs::copy(Path::new("/").join(file), tree.join(file));
    }
    std::fs::copy(binary(), tree.join("wavepin")).unwrap();
    let command = bed.cluster.controller();
    let kubeconfig = command
        .get_envs()
        .find(|(name, _)| *name == "KUBECONFIG")
        .unwrap()
        .1
        .unwrap();
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let certificate = "certificates/apiserver.crt";
    assert!(
        text.contains(certificate),
        "it names the certificate by its place beside it"
    );
    let from = Path::new(kubeconfig).parent().unwrap().join(certificate);
    std::fs::copy(from, tree.join("kube/ca.crt")).unwrap();
    std::fs::write(tree.join("kube/config"), text.replace(certificate, "/kube/ca.crt")).unwrap();
    readable(&tree);

    let mut inside = within(&tree, user, group);
    inside.arg("/wavepin").args(command.get_args());
    inside.env_clear();
    inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    inside
        .env("KUBECONFIG", "/kube/config")
        .env("PATH", std::env::var_os("PATH").unwrap());
    let running = bed.cluster.start("inside", &mut inside);
    for file in FILES {
        // By a name: the static binary must find hosts without the system's libraries.
        let manifest = bed.manifest(file).replace("http://127.0.0.1", "http://localhost");
        bed.cluster
            .apply(&manifest.replace("hosts: \"127.0.0.1", "hosts: \"localhost,127.0.0.1"));
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while bed
        .cluster
        .readiness("inside")
        .is_none_or(|(_, text)| !text.contains("ok: leading"))
    {
        assert!(
            Instant::now() < deadline,
            "it does not lead:\n{}",
            bed.cluster.family.last_words("inside")
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    bed.all_ready("90s");
    bed.cluster.end("inside", running);
    bed.each_thing_once();
    bed.simulator.shutdown().await;
}

/// Others may read all of it, and write nowhere.
fn readable(tree: &Path) {
    let mode = Command::new("chmod")
        .args(["-R", "a+rX,go-w"])
        .arg(tree)
        .status()
        .unwrap();
    assert!(mode.success());
}

/// A command inside of the tree, as the user: by `chroot` where the test is root, else in a user namespace. Either brings the
/// devices that every container has.
fn within(tree: &Path, user: u64, group: u64) -> Command {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if is_root {
        for (name, minor) in [("null", "3"), ("random", "8"), ("urandom", "9")] {
            let mut device = Command::new("mknod");
            device
                .arg("--mode=666")
                .arg(tree.join("dev").join(name))
                .args(["c", "1", minor]);
            assert!(device.status().unwrap().success(), "root may make devices");
        }
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={user}:{group}")).arg(tree);
        return command;
    }
    let inside = format!(
        "mount --rbind /dev \"$0/dev\" && exec unshare --user --map-user={user} --map-group={group} --root \"$0\" \"$@\""
    );
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &inside])
        .arg(tree);
    command
}
