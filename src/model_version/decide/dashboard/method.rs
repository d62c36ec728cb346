//! Which way the dashboard is copied: by the newer documents API, or by export and import.

use super::Dashboard;
use crate::model_version::act::Effect;
use crate::model_version::content::documents_v2::{self, Fit};
use crate::model_version::decide::content::unfit_text;
use crate::model_version::decide::{IntentState, Step, carry};
use crate::model_version::observe::Look;
use crate::ports::{Exported, IntentStep, PublishedDocument};
use crate::resources::ContentMethod;
use crate::resources::conditions::Reason;

/// The marks of the two methods, which are the words of the API.
pub(in crate::model_version) const CREATED: &str = "DocumentsV2";
pub(in crate::model_version) const IMPORTED: &str = "ExportImport";

/// How often a source is read anew in one pass where it is published between two reads.
const MOST_REREADS: u32 = 2;

impl<'a> Dashboard<'a> {
    /// What to create the copy from by the newer documents API, and the folder's id; nothing where it is imported.
    pub(super) fn document(&self, source: &Exported) -> Result<Option<(&'a PublishedDocument, &'a str)>, Step> {
        let (slug, identifier) = (self.slug.to_owned(), self.from.to_owned());
        let Some(folder) = self.view.record().and_then(|it| it.folder_id.as_deref()) else {
            return Ok(None);
        };
        match self.cut.content.method {
            ContentMethod::ExportImport => return Ok(None),
            // Chosen before, and perhaps since Omni refused the other way.
            ContentMethod::Auto if self.method() == Some(IMPORTED) => return Ok(None),
            ContentMethod::Auto | ContentMethod::DocumentsV2 => {}
        }
        if let Some(words) = self.view.seen.refused.get(self.slug) {
            return self.unfit_for_method(&format!("the dashboard, as Omni tells: {words}"));
        }
        let work = self.work.filter(|work| work.published.is_some());
        let Some(work) = work else {
            return Err(Step::Look(Look::Published { slug, identifier }));
        };
        match documents_v2::fit(work.published.as_ref().and_then(Option::as_ref), source) {
            Fit::Whole(document) => Ok(Some((document, folder))),
            Fit::Moved if work.rereads < MOST_REREADS => Err(Step::Look(Look::Reread { slug, identifier })),
            Fit::Moved if self.cut.content.method == ContentMethod::Auto => Ok(None),
            Fit::Moved => Err(self.set_aside(
                Reason::SourceMoved,
                format!(
                    "dashboard {:?} was published again each time that it was read; it is read once more at the next look",
                    self.from
                ),
            )),
            Fit::Lacking(lacking) => self.unfit_for_method(&unfit_text(&lacking)),
        }
    }

    /// It is imported where that is left to choose, and else refused by name.
    fn unfit_for_method<T>(&self, lacking: &str) -> Result<Option<T>, Step> {
        if self.cut.content.method != ContentMethod::DocumentsV2 {
            return Ok(None);
        }
        let way_out = "set it to Auto or ExportImport, or exclude the dashboard";
        let text = format!("content.method DocumentsV2 does not carry {lacking}; {way_out}");
        Err(self.set_aside(Reason::MethodUnfit, text))
    }

    /// The method that was written down for this dashboard.
    fn method(&self) -> Option<&'a str> {
        match self.view.intent(IntentStep::Method, self.slug) {
            IntentState::Settled(method) => Some(method),
            _ => None,
        }
    }

    /// Which way is chosen is written down before it is taken: a later pass tells it, and goes the same way.
    pub(super) fn chosen(&self, created: bool) -> Option<Step> {
        let is_default = self.cut.content.method == ContentMethod::ExportImport && self.method().is_none();
        let method = if created { CREATED } else { IMPORTED };
        (!is_default && self.method() != Some(method)).then(|| {
            Step::Do(Effect::SettleIntent {
                step: IntentStep::Method,
                subject: self.slug.to_owned(),
                result: method.to_owned(),
            })
        })
    }

    /// How a copy is made that the documents API made wrong.
    pub(super) fn other_way(&self) -> String {
        if self.method() != Some(CREATED) {
            return String::new();
        }
        format!(
            ". It was created by the documents API: set content.method to ExportImport, delete {:?} in Omni for good, and it is imported",
            self.to
        )
    }

    /// What the copy does not have: a description goes with a creation, and with no import.
    pub(super) fn lost(&self) -> Vec<String> {
        let mut lost = carry::lost(self.view, self.from);
        if self.method() == Some(CREATED) {
            lost.retain(|what| what != carry::DESCRIPTION);
        }
        lost
    }
}
