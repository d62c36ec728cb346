//! Looks for what people order in the ledger, which no watch tells of.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};

use super::kind::ObjectName;
use super::passes::Passes;
use super::table::Entry;
use crate::environment::abandoned;
use crate::environment::orders::{Newest, PACE};
use crate::resources::OmniInstance;

/// Asks for a pass over an instance's environments whenever there is another command. Never ends by itself.
pub(super) async fn follow(passes: Arc<Passes>) {
    let newest = Newest::default();
    let mut looks = interval(PACE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        for record in passes.store.all::<OmniInstance>().iter().filter_map(Entry::readable) {
            let instance = &record.object;
            if instance.spec.suspend || !newest.moved(&*passes.world.clients, instance).await {
                continue;
            }
            let name = ObjectName {
                namespace: instance.namespace.clone(),
                name: instance.name.clone(),
            };
            let mut environments = passes.store.environments(&name);
            // An order stands, whatever else is gone.
            environments.extend(abandoned(&passes.world, &name.namespace, &name.name).await);
            for environment in environments {
                passes.askers.environments.ask(environment);
            }
        }
    }
}
