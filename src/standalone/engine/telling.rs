//! How far a long pass is, and whether it should end.

use tokio::time::Instant;

use super::Engine;
use crate::model_version::last_look::LastLook;
use crate::model_version::{Progress, VersionReport};
use crate::ports::{Lookup, Objects as _};
use crate::standalone::catalog::Id;
use crate::standalone::declared::Declared;
use crate::standalone::statuses::{Key, Statuses, Subject};

/// Tells how far a long pass is, and ends it early when it should.
pub(super) struct Telling<'engine> {
    engine: &'engine Engine,
    id: &'engine Id,
    spec_hash: Option<String>,
    deadline: Instant,
}

impl<'engine> Telling<'engine> {
    pub(super) fn new(engine: &'engine Engine, id: &'engine Id, deadline: Instant) -> Self {
        Self {
            engine,
            id,
            spec_hash: spec_hash(&engine.declared, id),
            deadline,
        }
    }
}

fn spec_hash(declared: &Declared, id: &Id) -> Option<String> {
    match declared.version(&id.0, &id.1) {
        Lookup::Found(version) => Some(version.spec_hash.clone()),
        _ => None,
    }
}

impl Progress for Telling<'_> {
    fn publish(&self, report: &VersionReport) {
        let mut state = self.engine.state();
        let known = state
            .statuses
            .versions
            .get(self.id)
            .and_then(|status| status.dashboards.as_ref());
        let known = known.map_or(0, |dashboards| dashboards.ready);
        state.take_version(self.id, report, &*self.engine.observer);
        drop(state);
        if let Some(dashboards) = &report.dashboards
            && dashboards.ready > known
        {
            let subject = Subject::new("ModelVersion", self.id);
            self.engine
                .observer
                .progress(&subject, dashboards.ready, dashboards.desired);
        }
    }

    fn interrupted(&self) -> bool {
        self.engine.stop.is_cancelled()
            || Instant::now() >= self.deadline
            || spec_hash(&self.engine.declared, self.id) != self.spec_hash
    }

    fn last_look(&self) -> Option<LastLook> {
        self.engine.looks.of(&self.id.0, &self.id.1)
    }

    fn looked(&self, look: LastLook) {
        self.engine.looks.keep(&self.id.0, &self.id.1, look);
    }

    fn wants_instance(&self) {
        let Lookup::Found(version) = self.engine.declared.version(&self.id.0, &self.id.1) else {
            return;
        };
        let instance = (self.id.0.clone(), version.spec.instance_ref.name.clone());
        let is_it = |key: &Key, _: &Statuses| *key == Key::Instance(instance.clone());
        self.engine.state().wake(is_it);
    }
}
