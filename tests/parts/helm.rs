//! Helm, both of the versions that people install charts with.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::{self, Output};

/// A Helm that `tools/get` built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Helm {
    Three,
    Four,
}

impl Helm {
    pub(crate) const BOTH: [Self; 2] = [Self::Three, Self::Four];

    pub(crate) fn program(self) -> PathBuf {
        let name = match self {
            Self::Three => "helm3",
            Self::Four => "helm4",
        };
        program::find(name).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Runs it without a cluster.
    pub(crate) fn run(self, args: &[&str]) -> Output {
        self.run_on(Path::new("/dev/null"), args)
    }

    /// Runs it on the cluster of a kubeconfig.
    pub(crate) fn run_on(self, kubeconfig: &Path, args: &[&str]) -> Output {
        let home = tempfile::tempdir().expect("the system's temporary folder takes folders");
        let mut command = Command::new(self.program());
        // What a person has set up for their own Helm is none of the tests' business.
        for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HOME"] {
            command.env(folder, home.path());
        }
        command.env("KUBECONFIG", kubeconfig).args(args);
        Output::of(&mut command, "").expect("tools/get built it")
    }
}

/// The folder of a chart.
pub(crate) fn chart(name: &str) -> String {
    format!("{}/charts/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs another program of `tools/bin` to its end.
pub(crate) fn tool(name: &str, args: &[&str], input: &str) -> Output {
    let program = program::find(name).unwrap_or_else(|why| panic!("{why}"));
    Output::of(Command::new(program).args(args), input).expect("tools/get built it")
}
