//! Who put a row where it is, in words.

use super::super::decide::{BY_BASELINE, BY_ORDER, BY_RESTORE, BY_ROLLED_BACK, BY_ROLLOUT, BY_SPEC, BY_WAY_BACK};
use crate::ports::{PinEvent, PinEventKind};

/// Who made a recorded move, and on what reason; `rollout` is the one that began the attempt that it is of, where that is
/// known.
#[must_use]
pub fn moved_by(event: &PinEvent, rollout: Option<&str>) -> String {
    let rollout = rollout.map_or_else(|| "a rollout".to_owned(), |name| format!("VersionRollout {name}"));
    let wave = event.cause.wave.as_ref().map_or_else(String::new, |it| {
        format!(", wave {} of attempt {}", it.wave, it.attempt)
    });
    match (event.kind, event.cause.reason.as_str()) {
        (PinEventKind::Outside, _) => "another hand changed the row; this is when it was noticed".to_owned(),
        (PinEventKind::Delete, _) => "its pin was deleted, with deletionPolicy Delete".to_owned(),
        (PinEventKind::Flip, BY_SPEC) => "spec.version of its pin".to_owned(),
        (PinEventKind::Flip, BY_RESTORE) => "a person confirmed it with wavepin.dev/restore-row".to_owned(),
        (PinEventKind::Flip, BY_ROLLOUT) => format!("{rollout}{wave}"),
        (PinEventKind::Flip, BY_WAY_BACK) => format!("{rollout} took it back to what it had{wave}"),
        (PinEventKind::Flip, BY_ROLLED_BACK) => format!("{rollout} was rolled back, and it went to what it had{wave}"),
        (PinEventKind::Flip, BY_ORDER) => "a person ordered it back to what it had".to_owned(),
        (PinEventKind::Flip, BY_BASELINE) => {
            "it had no row, and got the version that was last rolled out to the end".to_owned()
        }
        (PinEventKind::Flip, other) => format!("{other}{wave}"),
    }
}
