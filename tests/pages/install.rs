//! The page about the installation: its commands by either Helm and by kubectl, and what they leave behind.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Shell, commands};
use crate::cluster::eventually;
use crate::parts::helm::Helm;
use crate::parts::{ApiServer, program};

/// A shell whose `helm` and `kubectl` work on an API server.
fn shell_on(api_server: &ApiServer, helm: Helm, name: &str) -> (Shell, String) {
    let helm = helm.program();
    let kubectl = program::find("kubectl").unwrap();
    let wavepin = Path::new(env!("CARGO_BIN_EXE_wavepin"));
    let programs = [
        ("helm", helm.as_path()),
        ("kubectl", &kubectl),
        ("wavepin", wavepin),
        ("kubectl-wavepin", wavepin),
    ];
    let kubeconfig = api_server.kubeconfig().display().to_string();
    (Shell::new(name, &programs), kubeconfig)
}

/// Every object of ours as it is stored, and the definitions.
fn stored(api_server: &ApiServer) -> (Vec<Value>, Vec<Value>) {
    let list = |args: &[&str]| {
        let list = api_server.kubectl(&[args, &["--output=json"]].concat()).success();
        let list: Value = serde_json::from_str(&list).unwrap();
        list["items"].as_array().cloned().unwrap()
    };
    let objects = list(&["get", "omni,mv,tpin", "--all-namespaces"]);
    let definitions = list(&["get", "customresourcedefinitions"]);
    (
        objects,
        definitions.into_iter().map(|mut it| it["spec"].take()).collect(),
    )
}

/// With each Helm a cluster of its own, where nobody has ever been: to delete definitions from one and wait
/// until they are gone takes an API server longer than to start.
fn with_either_helm(test: impl Fn(Helm, &ApiServer)) {
    for helm in Helm::BOTH {
        test(helm, &ApiServer::own());
    }
}

#[test]
fn helm_installs_upgrades_and_goes_back_and_its_end_leaves_definitions_and_objects() {
    with_either_helm(|helm, api_server| {
        let (shell, kubeconfig) = shell_on(api_server, helm, "helm-page");
        let on = [("KUBECONFIG", kubeconfig.as_str())];
        let [install, life, resources] = commands("install.md", "helm").try_into().unwrap();
        let said = shell.run(&install, &on);
        assert!(said.contains("Wavepin 0.1.0 works on apps."), "{said}");
        api_server
            .kubectl(&["-n", "apps", "apply", "-f", "examples/clinical"])
            .success();
        let before = stored(api_server);
        assert_eq!((before.0.len(), before.1.len()), (1 + 2 + 6, 5));
        for step in life.lines() {
            shell.run(step, &on);
            assert_eq!(stored(api_server), before, "after {step}, {helm:?}");
        }
        let left = [
            "get",
            "deployment,role,serviceaccount",
            "--all-namespaces",
            "--output=name",
        ];
        let left = api_server.kubectl(&left).success();
        assert!(!left.contains("wavepin"), "{left}");

        let (_, again) = install.split_once('\n').unwrap();
        shell.run(again, &on);
        assert_eq!(stored(api_server), before, "installed again, {helm:?}");

        api_server
            .kubectl(&["-n", "apps", "delete", "omni,mv,tpin", "--all"])
            .success();
        shell.run(&resources, &on);
        let made = stored(api_server);
        assert_eq!(made.0.len(), 1 + 2 + 6);
        let pin = made
            .0
            .iter()
            .find(|object| object["metadata"]["name"] == "acme-corp-production");
        assert_eq!(pin.unwrap()["spec"]["hold"]["reason"], "quarter close");
        shell.run("helm uninstall clinical --namespace apps", &on);
        assert_eq!(stored(api_server), made, "kept, {helm:?}");
        shell.run("helm uninstall wavepin --namespace wavepin", &on);
    });
}

/// The chart as it was first released: what a user may come from.
const FIRST_RELEASE: &str = "tests/chart/releases/wavepin-0.1.0.tgz";

#[test]
fn from_the_first_release_forward_and_back_nothing_is_rewritten_and_nothing_lost() {
    with_either_helm(|helm, api_server| {
        let (shell, kubeconfig) = shell_on(api_server, helm, "first-release");
        let on = [("KUBECONFIG", kubeconfig.as_str())];
        let [install, life, _] = commands("install.md", "helm").try_into().unwrap();
        shell.run(&install.replace("charts/wavepin", FIRST_RELEASE), &on);
        api_server
            .kubectl(&["-n", "apps", "apply", "-f", "examples/clinical"])
            .success();
        let (before, _) = stored(api_server);
        assert_eq!(before.len(), 1 + 2 + 6);
        // Forward, back, and away.
        for step in life.lines() {
            shell.run(step, &on);
            assert_eq!(stored(api_server).0, before, "after {step}, {helm:?}");
        }
    });
}

