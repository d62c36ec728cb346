//! Values that are refused, each with the path of what is wrong.

use super::{IMAGE, template};
use crate::parts::helm::Helm;

/// What the schema refuses: the values, the path that it names, and a word of the reason.
const AGAINST_THE_SCHEMA: [(&str, &str, &str); 15] = [
    ("replica=2", "", "replica"),
    ("replicas=two", "replicas", "string"),
    ("replicas=-1", "replicas", "-1"),
    ("watch.namespaces=apps", "watch/namespaces", "string"),
    ("watch.namespaces={Apps}", "watch/namespaces/0", "Apps"),
    ("secrets.name=omni", "secrets", "name"),
    ("configMaps.name=edits", "configMaps", "name"),
    ("image.pullPolicy=Sometimes", "image/pullPolicy", "Always"),
    ("image.digest=latest", "image/digest", "latest"),
    ("requestTimeout=1 minute", "requestTimeout", "1 minute"),
    ("approvals.policy.enable=true", "approvals/policy", "enable"),
    ("log.format=xml", "log/format", "json"),
    ("listen.port=80", "listen/port", "1,024"),
    ("database.sqlite.size=much", "database/sqlite/size", "much"),
    (
        "networkPolicy.omniPorts[0]=https",
        "networkPolicy/omniPorts/0",
        "string",
    ),
];

/// What each says for itself, and no two may say together.
const CONTRADICTIONS: [(&str, &str); 5] = [
    (
        "watch.allNamespaces=true,watch.namespaces={apps}",
        "name the namespaces, or watch all of them",
    ),
    ("database.sqlite.enabled=true", "Set replicas to 1, or give a database"),
    (
        "replicas=1,database.sqlite.enabled=true,database.urlSecret.name=db",
        "one of them is the database",
    ),
    ("image.tag=a@sha256", "set image.digest"),
    ("image.repository=", "there is no public image of Wavepin yet"),
];

#[test]
fn the_schema_refuses_and_names_the_path() {
    for helm in Helm::BOTH {
        for (values, path, word) in AGAINST_THE_SCHEMA {
            let said = template(helm, "wavepin", &["--set", IMAGE, "--set", values]).failure();
            // Helm 3 and 4 write a path with slashes, or with dots.
            let said = said.replace('.', "/");
            assert!(
                said.contains(&format!("'/{path}'")) || said.contains(path),
                "{values}: {said}"
            );
            assert!(said.contains(&word.replace('.', "/")), "{values}: {said}");
        }
    }
}

#[test]
fn contradictions_are_refused_with_what_to_do() {
    for helm in Helm::BOTH {
        for (values, words) in CONTRADICTIONS {
            let said = template(helm, "wavepin", &["--set", IMAGE, "--set", values]).failure();
            assert!(said.contains(words), "{values}: {said}");
        }
    }
}

#[test]
fn the_chart_of_resources_refuses_what_would_pin_the_wrong_tenant() {
    let instances = "instances.a.spec.baseUrl=https://a.example.com,instances.a.spec.apiKeySecretRef.name=a";
    for (values, words) in [
        ("tenants.acme.staging=two", "tenants"),
        ("tenants.acme.staging=0", "tenants"),
        ("tenants.acme.staging.versoin=2", "tenants"),
        (
            "tenants.Acme_x.staging=1,tenants.acme-x.staging=1",
            "are both named acme-x-staging",
        ),
        (
            "tenants.acme corp.staging=1",
            "is no name for an object: give the pin a name",
        ),
        ("versions.v1.spec.version=1", "source"),
        ("approvals.a.spec.wave=rest", "approver"),
        ("instances.A.spec.baseUrl=x", "instances"),
    ] {
        let said = template(Helm::Three, "wavepin-resources", &["--set", instances, "--set", values]).failure();
        assert!(said.contains(words), "{values}: {said}");
    }
    let said = template(Helm::Three, "wavepin-resources", &["--set", "tenants.acme.staging=1"]).failure();
    assert!(said.contains("tenants.acme.staging names no instance"), "{said}");
}
