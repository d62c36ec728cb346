//! What the table was measured on.

use std::fmt;
use std::path::Path;
use std::thread::available_parallelism;

/// The machine, as far as it decides how long things take.
#[derive(Debug)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    memory_gib: f64,
    disk: String,
    load: String,
}

impl Machine {
    /// This one, now.
    pub(crate) fn look() -> Self {
        Self {
            cores: available_parallelism().map_or(1, usize::from),
            processor: line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned()),
            memory_gib: memory_gib().unwrap_or_default(),
            disk: disk_of(&std::env::temp_dir()).unwrap_or_else(|| "unknown disk".to_owned()),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cores,
            processor,
            memory_gib,
            disk,
            load,
        } = self;
        writeln!(
            formatter,
            "machine: {cores} cores ({processor}), {memory_gib:.1} GiB of memory"
        )?;
        writeln!(formatter, "disk of the temporary files: {disk}")?;
        writeln!(formatter, "load of the last minute before the first part: {load}")
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// What a file of Linux says behind this name and a colon, first.
fn line_of(path: &str, name: &str) -> Option<String> {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gib() -> Option<f64> {
    let total = line_of("/proc/meminfo", "MemTotal")?;
    let kib: f64 = total.strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0 / 1024.0)
}

/// Where the databases of the bench stand: file system, device, and whether it turns.
fn disk_of(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = read("/proc/self/mountinfo");
    // `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`
    let of_folder = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let place: Vec<&str> = place.split(' ').collect();
        let mount = Path::new(place.get(4)?);
        folder
            .starts_with(mount)
            .then(|| (mount.as_os_str().len(), place[2], kind))
    });
    // Of two on the same place the later one is seen.
    let (_, number, kind) = of_folder.max_by_key(|(length, ..)| *length)?;
    let mut kind = kind.split(' ');
    let (system, device) = (kind.next()?, kind.next()?);
    let block = format!("/sys/dev/block/{number}");
    // A partition has no queue of its own.
    let turns = [
        format!("{block}/queue/rotational"),
        format!("{block}/../queue/rotational"),
    ];
    let turns = turns.iter().map(|path| read(path)).find(|text| !text.is_empty());
    let turns = match turns.as_deref().map(str::trim) {
        Some("1") => ", said to turn",
        Some("0") => ", said not to turn",
        _ => "",
    };
    Some(format!("{system} on {device}{turns}"))
}
