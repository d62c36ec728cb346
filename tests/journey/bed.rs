//! What every journey starts from: an organisation, the application's database, and a namespace with the binary.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::{Value, json};
use wavepin::simulator::SimulatorOptions;

use crate::cluster::{Installation, condition, eventually, example};
use crate::contract::check::Held;
use crate::cut::bench::{Bench, as_it_is, outcome, ready};
use crate::parts::{Database, Member, Postgres};

/// The API key of every journey.
pub(crate) const KEY: &str = "omni_osk_a-journey-of-its-own";

/// The application's tables, as the pattern's first users wrote them.
const TABLES: &str = "
CREATE TABLE dashboard_model (
dashboard_id UUID NOT NULL, -- returned by /documents/import
model_version_id INT NOT NULL,
dashboard_slug VARCHAR NOT NULL, -- e.g. \"patient-summary\"
created_at TIMESTAMP DEFAULT NOW(),
updated_at TIMESTAMP DEFAULT NOW()
);
CREATE TABLE tenant_version (
tenant_id VARCHAR NOT NULL,
tenant_environment VARCHAR NOT NULL, -- \"staging\" | \"production\"
model_version_id INT NOT NULL,
updated_at TIMESTAMP DEFAULT NOW(),
PRIMARY KEY (tenant_id, tenant_environment)
);
";

/// What the application asks at a page view.
const LOOK_UP: &str = "
SELECT dm.dashboard_id
FROM tenant_version tv
JOIN dashboard_model dm
ON dm.model_version_id = tv.model_version_id
AND dm.dashboard_slug = 'patient-summary'
WHERE tv.tenant_id = 'acme-corp'
AND tv.tenant_environment = 'production';
";

/// Writes down every row that anybody writes.
const WITNESS: &str = "
CREATE TABLE row_write (n bigserial PRIMARY KEY, relation text NOT NULL, operation text NOT NULL, after text);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.row_write (relation, operation, after)
    VALUES (TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, TG_OP, NEW::text);
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON dashboard_model
    FOR EACH ROW EXECUTE FUNCTION witness();
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON tenant_version
    FOR EACH ROW EXECUTE FUNCTION witness();
";

