//! Why a condition is as it is: the closed set of reasons, each with what it means, where it comes from and what a
//! person can do. `docs/reasons.md` is made from it.
//!
//! It is long since it is one table: its order is the documentation's, and the compiler holds the set to be closed.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident { cause: $cause:literal, remedy: $remedy:literal $(,)? })+) => {
        /// Why a condition is as it is: the closed set, documented in `docs/reasons.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason there is, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word that stands in the condition.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What it says of the object.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc, "\n"),+),)+ }
            }

            /// What brings it about.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$name => $cause,)+ }
            }

            /// What a person can do.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }
        }
    };
}

reasons! {
    /// Nothing has been looked at yet.
    Pending {
        cause: "The object is new, or the controller does not run or has not reached it.",
        remedy: "Wait; if it stays, see that the controller runs and watches this namespace.",
    }
    /// All is as declared.
    Converged {
        cause: "The last look found nothing to do.",
        remedy: "Nothing.",
    }
    /// The spec is well-formed and fits the other objects.
    Valid {
        cause: "The spec was checked.",
        remedy: "Nothing.",
    }
    /// The spec, or how it fits the other objects, is refused; the message names field, reason and way out.
    Invalid {
        cause: "A value that no rule of the API server could refuse, or one that another object, a file or a credential contradicts.",
        remedy: "Correct the field that the message names.",
    }
    /// `spec.suspend` is true: nothing is done until it is false.
    Suspended {
        cause: "A person set `spec.suspend` on the object or on its instance.",
        remedy: "Set `spec.suspend: false` when work shall go on.",
    }
    /// The pin has no version of its own, and there is no VersionRollout that it could follow.
    NoRollout {
        cause: "No VersionRollout is declared for the instance and environment, or it is refused.",
        remedy: "Declare one, or set `spec.version` of the pin.",
    }
    /// The pin follows a VersionRollout, and no wave of it selects the pin.
    NotSelected {
        cause: "The pin's labels fit no `selector`, and the last wave has one too.",
        remedy: "Label the pin, or add a last wave without a selector.",
    }
    /// A check of the rollout is to be asked how the tenants of a wave fare.
    CheckAwaited {
        cause: "Tenants of the wave have moved since the check was last asked, or its `interval` has passed.",
        remedy: "Wait: it is asked in the next pass.",
    }
    /// It is not known how the tenants of a wave fare, which is not passed: a check got no answer, or none that can be used.
    CheckUnknown {
        cause: "What the check asks cannot be reached, is slow, refuses, or says something else than was agreed; the message says what.",
        remedy: "Correct what the message names, in the check of the rollout or on the other side; it is asked again every `interval`.",
    }
    /// A check of the rollout fails tenants of a wave, and the wave goes no further.
    CheckFailed {
        cause: "More tenants fail than `failureBudget` allows, and not yet `failureLimit` times in a row.",
        remedy: "Look at the tenants in `status.waves[].failingTenants`; the wave goes on when the check passes, or the rollout is stopped as `onFailure` says.",
    }
    /// The pin follows a VersionRollout, and its turn has not come.
    Queued {
        cause: "Its wave has not opened, or moves in batches, or the rollout is suspended or frozen.",
        remedy: "Read the conditions of the VersionRollout: they say what it waits for, and until when.",
    }
    /// A wave of the rollout has moved and rests before the next one opens.
    Soaking {
        cause: "`soak` of the wave has not passed since its last move.",
        remedy: "Wait for the time in the message.",
    }
    /// A part of a wave has moved, and the next part waits for its time.
    BatchSpaced {
        cause: "`batch.every` of the wave has not passed since its last batch.",
        remedy: "Wait for the time in the message.",
    }
    /// A freeze lasts: nobody moves forward, or those whom it selects do not. To go back is not kept.
    Frozen {
        cause: "`spec.freeze` of the VersionRollout names a time that has begun and not ended.",
        remedy: "Wait for its end, or take it out of the spec.",
    }
    /// An open wave would show nothing to the next one: every tenant of it is kept back by something of its own, or all who moved in it were taken back before its checks had passed.
    HeldBack {
        cause: "All of its pins are on hold, were changed by another hand, or lack what they require; or they were taken back, and nobody is left whom a check could be asked about.",
        remedy: "Free one of the tenants that `status.leftOutTenants` names, or take them out of the wave. Where they were taken back, let one of them move again, or edit the rollout.",
    }
    /// The rollout takes the labels of tenants without a pin from a table that the OmniInstance does not name.
    TenantTableMissing {
        cause: "Objects may be applied in any order; or `members.rows.labelsFrom` has a typing error.",
        remedy: "Declare the table in `spec.mapping.tenantTables` of the OmniInstance, or correct `labelsFrom`.",
    }
    /// The table that labels tenants without a pin cannot be used, so that nobody moves forward by the rollout.
    TenantTableUnusable {
        cause: "The table or a column of it is not there, it may not be read, it has a tenant twice, or what it holds is no label.",
        remedy: "Do what the message names: run the GRANT, correct the names or the rows, or name a view. It is read again at least every 30 seconds.",
    }
    /// The rollout was stopped by what it found: nobody moves forward, and where it says so those that had moved go back.
    RolloutFailed {
        cause: "More tenants failed its checks than its budget lets pass.",
        remedy: "Set `spec.version` to another version, or annotate it as the message says to start it again.",
    }
    /// A channel of `notify` cannot be told what happened to the rollout, and is tried again. It holds nobody.
    ReceiverFailing {
        cause: "The other side cannot be reached, is slow, redirects or refuses, or the Secret of the channel is not there or may not go to it; the message says what.",
        remedy: "Correct what the message names, in the channel, its Secret or on the other side; it is tried again with pauses of 30 seconds to an hour, for 24 hours.",
    }
    /// A channel of `notify` was not told something, and will not be: it was tried for 24 hours, or the other side says that it is gone.
    NotificationGivenUp {
        cause: "The other side did not take it for 24 hours, or answered 410.",
        remedy: "Correct what the message names; the ledger has what happened (`wavepin history`). It ends with the next notification that is taken.",
    }
    /// A person took a rollout or a tenant back by `wavepin rollback`, which outranks what is declared.
    RolledBack {
        cause: "The order that the message names stands in the ledger.",
        remedy: "Lift it with `wavepin rollback --lift` when it has served.",
    }
    /// The rollout was taken back by an order that is lifted, and is not started again.
    Latched {
        cause: "What was taken back starts again by a person's word alone.",
        remedy: "Set `spec.version` to another version, or annotate it as the message says to start it again.",
    }
    /// The tenant is to go back to what it had, and cannot have it.
    NotReturned {
        cause: "It had no row before, or the version that it had is retired or not on record as complete.",
        remedy: "Set `spec.version` of the pin to the version that it shall have.",
    }
    /// A wave of the rollout opens once a person approves it.
    ApprovalMissing {
        cause: "`approval` of the wave asks for it, and no WaveApproval names this rollout, this wave and the `status.plan` of now. One for an earlier plan does not count.",
        remedy: "Apply the WaveApproval in the message, as somebody who may approve.",
    }
    /// The wave opens by verified approvals alone, and it is not proved who made this one.
    ApprovalUnverified {
        cause: "The admission policy of the chart was not in force when the approval was made, or is not the one that Wavepin knows, or cannot be read, or there is no Kubernetes; the message says which.",
        remedy: "Do what the message says, then delete the WaveApproval and make it again.",
    }
    /// The approval stands: its wave opens when its turn comes.
    Approved {
        cause: "It names the `status.plan` of now and a wave that asks for an approval.",
        remedy: "Nothing; delete it to withdraw it, as long as the wave has not opened.",
    }
    /// The wave opened by this approval.
    ApprovalUsed {
        cause: "It stood when the turn of its wave came; the ledger has it on record.",
        remedy: "Nothing. It opens nothing else, and may be deleted.",
    }
    /// The approval is for another plan than the rollout has now, and opens nothing.
    ApprovalSuperseded {
        cause: "Target, waves or their gates were edited since, or a person began another attempt.",
        remedy: "Delete it; approve anew what shall open now.",
    }
    /// The approval opens nothing: its wave asks for none, or needs none any more.
    ApprovalNotNeeded {
        cause: "`approval` of the wave is absent, or another approval opened it, or it was passed without tenants.",
        remedy: "Nothing; it may be deleted.",
    }
    /// The approval names a wave that the rollout has not.
    WaveUnknown {
        cause: "A typing error, since the plan that it names has no such wave.",
        remedy: "Delete it and make one that names a wave of the rollout.",
    }
    /// The VersionRollout that `rolloutRef` names is not there yet, or moves no tenants.
    RolloutNotReady {
        cause: "Objects may be applied in any order; or the rollout is refused, or in conflict with another.",
        remedy: "Apply the VersionRollout, or read its conditions.",
    }
    /// Every wave of the rollout has ended.
    RolledOut {
        cause: "All that may move have, and each wave has soaked.",
        remedy: "Nothing.",
    }
    /// Work is going on.
    Progressing {
        cause: "A cut is under way, or something that passes by itself is in its way; the message says what.",
        remedy: "Wait.",
    }
    /// The OmniInstance that `instanceRef` names is not there yet, or not ready.
    InstanceNotReady {
        cause: "Objects may be applied in any order; or the instance was not yet seen to be the organisation on record.",
        remedy: "Apply the OmniInstance, or read its conditions.",
    }
    /// The Secret is not there yet, or lacks the key that is named.
    SecretMissing {
        cause: "Objects may be applied in any order; or the reference has a typing error; or the Secret may not be read.",
        remedy: "Create the Secret with that key in the object's namespace, or correct the reference; give the controller `get` on it.",
    }
    /// The Secret's annotation `wavepin.dev/hosts` does not name the host that its credential would go to.
    HostNotAllowed {
        cause: "The URL was changed, or the Secret is meant for another host.",
        remedy: "Correct the URL, or have the owner of the Secret add the host to its annotation.",
    }
    /// Omni refuses the API key.
    KeyRefused {
        cause: "The key was revoked, or its creator left or lost rights, or the Secret holds something else.",
        remedy: "Put a valid organisation API key into the Secret; it is read again within 30 seconds.",
    }
    /// The API key is not an organisation key, which export and import need.
    NotOrganizationKey {
        cause: "The Secret holds a personal access token.",
        remedy: "Create an organisation API key in Omni and put it into the Secret.",
    }
    /// Omni cannot be reached, or answers with an error that may pass.
    OmniUnreachable {
        cause: "Network, DNS, TLS, a proxy, or Omni itself is down.",
        remedy: "Nothing if it passes; else look at the words in the message: where the connection ended, or which certificate was refused.",
    }
    /// Omni asks for fewer requests.
    RateLimited {
        cause: "Other tools use the same key, or `requestsPerMinute` is more than Omni allows this key.",
        remedy: "Give Wavepin a key of its own, or lower `requestsPerMinute`. No work is lost meanwhile.",
    }
    /// An answer of Omni, or its description of its API, lacks what is needed; the message names call and field. Nothing is guessed.
    ContractDrift {
        cause: "Omni changed the call, or something between Wavepin and Omni answers in its place.",
        remedy: "Look at the excerpt: a login or error page means a proxy. Else install a release of Wavepin that knows the new contract.",
    }
    /// Omni refused a call for a reason that only a person can mend; the message holds Omni's words.
    OmniRefused {
        cause: "The key's owner lacks a right, or an object in Omni is in the way.",
        remedy: "Do what Omni's words ask for; it is tried again every 10 minutes.",
    }
    /// Omni's own description of its API has all that Wavepin relies on.
    ContractFits {
        cause: "`/openapi.json` was compared with the calls that Wavepin makes. What is new in it is counted in the message.",
        remedy: "Nothing.",
    }
    /// Omni serves no description of its API that could be compared; each answer is still checked by itself.
    ContractNotServed {
        cause: "`/openapi.json` is not there, or is no OpenAPI 3 document.",
        remedy: "Nothing.",
    }
    /// The organisation is the one whose versions stand in the mapping.
    OrganizationRecognized {
        cause: "It has a connection, or a model, that is on record; or it is the first that was seen.",
        remedy: "Nothing.",
    }
    /// The organisation is not the one whose versions stand in the mapping. Nothing is sent to it but what tells which it is.
    AnotherOrganization {
        cause: "`baseUrl` or the API key leads to another organisation, or the mapping is another one's.",
        remedy: "Correct `baseUrl`, the key or the mapping; or, if the organisation is meant, annotate the OmniInstance with `wavepin.dev/confirm-identity` and the identity in the message.",
    }
    /// Omni and the key are as they should be.
    OmniReachable {
        cause: "Omni said whose key it is.",
        remedy: "Nothing.",
    }
    /// The mapping database cannot be reached.
    MappingUnreachable {
        cause: "Network, password, or the database itself is down or full.",
        remedy: "See that the database runs and takes the user's connections. Without it no call to Omni is made.",
    }
    /// The mapping tables lack a column, or it has another type than needed.
    MappingSchema {
        cause: "The application owns the tables (`management: External`) and they differ from the pattern's.",
        remedy: "Alter the table as the message says, or set `mapping.schema` to where the right tables are.",
    }
    /// The database user may not do what is needed; the message holds the GRANTs to run.
    MappingRights {
        cause: "The user was made for less.",
        remedy: "Run the statements of the message as an owner of the tables.",
    }
    /// The mapping belongs to another owner.
    MappingOwned {
        cause: "Another cluster or namespace uses the same database and schema.",
        remedy: "Use another database or schema; or, if the other is gone for good, annotate with `wavepin.dev/take-mapping-from`.",
    }
    /// Another writer holds the fence though this one's Lease did not move.
    MappingContended {
        cause: "Two controllers with the same `mapping.owner` and without a common Lease.",
        remedy: "End one of the two, or give one another `mapping.owner`; then restart this one.",
    }
    /// The same version and slug stand in more than one row.
    MappingAmbiguous {
        cause: "`dashboard_model` has no unique key, and something inserted the row again.",
        remedy: "Delete all rows but the one that the message names.",
    }
    /// A row of the version holds another dashboard than the one made or adopted.
    MappingConflict {
        cause: "A script or a person wrote the row.",
        remedy: "Correct or delete that row; Wavepin writes the right one.",
    }
    /// Which kind of id stands in `dashboard_id` cannot be told.
    DashboardIdUnknown {
        cause: "The column is a UUID, and the rows of the adopted version hold ids of more than one kind.",
        remedy: "Set `mapping.dashboardIdHolds`, and correct the rows that hold another kind.",
    }
    /// The number belongs to another source, model or object.
    VersionTaken {
        cause: "A number belongs for ever to what was first recorded for it.",
        remedy: "Give this object a number of its own.",
    }
    /// The version is complete; what it was made from may not be changed any more.
    Sealed {
        cause: "The spec was changed after the version was complete.",
        remedy: "Put back what was declared, and cut a new version with the change.",
    }
    /// The version's model would be seen by nobody.
    NobodyCanSee {
        cause: "The connection's base role is NO_ACCESS, and no user group has a role on the new model or on the connection.",
        remedy: "Give roles with model.roles or model.rolesFrom; or say model.accessBy: ConnectionRoles where the application sends roles with each embed session.",
    }
    /// The version to cut from is not declared, or not complete, yet.
    SourceNotReady {
        cause: "Objects may be applied in any order; or the source's own cut goes on or is stalled.",
        remedy: "Apply the source, or read its conditions.",
    }
    /// The source changed between the first and the last read of the cut.
    SourceMoved {
        cause: "Someone edited the source's model or dashboards during the cut, which would mix two states.",
        remedy: "Delete what was made of this version in Omni and cut it under a new number, once the source rests.",
    }
    /// The model to adopt, or to cut from, is not in Omni.
    ModelNotFound {
        cause: "The id is wrong, or of another organisation, or the model is in the trash.",
        remedy: "Correct the id, or restore the model.",
    }
    /// A model of the wanted name exists that this version did not make.
    NameTaken {
        cause: "A person or a script made it; or an older ledger did and is lost.",
        remedy: "Rename one of the two; or annotate with `wavepin.dev/adopt-model` to take it over.",
    }
    /// The key's owner has no value for the user attribute that picks the connection environment.
    CallerAttributeMissing {
        cause: "The connection has environments, and Omni runs calls as the key's owner.",
        remedy: "Give the key's owner a value for the attribute in Omni.",
    }
    /// The connection has branch-based schema refresh on, which forbids a second shared model.
    BranchRefreshOn {
        cause: "A setting of the connection.",
        remedy: "Turn it off in Omni.",
    }
    /// The Git repository of the models cannot be reached, or others push to it all the time.
    GitUnreachable {
        cause: "Network, or its host is down.",
        remedy: "See that the controller reaches the host. Versions that need no repository go on.",
    }
    /// The Git repository is not opened: the credential, the host's key or the address is refused; the message says which.
    GitRefused {
        cause: "The Secret of the instance's `git.secretRef` is wrong or has run out, or its known hosts lack the server's key.",
        remedy: "Do what the message says.",
    }
    /// The branch of the repository takes no push.
    GitProtected {
        cause: "A rule or a hook of the host protects it.",
        remedy: "Let the credential's owner push, or set `model.git.propose: true` and merge what is proposed.",
    }
    /// The directory for the version's model, or the branch that proposes it, is there with other content.
    GitDirectoryTaken {
        cause: "A person, a script or another version made it.",
        remedy: "Name another `model.git.directory`, or take that one away.",
    }
    /// The source's model, its repository or the version's own model is not such that files can be copied by Git; the message says why.
    GitUnfit {
        cause: "The model has no Git settings, follows another, demands pull requests, or its directory holds what no model has.",
        remedy: "Do what the message says, or take another `model.copy`.",
    }
    /// The copy of the model's directory is proposed on a branch and not merged yet.
    GitNotMerged {
        cause: "`model.git.propose` leaves the merge to people.",
        remedy: "Merge the branch that the message names.",
    }
    /// After the model's files were brought to it through Git, Omni holds others.
    FilesNotTaken {
        cause: "Omni ignored or erased the directory that was pushed, or what the repository holds is not what the source's model holds.",
        remedy: "Look at the files that the message names. Say `model.git.fallback: Yaml`, or cut with `copy: Yaml`.",
    }
    /// An edit, or a file it meets, is no YAML, or Omni refuses it.
    EditRefused {
        cause: "`model.edits`, or an object that `model.editsFrom` names, has an error; the message names the edit.",
        remedy: "Correct the edit; a ConfigMap or Secret is read again within 30 seconds.",
    }
    /// A ConfigMap or Secret that `model.editsFrom` names is not there yet, or may not be read.
    EditsMissing {
        cause: "Objects may be applied in any order; or the name has a typing error; or the controller may not `get` it.",
        remedy: "Create it in the version's namespace, or correct the name; give the controller `get` on it. It is asked for every 5 seconds.",
    }
    /// A rename of `content.renames` cannot be done: two names of a dashboard would become one.
    RenameRefused {
        cause: "A dashboard of the source names both what is renamed and what it is renamed to, side by side.",
        remedy: "Take one of the two out of the source's dashboard, take the rename out, or leave the dashboard out.",
    }
    /// A rename of `content.renames` found no dashboard that names what it is about.
    RenameUnmatched {
        cause: "A typing error, or a name that no dashboard of the source uses.",
        remedy: "Correct the name, take the rename out, or say `optional: true`.",
    }
    /// Omni's model validation finds errors; the model stays unmerged.
    ModelInvalid {
        cause: "The edits, or the source itself, refer to what is not there.",
        remedy: "Correct the edits as the findings in the message say.",
    }
    /// Omni's content validation finds faults in the version's dashboards that it does not find in the source's; the message names the tiles.
    ContentInvalid {
        cause: "The edits take away or rename what a tile uses; or, of a complete version, what it rests on has changed in Omni.",
        remedy: "Correct the edits, leave the dashboard out, or say with `validation.content` what to let pass. A complete version is cut anew; until then no tenant moves to it.",
    }
    /// The merged model differs from what was sent.
    DefinitionDiffers {
        cause: "Someone else edited the model during the cut, or Omni wrote it in a way that is not known.",
        remedy: "Compare the files that the message names; delete the model and let it be made again, or report it.",
    }
    /// The folder exists and this version did not make it.
    FolderTaken {
        cause: "A person or a script made it.",
        remedy: "Choose another `content.folder`, or rename the folder in Omni.",
    }
    /// An adopted or added dashboard is not in Omni.
    DashboardNotFound {
        cause: "The identifier is wrong, or the dashboard was deleted.",
        remedy: "Correct the identifier, or restore the dashboard.",
    }
    /// The dashboard sits on another model than the version's.
    DashboardOnOtherModel {
        cause: "The identifier names a dashboard of another model.",
        remedy: "Correct the identifier, or move the dashboard to the model in Omni.",
    }
    /// The identifier that a copy needs belongs to another document.
    IdentifierTaken {
        cause: "A document, perhaps one in the trash, was given that identifier.",
        remedy: "Give that document another identifier, or delete it for good.",
    }
    /// A dashboard holds what `content.method` does not carry.
    MethodUnfit {
        cause: "`content.method: DocumentsV2`, and a classic layout, more than 48 tiles, files, tabs with fields of their own, or a creation that Omni refuses; the message names the dashboard and what it is.",
        remedy: "Set `content.method` to `Auto` or `ExportImport`, or exclude the dashboard.",
    }
    /// A copy's tiles cannot be paired with its source's.
    TilesUnpaired {
        cause: "Tiles were edited during the cut, or Omni lost or changed some.",
        remedy: "Delete the copy in Omni, so that it is made again, or leave the dashboard out.",
    }
    /// A copy differs from its source.
    CopyDiffers {
        cause: "Someone edited the copy before it was whole, or Omni carried something over that it should not.",
        remedy: "Delete the copy in Omni, so that it is made again, or leave the dashboard out.",
    }
    /// The last creating call got no answer; lists may lag, so it is looked for before it is sent again.
    AnswerAwaited {
        cause: "A time-out, a broken connection, or an error after Omni did it.",
        remedy: "Wait: at most the request's time-out and `listLag`.",
    }
    /// The model is there, with the declared definition.
    ModelPresent {
        cause: "It was read.",
        remedy: "Nothing.",
    }
    /// Every dashboard is there and whole.
    ContentPresent {
        cause: "They were listed, and each was compared when it was made.",
        remedy: "Nothing.",
    }
    /// The model validation finds no error.
    ModelValid {
        cause: "Omni validated it.",
        remedy: "Nothing.",
    }
    /// Neither the model validation nor the content validation finds what the source does not have.
    EvidenceHolds {
        cause: "Omni validated model and dashboards, and nothing that this rests on has moved since.",
        remedy: "Nothing.",
    }
    /// The query of a tile cannot be planned, or not whole; the message names dashboard, tile and user.
    QueriesInvalid {
        cause: "A query refers to what is not there or what its user may not see; in dashboards Omni plans the rest of it without a word.",
        remedy: "Correct the edits, leave the dashboard out, or give the user the right that is missing.",
    }
    /// A tenant's query reads another schema than the tenant's, or one who must get nothing gets something.
    RoutingWrong {
        cause: "The user attribute, the connection environment or `dynamic_schemas` that leads a tenant to its data leads elsewhere, or is missing.",
        remedy: "Correct them in Omni; or `expectSchema`, `sharedSchemas` and `deniedTo` of `validation.queries`, where these are wrong.",
    }
    /// No pinned tenant has an embed user in Omni as whom queries could be planned.
    NoTenantToAsk {
        cause: "`validation.queries.tenants` selects no pin, or tenants who never opened a dashboard.",
        remedy: "Pin a tenant, let one open a dashboard, correct the selector, or take `tenants` out.",
    }
    /// The evidence for the wished version does not hold any more: something that it rests on was changed in Omni.
    EvidenceVoid {
        cause: "A person or a script edited the version's model or dashboards, the schema below it was refreshed, or the queries of this environment's tenants were found wrong; the ModelVersion's conditions say what.",
        remedy: "Do for the ModelVersion what its conditions ask for; the pin moves as soon as it is validated again. Going back to a version that the tenant had needs no evidence.",
    }
    /// The wished version was not validated yet as the tenants of this environment.
    EvidenceMissing {
        cause: "`validation.queries.tenants` of the ModelVersion asks for it, and this is the environment's first pin to it, or the version has changed since.",
        remedy: "Wait; if it stays, do for the ModelVersion what its conditions ask for. Going back to a version that the tenant had needs no evidence.",
    }
    /// The generated model under the version was refreshed since the version was validated.
    SchemaRefreshed {
        cause: "A person, a schedule or a script refreshed the schema of the connection, or of one of its environments.",
        remedy: "Wait: the version is validated again, and its evidence holds again where nothing is found.",
    }
    /// The rows are written and the version is complete.
    RowsWritten {
        cause: "The rows were read.",
        remedy: "Nothing.",
    }
    /// Something that the version had is gone from Omni or from the mapping.
    Missing {
        cause: "A person or a script deleted or moved it.",
        remedy: "Restore what the message names, or move it back.",
    }
    /// Something of the version was moved or renamed in Omni.
    MovedInOmni {
        cause: "A person or a script moved or renamed a document, the folder or the model.",
        remedy: "Put it back; `spec.content.drift: Mend` has moved documents moved back. A new name may be accepted by the annotation in the message.",
    }
    /// The version's model, or a dashboard of it, was edited in Omni.
    EditedInOmni {
        cause: "A person or a script edited it after it was whole. Tenants see the edit; Wavepin overwrites nobody's work.",
        remedy: "Put it back by its history in Omni, cut a new version with the change, or accept it by the annotation in the message.",
    }
    /// Something that Wavepin did not make stands beside the version: a document in its folder, a model of its name.
    UnknownInOmni {
        cause: "A person or a script put it there. It is left alone, and the version stays ready.",
        remedy: "Move it elsewhere if it does not belong there.",
    }
    /// Tenants are on this version.
    TenantsPinned {
        cause: "Rows of `tenant_version` hold its number.",
        remedy: "Nothing.",
    }
    /// No tenant is on this version.
    Unused {
        cause: "No row of `tenant_version` holds its number.",
        remedy: "Nothing.",
    }
    /// The row holds the wanted version.
    RowWritten {
        cause: "The row was read.",
        remedy: "Nothing.",
    }
    /// The wanted version is not declared or not complete yet.
    VersionNotComplete {
        cause: "Its cut goes on, or is stalled, or has not been declared.",
        remedy: "Read the conditions of that ModelVersion.",
    }
    /// The pin is on hold.
    Held {
        cause: "`spec.hold` names the reason.",
        remedy: "Wait until the hold ends, or remove `spec.hold`.",
    }
    /// The tenant has not yet run the version in the required environment for the required time.
    RequirementNotMet {
        cause: "`spec.requires` keeps the pin back.",
        remedy: "Move the tenant there first, and wait for the time that the message names.",
    }
    /// Another hand changed the row; both values are in the message.
    ChangedOutside {
        cause: "A person or a script ran an UPDATE, which is allowed.",
        remedy: "Set `spec.version` to what shall be, or annotate with `wavepin.dev/restore-row`.",
    }
    /// The row holds a version that nobody declared.
    UnknownCurrentVersion {
        cause: "The application wrote the row before that version was adopted.",
        remedy: "Declare a ModelVersion that adopts it.",
    }
    /// Another pin claimed this tenant and environment first.
    Conflict {
        cause: "Two TenantPins name the same tenant and environment.",
        remedy: "Delete one of the two.",
    }
}
