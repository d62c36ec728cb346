//! The commands of the runbook that ask the API server: whoever is on call types them as they stand there.

use super::{Shell, commands};
use crate::cluster::Installation;
use crate::parts::program;

/// Two objects that nobody has looked at yet.
const OBJECTS: &str = "apiVersion: wavepin.dev/v1alpha1
kind: OmniInstance
metadata: {name: clinical}
spec:
  baseUrl: https://acme.example
  apiKeySecretRef: {name: omni, key: apiKey}
---
apiVersion: wavepin.dev/v1alpha1
kind: TenantPin
metadata: {name: acme-corp-staging}
spec:
  instanceRef: {name: clinical}
  tenant: acme-corp
  environment: staging
  version: 1
";

#[test]
fn what_the_runbook_asks_of_an_api_server_is_answered() {
    let cluster = Installation::apart("runbook");
    cluster.apply(OBJECTS);
    let shell = Shell::new("runbook", &[("kubectl", &program::find("kubectl").unwrap())]);
    let kubeconfig = cluster.api_server.kubeconfig().display().to_string();
    let account = format!("serviceaccount:{}:wavepin", cluster.home);
    let mut told = String::new();
    for block in commands("runbook.md", "runbook") {
        let block = block
            .replace("-n wavepin ", &format!("-n {} ", cluster.home))
            .replace("-n apps ", &format!("-n {} ", cluster.namespace))
            .replace("serviceaccount:wavepin:wavepin", &account);
        told += &shell.run(&block, &[("KUBECONFIG", &kubeconfig)]);
    }
    for answer in [
        "omniinstance.wavepin.dev/clinical annotated",
        "TenantPin/acme-corp-staging: ",
        "Base URL:  https://acme.example",
        "yes\n",
    ] {
        assert!(told.contains(answer), "no {answer:?} in\n{told}");
    }
}
