//! The chapters in which tenants follow a rollout: by waves, and back.

use serde_json::json;

use super::screen::Style;
use super::view::View;
use super::{DemoError, Story};
use crate::resources::conditions::WAITING;
use crate::standalone::{Manifest, true_condition};

/// The rollout as the fourth chapter declares it.
const ROLLOUT: &str = "\
apiVersion: wavepin.dev/v1alpha1
kind: VersionRollout
metadata: {name: production}
spec:
  instanceRef: {name: clinical}
  environment: production
  version: 2
  waves:
    - {name: canary, selector: {matchLabels: {tier: canary}}}
    - {name: rest, approval: Required}
";

/// The pins as the chapter before left them; those of production that still name version 1 name none, and follow.
fn following(manifest: &mut Manifest) -> bool {
    super::promoted(manifest);
    let tier = match manifest.name.as_str() {
        "globex-production" => "canary",
        "initech-production" => "late",
        _ => return true,
    };
    manifest.labels.insert("tier".to_owned(), tier.to_owned());
    if let Some(spec) = manifest.body["spec"].as_object_mut() {
        spec.remove("version");
    }
    true
}

impl Story {
    /// The others follow a rollout: the canary moves, the rest when a person lets it.
    pub(super) async fn waves(&mut self) -> Result<(), DemoError> {
        let screen = self.screen;
        screen.heading("4. The others follow by waves: the canary first, the rest when a person says so");
        screen.line("Nobody edits a pin for each of thousands. The production pins of globex (labelled tier: canary)");
        screen.line("and initech lose their version: they follow the rollout of their environment.\n");
        screen.block(Some(Style::Green), ROLLOUT);
        screen.line("");
        let calls = self.simulator.requests().len();
        self.apply(ROLLOUT, following).await?;
        self.show().await?;
        let (plan, waits) = self.rollout()?;
        screen.line(&format!("The rollout waits: {waits}\n"));
        let moved = |view: &View| view.environment == "staging" || view.tenant != "initech";
        self.expect(
            |view| view.version == if moved(view) { 2 } else { 1 },
            "the canary alone moved",
        )?;

        let approval = format!(
            "apiVersion: wavepin.dev/v1alpha1\nkind: WaveApproval\nmetadata: {{name: production-rest}}\nspec:\n  \
             rolloutRef: {{name: production}}\n  wave: rest\n  plan: {plan}\n  approver: jane@example.com\n"
        );
        screen.line("jane has looked at globex, and approves just this plan:\n");
        screen.block(Some(Style::Green), &approval);
        screen.line("");
        self.apply(&format!("{ROLLOUT}---\n{approval}"), following).await?;
        self.show().await?;
        self.count_calls();
        self.expect(|view| view.version == 2, "everybody is on version 2")?;
        self.no_call_since(calls, "the waves called Omni")
    }

    /// All that the rollout moved go back at once.
    pub(super) async fn back(&mut self) -> Result<(), DemoError> {
        let screen = self.screen;
        screen.heading("5. And back, in one transaction: no wave, no approval, no Omni");
        screen.line("Something is wrong with version 2. In the rollout one line changes:\n");
        screen.change(" environment: production", "version: 2", &["version: 1"]);
        screen.line("");
        let calls = self.simulator.requests().len();
        self.apply(ROLLOUT, |manifest| {
            if manifest.kind == "VersionRollout" {
                manifest.body["spec"]["version"] = json!(1);
            }
            following(manifest)
        })
        .await?;
        self.show().await?;
        self.count_calls();
        let stays = |view: &View| view.environment == "staging" || view.tenant == "acme-corp";
        self.expect(
            |view| view.version == if stays(view) { 2 } else { 1 },
            "who followed went back",
        )?;
        self.no_call_since(calls, "the way back called Omni")?;
        screen.line("acme-corp's pin has a version of its own: no rollout moves it.");
        Ok(())
    }

    /// The plan of the rollout, and what it waits for.
    fn rollout(&self) -> Result<(String, String), DemoError> {
        let statuses = self.engine.statuses();
        let status = statuses.rollouts.values().next();
        let waits = status.and_then(|status| true_condition(&status.conditions, WAITING));
        let plan = status.and_then(|status| status.plan.clone());
        match (plan, waits) {
            (Some(plan), Some(waits)) => {
                // The command that it goes on with is for a cluster; here the manifest follows.
                let why = waits.message.split(", by this").next().unwrap_or_default();
                // And whom it is about has been said.
                let why = why.rsplit(": ").next().unwrap_or_default();
                Ok((plan, why.to_owned()))
            }
            _ => Err(DemoError::Unexpected {
                what: format!("the rollout does not wait for an approval: {status:?}"),
            }),
        }
    }
}
