//! `wavepin crds`: the custom resource definitions.

use super::Exit;
use crate::resources::definitions::definitions;
use clap::Args;

/// Where the definitions go.
#[derive(Debug, Args)]
pub(super) struct CrdsArgs {
    /// Write one file a kind into this folder instead of printing.
    #[arg(long, value_name = "DIR")]
    out: Option<std::path::PathBuf>,
}

pub(super) fn run(args: &CrdsArgs) -> Exit {
    for crd in definitions() {
        let yaml = match serde_saphyr::to_string(&crd) {
            Ok(yaml) => yaml,
            Err(error) => {
                eprintln!("wavepin: cannot write the definition as YAML: {error}");
                return Exit::Failed;
            }
        };
        let Some(dir) = &args.out else {
            print!("---\n{yaml}");
            continue;
        };
        let file = dir.join(format!(
            "{}.yaml",
            crd["spec"]["names"]["plural"].as_str().unwrap_or_default()
        ));
        if let Err(error) = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&file, yaml)) {
            eprintln!("wavepin: cannot write {}: {error}", file.display());
            return Exit::Failed;
        }
    }
    Exit::Done
}