#[test]
fn a_second_operator_over_the_same_objects_is_refused() {
    with_either_helm(|helm, api_server| {
        let (shell, kubeconfig) = shell_on(api_server, helm, "second");
        let on = [("KUBECONFIG", kubeconfig.as_str())];
        shell.run(&commands("install.md", "helm")[0], &on);
        let chart = crate::parts::helm::chart("wavepin");
        let refused = |name: &str, sets: &[&str]| {
            let mut args = vec![
                "install",
                name,
                &chart,
                "--namespace",
                "wavepin",
                "--set",
                "image.repository=a",
            ];
            args.extend(sets.iter().flat_map(|set| ["--set", set]));
            helm.run_on(Path::new(&kubeconfig), &args).failure()
        };
        let taken = refused("other", &["watch.namespaces={apps}", "crds.enabled=false"]);
        assert!(
            taken.contains(r#"Role "wavepin-controller" in namespace "apps" exists"#),
            "{taken}"
        );
        let all = refused("other", &["watch.allNamespaces=true", "crds.enabled=false"]);
        assert!(all.contains("namespace apps is watched by another release"), "{all}");
        api_server.kubectl(&["create", "namespace", "argocd"]).success();
        api_server
            .kubectl(&["-n", "argocd", "create", "configmap", "argocd-cm"])
            .success();
        let argo = refused("other", &["argocd.configMap.enabled=true", "crds.enabled=false"]);
        assert!(argo.contains("belongs to others and is not overwritten"), "{argo}");
        api_server
            .kubectl(&["delete", "namespace", "argocd", "--timeout=120s"])
            .success();
        // Over other namespaces there may be as many as one likes.
        let beside = "helm install other charts/wavepin -n wavepin --set image.repository=a,crds.enabled=false";
        shell.run(beside, &on);
        shell.run(
            "helm uninstall other -n wavepin; helm uninstall wavepin -n wavepin",
            &on,
        );
        let everywhere = "helm install all charts/wavepin -n wavepin --take-ownership \
            --set image.repository=a,watch.allNamespaces=true";
        shell.run(everywhere, &on);
        let one = refused("other", &["watch.namespaces={apps}", "crds.enabled=false"]);
        assert!(one.contains("another release watches all namespaces"), "{one}");
        shell.run("helm uninstall all -n wavepin", &on);
    });
}

#[test]
fn kubectl_installs_the_same_and_the_binary_is_its_plugin() {
    let api_server = ApiServer::own();
    let (shell, kubeconfig) = shell_on(&api_server, Helm::Three, "kubectl-page");
    let on = [("KUBECONFIG", kubeconfig.as_str())];
    let [install, look] = commands("install.md", "kubectl").try_into().unwrap();
    shell.run(&install, &on);
    let wait = "kubectl wait --for=condition=Established --timeout=30s -f crds/";
    shell.run(wait, &on);
    // What `kubectl explain` reads comes a moment after a definition is established.
    eventually("the API server describes the kinds", Duration::from_secs(30), || {
        let described = api_server.kubectl(&["get", "--raw", "/openapi/v3/apis/wavepin.dev/v1alpha1"]);
        described.stdout.contains("OmniInstance")
    });
    let said = shell.run(&look, &on);
    assert!(
        said.contains("deployment.apps/wavepin") && said.contains("apiKeySecretRef"),
        "{said}"
    );
    let pin = "kubectl -n wavepin apply -f examples/clinical/pins.yaml";
    shell.run(pin, &on);
    let [ask] = commands("troubleshooting.md", "kubectl").try_into().unwrap();
    let said = shell.run(&ask, &on);
    assert!(
        said.contains("tenantpin.wavepin.dev/acme-corp-production annotated"),
        "{said}"
    );
    let [plugin] = commands("install.md", "plugin").try_into().unwrap();
    let said = shell.run(&plugin, &on);
    assert_eq!(said.trim(), format!("wavepin {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn definitions_that_are_missing_or_older_shut_a_gate_that_names_what_they_lack() {
    let api_server = ApiServer::own();
    let (shell, kubeconfig) = shell_on(&api_server, Helm::Three, "older");
    let run = format!(
        "KUBECONFIG={kubeconfig} exec wavepin controller --namespace default --lease-namespace default \
         --health-address 127.0.0.1:0"
    );
    let _controller = shell.start("controller", &run);
    let readiness = |words: &str| {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let log = shell.log("controller");
            let address = log
                .split_once("probes answer on http://")
                .and_then(|(_, rest)| rest.split('/').next());
            let ask = format!("curl -s http://{}/readyz || true", address.unwrap_or("127.0.0.1:1"));
            let said = shell.run(&ask, &[]);
            if said.contains(words) {
                return said;
            }
            assert!(Instant::now() < deadline, "not {words:?} but {said:?}\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let missing = readiness("shut: definitions of this release: the cluster's definitions are missing");
    assert!(
        missing.contains("they lack OmniInstance, ModelVersion, TenantPin, VersionRollout, WaveApproval;"),
        "{missing}"
    );

    let pins = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/crds/tenantpins.yaml")).unwrap();
    let mut older: Value = serde_saphyr::from_str(&pins).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    older
        .pointer_mut(spec)
        .and_then(Value::as_object_mut)
        .unwrap()
        .remove("hold")
        .unwrap();
    let apply = [
        "apply",
        "--server-side",
        "-f",
        "crds/omniinstances.yaml",
        "-f",
        "crds/modelversions.yaml",
        "-f",
        "crds/versionrollouts.yaml",
        "-f",
        "crds/waveapprovals.yaml",
    ];
    api_server.kubectl(&apply).success();
    api_server
        .kubectl_stdin(&["apply", "--server-side", "-f", "-"], &older.to_string())
        .success();
    readiness("they lack TenantPin.spec.hold; apply those of this release");

    api_server
        .kubectl(&["apply", "--server-side", "-f", "crds/tenantpins.yaml"])
        .success();
    readiness("ok: leading");
}
