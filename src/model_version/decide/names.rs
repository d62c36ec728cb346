//! Whether every rename found the name that it is about.

use super::{Step, View, halt};
use crate::model_version::content::renames;
use crate::model_version::desired::Cut;
use crate::ports::DashboardRecord;
use crate::resources::Rename;
use crate::resources::conditions::Reason;

/// The copy was made with other renames than those that are declared now, so that it must be looked at again. A complete
/// version is sealed: its copies are what its tenants have.
pub(super) fn outdated(view: View<'_>, cut: &Cut, copy: &DashboardRecord) -> bool {
    !view.is_complete() && renames::moved(&cut.content.renames, &copy.renames)
}

/// All dashboards are whole, and a rename that no dashboard has a name for is a typing error, or about something that the
/// source never had.
pub(super) fn matched(view: View<'_>, cut: &Cut) -> Option<Step> {
    let found = |rename: &&Rename| {
        let asked = view.seen.dashboards.values().flat_map(|copy| &copy.renames);
        let mut matched = asked.filter(|it| it.matched);
        matched.any(|it| (it.kind, &it.find) == (rename.kind, &rename.find))
    };
    let wanted = cut.content.renames.iter().filter(|it| !it.optional);
    let lost: Vec<String> = wanted
        .filter(|rename| !found(rename))
        .map(|it| format!("{:?} {}", it.kind, it.find))
        .collect();
    (!lost.is_empty()).then(|| {
        halt(
            Reason::RenameUnmatched,
            format!(
                "content.renames: no dashboard of version {} names {}; correct the name, take the rename out, or say optional: true",
                cut.from,
                lost.join(", ")
            ),
        )
    })
}