/// The same for every table of Wavepin's own, once they are there, but for the request budget: it counts calls, and a
/// look at Omni is one.
const WITNESS_LEDGER: &str = "
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'wavepin' AND tablename NOT LIKE 'budget%' LOOP
        EXECUTE format('CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON wavepin.%I
            FOR EACH ROW EXECUTE FUNCTION public.witness()', name);
    END LOOP;
END $$;
";

/// The files of the example, in the order in which a person would think of them.
pub(crate) const FILES: [&str; 4] = ["instance.yaml", "clinical-v1.yaml", "clinical-v2.yaml", "pins.yaml"];

pub(crate) const TENANTS: [&str; 3] = ["acme-corp", "globex", "initech"];

const SLUGS: [&str; 5] = [
    "patient-summary",
    "readmission-risk",
    "ward-capacity",
    "medication-review",
    "billing-overview",
];

/// The folders of the two versions.
pub(crate) const FIRST: &str = "clinical/v1";
pub(crate) const SECOND: &str = "clinical/v2";

pub(crate) struct Bed {
    /// Every exchange with it is held to Omni's contract.
    pub(crate) simulator: Held,
    pub(crate) database: Database,
    pub(crate) cluster: Installation,
}

impl Bed {
    pub(crate) async fn new(prefix: &str) -> Self {
        Self::on(Installation::new(prefix), prefix).await
    }

    pub(crate) async fn on(cluster: Installation, prefix: &str) -> Self {
        let options = SimulatorOptions {
            api_key: KEY.to_owned(),
            ..SimulatorOptions::default()
        };
        let database = Postgres::shared().database(&prefix.replace('-', "_"));
        database.psql(TABLES);
        database.psql(WITNESS);
        cluster.keeps(KEY);
        cluster.keeps(&database.url);
        if let Some(password) = url::Url::parse(&database.url).expect("a URL").password() {
            cluster.keeps(password);
        }
        Self {
            simulator: Held::start(options).await.expect("the loopback has a free port"),
            database,
            cluster,
        }
    }

    /// A file of the example. The instance uses the application's tables and its own Secret for the database, and has
    /// `more` in its spec.
    pub(crate) fn manifest_with(&self, file: &str, more: &str) -> String {
        let text = example(file, self.simulator.base_url(), KEY);
        if file != "instance.yaml" {
            return text;
        }
        let url = url::Url::parse(&self.database.url).expect("a URL");
        let host = url.host_str().expect("a server");
        let data = format!("stringData:\n  databaseUrl: {:?}\n", self.database.url);
        let text = text
            .replace("stringData:\n", &data)
            .replace("hosts: \"127.0.0.1\"", &format!("hosts: \"127.0.0.1,{host}\""));
        let mapping = "  mapping:\n    management: External\n    urlSecretRef: {name: omni, key: databaseUrl}\n";
        format!("{text}{mapping}{more}")
    }

    pub(crate) fn manifest(&self, file: &str) -> String {
        self.manifest_with(file, "")
    }

    /// The two documents of the instance's file.
    pub(crate) fn secret_and_instance(&self) -> (String, String) {
        let both = self.manifest("instance.yaml");
        let (secret, instance) = both.split_once("\n---\n").expect("two documents");
        (secret.to_owned(), instance.to_owned())
    }

    /// Applies the Secret with these values and no others.
    pub(crate) fn apply_secret(&self, values: &[(&str, &str)]) {
        let (secret, _) = self.secret_and_instance();
        let (head, _) = secret.split_once("stringData:\n").expect("it has values");
        let values = values.iter().map(|(key, value)| format!("  {key}: {value:?}\n"));
        // What was `stringData` is `data` by now, which applying other `stringData` does not take away.
        self.cluster
            .kubectl(&["delete", "secret", "omni", "--ignore-not-found"]);
        self.cluster
            .apply(&format!("{head}stringData:\n{}", values.collect::<String>()));
    }

    /// Takes a measure away from version 1's model that one of its tiles shows: version 2 has that of its source.
    pub(crate) fn old_issue(&self) {
        let wards = "label: Wards\ndimensions:\n  id: {primary_key: true, hidden: true}\n  title: {label: Ward}\n";
        let hand = json!({"action": "edit_model_file", "model": "clinical", "file_name": "wards.view", "yaml": wards});
        self.simulator.play(&hand).expect("the seed has this model");
    }

    /// Starts the binary.
    pub(crate) fn controller(&self, name: &str) -> Member {
        self.cluster.start(name, &mut self.cluster.controller())
    }

    /// Starts it so that its lease and its requests run out soon.
    pub(crate) fn impatient(&self, name: &str, lease: &str) -> Member {
        let impatient = ["--lease", lease, "--request-timeout", "1s"];
        self.cluster.start(name, self.cluster.controller().args(impatient))
    }

    /// Waits until all objects are ready; shows those that are not.
    #[track_caller]
    pub(crate) fn all_ready(&self, patience: &str) {
        let timeout = format!("--timeout={patience}");
        let wait = ["wait", "--for=condition=Ready", "omni,mv,tpin", "--all", &timeout];
        let args = [&["-n", &self.cluster.namespace], &wait[..]].concat();
        let waited = self.cluster.api_server.kubectl(&args);
        assert!(waited.status.success(), "{waited}\n{}", self.conditions());
    }

    /// All objects are ready.
    pub(crate) fn is_ready(&self) -> bool {
        let wait = ["wait", "--for=condition=Ready", "omni,mv,tpin", "--all", "--timeout=1s"];
        let args = [&["-n", &self.cluster.namespace], &wait[..]].concat();
        self.cluster.api_server.kubectl(&args).status.success()
    }

    /// Every status, and how the controller's log ends, for messages.
    pub(crate) fn conditions(&self) -> String {
        let objects = self.cluster.objects().into_iter();
        let lines = objects.map(|object| format!("{} {}", object["metadata"]["name"], object["status"]));
        let log = self.cluster.family.last_words("controller");
        format!("{}\n{log}", lines.collect::<Vec<_>>().join("\n"))
    }

    /// The message of a condition that is true for a reason, once it is.
    #[track_caller]
    pub(crate) fn told(&self, object: &str, kind: &str, reason: &str) -> String {
        self.told_of(object, kind, reason, "")
    }

    /// Likewise, once the message speaks of something.
    #[track_caller]
    pub(crate) fn told_of(&self, object: &str, kind: &str, reason: &str, what: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(45);
        loop {
            let found = self.cluster.object(object);
            if let Some(found) = condition(&found, kind)
                && found["status"] == "True"
                && found["reason"] == reason
                && let Some(message) = found["message"].as_str()
                && message.contains(what)
            {
                return message.to_owned();
            }
            assert!(
                Instant::now() < deadline,
                "{object} is not {kind}: {reason}, {what:?}:\n{}",
                self.conditions()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks for passes until the instance is ready: one may use the Secret as it was seconds ago.
    #[track_caller]
    pub(crate) fn is_mended(&self) {
        let mut requests = 0;
        eventually("the instance is ready", Duration::from_secs(25), || {
            requests += 1;
            self.look_again(&format!("mended-{requests}"));
            let wait = ["wait", "--for=condition=Ready", "omni/clinical", "--timeout=1s"];
            let args = [&["-n", &self.cluster.namespace], &wait[..]].concat();
            self.cluster.api_server.kubectl(&args).status.success()
        });
    }

    /// Asks for a pass over everything.
    pub(crate) fn look_again(&self, word: &str) {
        let request = format!("wavepin.dev/reconcile-requested-at={word}");
        self.cluster
            .kubectl(&["annotate", "--overwrite", "omni,mv,tpin,vro,wapp", "--all", &request]);
    }

    /// Likewise, and waits until it is acknowledged.
    #[track_caller]
    pub(crate) fn ask_for_passes(&self, word: &str) {
        self.look_again(word);
        eventually("every pass is acknowledged", Duration::from_secs(30), || {
            let objects = self.cluster.objects();
            objects
                .iter()
                .all(|object| object["status"]["lastHandledReconcileAt"] == word)
        });
    }

    /// Witnesses writes to Wavepin's own tables from now on too.
    pub(crate) fn witness_ledger(&self) {
        self.database.psql(WITNESS_LEDGER);
    }

    /// Who wrote how many rows so far: relation, operation, row as it is after.
    pub(crate) fn row_writes(&self) -> Vec<String> {
        let writes = self
            .database
            .psql("SELECT relation, operation, after FROM row_write ORDER BY n");
        writes.lines().map(str::to_owned).collect()
    }

    /// The application's own question leads a tenant to the dashboards of a folder, and to those alone.
    #[track_caller]
    pub(crate) fn is_on(&self, state: &Value, tenant: &str, environment: &str, folder: &str) {
        let documents = documents(state, folder);
        for slug in SLUGS {
            let document = documents.iter().find(|document| document["name"] == name_of(slug));
            let document = document.unwrap_or_else(|| panic!("{folder} has no {slug}"));
            let found = self.look_up(tenant, environment, slug);
            assert_eq!(document["dashboardId"], found, "{tenant} in {environment}, {slug}");
        }
    }

    /// Fails once a disturbance comes too late for the cut.
    #[track_caller]
    pub(crate) fn is_in_the_cut(&self) {
        let rows = "SELECT count(*) FROM dashboard_model WHERE model_version_id = 2";
        assert_eq!(self.database.psql(rows).trim(), "0", "too late to disturb the cut");
    }

    /// Both versions are there and staging is on the second, each thing made once, by whoever.
    #[track_caller]
    pub(crate) fn each_thing_once(&self) {
        let state = self.simulator.state();
        shared_model(&state, "clinical v2");
        let folders = list(&state, "folders").iter();
        assert_eq!(folders.filter(|folder| folder["path"] == SECOND).count(), 1);
        assert_eq!(documents(&state, SECOND).len(), SLUGS.len());
        for tenant in TENANTS {
            self.is_on(&state, tenant, "staging", SECOND);
        }
        let writes = self.row_writes();
        let (inserts, others): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.contains("|INSERT|"));
        // Five rows a version, one a pin.
        assert_eq!((inserts.len(), others.len()), (5 + 5 + 6, 0), "{writes:#?}");
    }

    /// What the application finds for a tenant.
    fn look_up(&self, tenant: &str, environment: &str, slug: &str) -> String {
        let question = LOOK_UP
            .replace("'acme-corp'", &format!("'{tenant}'"))
            .replace("'production'", &format!("'{environment}'"))
            .replace("'patient-summary'", &format!("'{slug}'"));
        self.database.psql(&question).trim().to_owned()
    }
}

/// Cuts version 2 on a bed of its own for each disturbance, all at the same time; each ends with each thing once, and as
/// a cut ends that nothing disturbs.
pub(crate) async fn each_ends_undisturbed<D: Debug + Sync>(prefix: &str, disturbances: &[D], cut: fn(&Bed, &D)) {
    let undisturbed = Bench::new(as_it_is).await;
    let (_, second) = undisturbed.both().await;
    ready(&second);
    let expected = &without_tags(&undisturbed.outcome());
    let mut beds = Vec::new();
    for disturbance in disturbances {
        beds.push((Bed::new(prefix).await, disturbance));
    }
    std::thread::scope(|scope| {
        for (bed, disturbance) in &beds {
            scope.spawn(move || {
                for file in FILES {
                    bed.cluster.apply(&bed.manifest_with(file, "  listLag: 1s\n"));
                }
                cut(bed, disturbance);
                bed.each_thing_once();
                let ended = without_tags(&outcome(&bed.simulator.state()));
                assert_eq!(ended, *expected, "{disturbance:?}");
            });
        }
    });
    for (bed, _) in beds {
        bed.simulator.shutdown().await;
    }
}

/// What the API server wrote down of the requests for objects in the namespace, with what they carried.
pub(crate) fn audited(cluster: &Installation) -> Vec<Value> {
    let log = std::fs::read_to_string(cluster.api_server.audit_log()).expect("the API server writes it");
    let ours = log.lines().filter(|line| line.contains(&cluster.namespace));
    ours.filter_map(|line| serde_json::from_str(line).ok())
        .filter(|event: &Value| event["objectRef"]["namespace"] == cluster.namespace)
        .collect()
}

/// What a dashboard of the example is called.
fn name_of(slug: &str) -> String {
    let words = slug.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect::<Vec<String>>().join(" ")
}

/// The entries of a list of the organisation's state.
pub(crate) fn list<'a>(state: &'a Value, name: &str) -> &'a [Value] {
    state[name].as_array().expect("the state has this list")
}

/// The documents in a folder that are not in the trash.
pub(crate) fn documents<'a>(state: &'a Value, folder: &str) -> Vec<&'a Value> {
    let all = list(state, "documents").iter();
    all.filter(|document| document["folderPath"] == folder && document["deleted"] == false)
        .collect()
}

/// The one shared model of a name.
#[track_caller]
pub(crate) fn shared_model<'a>(state: &'a Value, name: &str) -> &'a Value {
    let all = list(state, "models").iter();
    let named: Vec<&Value> = all
        .filter(|model| model["kind"] == "SHARED" && model["name"] == name && model["deleted"] == false)
        .collect();
    let [model] = named[..] else {
        panic!("{} models are named {name:?}", named.len());
    };
    model
}

/// Identifiers without the part that tells one mapping's version 2 from another's.
fn without_tags(outcome: &Value) -> Value {
    let tag = Regex::new("-v2-[0-9a-f]{6}").expect("a pattern");
    serde_json::from_str(&tag.replace_all(&outcome.to_string(), "-v2")).expect("still JSON")
}
