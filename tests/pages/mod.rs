//! The commands of the pages in `docs/`, run as they stand there.

mod day_one;
mod diff;
mod explain;
mod first_version;
mod install;
mod plan;
mod reference;
mod runbook;
mod simulator;
mod validate;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parts::{Family, Member};

/// The blocks of commands of a page that this test runs, in their order.
fn commands(page: &str, run_by: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let mark = format!("<!-- run: {run_by} -->\n```sh\n");
    let blocks = text.split(&mark).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// The example's files in the shell's home, led to this organisation.
fn example_led_to(shell: &Shell, base_url: &str) -> PathBuf {
    let folder = shell.family.home().join("clinical");
    std::fs::create_dir(&folder).unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clinical");
    for file in std::fs::read_dir(example).unwrap() {
        let file = file.unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let text = text.replace("http://127.0.0.1:4000", base_url);
        std::fs::write(folder.join(file.file_name()), text).unwrap();
    }
    folder
}

/// A shell at the root of the repository, in which `helm`, `kubectl` and `wavepin` are those of the tests.
struct Shell {
    family: Family,
    programs: PathBuf,
}

impl Shell {
    fn new(name: &str, programs: &[(&str, &Path)]) -> Self {
        let family = Family::new(name).unwrap();
        let folder = family.home().join("bin");
        std::fs::create_dir(&folder).unwrap();
        for (name, program) in programs {
            std::os::unix::fs::symlink(program, folder.join(name)).unwrap();
        }
        Self {
            family,
            programs: folder,
        }
    }

    fn command(&self, commands: &str) -> Command {
        let path = format!("{}:{}", self.programs.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell
            .args(["-o", "pipefail", "-euxc", commands])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("PATH", path)
            .env("HOME", self.family.home());
        shell
    }

    /// Runs commands to their end; gives what they printed.
    #[track_caller]
    fn run(&self, commands: &str, variables: &[(&str, &str)]) -> String {
        let mut shell = self.command(commands);
        let output = shell.envs(variables.iter().copied()).output().unwrap();
        let [printed, said] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(output.status.success(), "{commands}\n{printed}\n{said}");
        printed
    }

    /// Starts commands that do not end by themselves.
    fn start(&self, name: &str, commands: &str) -> Member {
        self.family.spawn(name, &mut self.command(commands)).unwrap()
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.family.log(name)).unwrap_or_default()
    }
}
