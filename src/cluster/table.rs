//! The objects of one kind as the watch last showed them, with an index by group.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::Resource as _;
use kube::api::ObjectMeta;
use kube::runtime::watcher::Event;

use super::kind::{Kind, ObjectName};
use super::watched::Watched;
use crate::ports::{Absence, Object};
use crate::resources::{ANNOTATION_PREFIX, spec_hash};

/// One namespace, or `None`: all of them.
pub(super) type Scope = Option<String>;

/// What of an object's metadata is peculiar to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) generation: i64,
    pub(super) finalizers: Vec<String>,
}

impl Identity {
    fn of(metadata: &ObjectMeta) -> Self {
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
        }
    }

    /// Whether `other` is a later state of the same object. Resource versions of one resource are numbers that
    /// grow; where a server breaks that promise nothing is held to be older.
    fn precedes(&self, other: &Self) -> bool {
        let number = |identity: &Self| identity.resource_version.parse::<u64>().ok();
        self.uid == other.uid && matches!((number(self), number(other)), (Some(mine), Some(theirs)) if mine < theirs)
    }
}

/// An object that parsed.
#[derive(Debug)]
pub(super) struct Record<K: Kind> {
    pub(super) identity: Identity,
    pub(super) object: Arc<Object<K::Spec>>,
    pub(super) status: K::Status,
}

/// An object that did not.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) identity: Identity,
    pub(super) why: String,
}

/// What is known of one name.
#[derive(Debug)]
pub(super) enum Entry<K: Kind> {
    Readable(Arc<Record<K>>),
    Unreadable(Arc<Unreadable>),
}

impl<K: Kind> Clone for Entry<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Readable(record) => Self::Readable(Arc::clone(record)),
            Self::Unreadable(unreadable) => Self::Unreadable(Arc::clone(unreadable)),
        }
    }
}

impl<K: Kind> Entry<K> {
    pub(super) fn readable(&self) -> Option<&Arc<Record<K>>> {
        match self {
            Self::Readable(record) => Some(record),
            Self::Unreadable(_) => None,
        }
    }

    /// An object as the table holds it.
    pub(super) fn of(object: Watched<K>) -> Self {
        let (metadata, parsed) = object.into_parts();
        let identity = Identity::of(&metadata);
        match parsed {
            Ok((spec, status)) => {
                let object = Arc::new(object_of(metadata, spec));
                Self::Readable(Arc::new(Record {
                    identity,
                    object,
                    status,
                }))
            }
            Err(why) => Self::Unreadable(Arc::new(Unreadable { identity, why })),
        }
    }

    fn identity(&self) -> &Identity {
        match self {
            Self::Readable(record) => &record.identity,
            Self::Unreadable(unreadable) => &unreadable.identity,
        }
    }
}

/// What one event made of one name.
#[derive(Debug)]
pub(super) struct Change<K: Kind> {
    pub(super) name: ObjectName,
    pub(super) before: Option<Entry<K>>,
    pub(super) after: Option<Entry<K>>,
}

/// The objects of one group, by name.
type Members<S> = BTreeMap<String, Arc<Object<S>>>;

/// The objects of one kind.
pub(super) struct Table<K: Kind> {
    // By namespace, then by name: so that a look-up needs no owned key.
    entries: HashMap<String, HashMap<String, Entry<K>>>,
    groups: BTreeMap<K::Group, Members<K::Spec>>,
    listing: HashMap<Scope, HashSet<ObjectName>>,
    /// Since when the objects of a scope are known.
    listed: HashMap<Scope, Timestamp>,
    /// What went, and is not back: deleted before our eyes, or missing in a list that was made again (a cluster may
    /// have been put back to an older state meanwhile). A few dozen bytes a name, for as long as the process lives.
    gone: HashMap<ObjectName, Absence>,
}

impl<K: Kind> Default for Table<K> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            groups: BTreeMap::new(),
            listing: HashMap::new(),
            listed: HashMap::new(),
            gone: HashMap::new(),
        }
    }
}

impl<K: Kind> Table<K> {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Entry<K>> {
        self.entries.get(namespace)?.get(name)
    }

    /// Every object, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<K>> {
        self.entries.values().flat_map(HashMap::values)
    }

    /// The objects of a group, sorted by name.
    pub(super) fn group(&self, group: &K::Group) -> Vec<Arc<Object<K::Spec>>> {
        self.groups
            .get(group)
            .map(|members| members.values().cloned().collect())
            .unwrap_or_default()
    }

    /// The same, not sorted out of the table.
    pub(super) fn members(&self, group: &K::Group) -> impl Iterator<Item = &Arc<Object<K::Spec>>> {
        self.groups.get(group).into_iter().flat_map(BTreeMap::values)
    }

    /// Every group that has a member.
    pub(super) fn groups(&self) -> impl Iterator<Item = &K::Group> {
        self.groups.keys()
    }

    /// Whether the objects of this namespace have all been seen.
    pub(super) fn complete(&self, namespace: &str) -> bool {
        self.complete_since(namespace).is_some()
    }

    fn complete_since(&self, namespace: &str) -> Option<Timestamp> {
        let covers = |scope: &Scope| scope.as_deref().is_none_or(|listed| listed == namespace);
        let listed = self.listed.iter().filter(|(scope, _)| covers(scope));
        listed.map(|(_, since)| *since).min()
    }

    /// What it means that an object is not there.
    pub(super) fn absence(&self, name: &ObjectName) -> Absence {
        match (self.gone.get(name), self.complete_since(&name.namespace)) {
            (_, None) => Absence::Unknown,
            (Some(gone), Some(_)) => *gone,
            (None, Some(since)) => Absence::Since(since),
        }
    }

    /// Takes in what a watch of `scope` showed, and tells what that changed.
    ///
    /// A list that is made again leaves the old objects in place until it is through: nothing seems gone meanwhile.
    pub(super) fn take_in(&mut self, scope: &Scope, event: Event<Watched<K>>) -> Vec<Change<K>> {
        match event {
            Event::Init => {
                self.listing.insert(scope.clone(), HashSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                let (name, entry) = entry_of(object);
                if let Some(seen) = self.listing.get_mut(scope) {
                    seen.insert(name.clone());
                }
                self.put(name, entry).into_iter().collect()
            }
            Event::InitDone => {
                let now = Timestamp::now();
                self.listed.entry(scope.clone()).or_insert(now);
                let seen = self.listing.remove(scope).unwrap_or_default();
                let changes = self.gone_since(scope, &seen);
                let missing = changes.iter().map(|change| (change.name.clone(), Absence::Since(now)));
                self.gone.extend(missing);
                changes
            }
            Event::Apply(object) => {
                let (name, entry) = entry_of(object);
                self.put(name, entry).into_iter().collect()
            }
            Event::Delete(object) => {
                let (name, _) = entry_of(object);
                self.gone.insert(name.clone(), Absence::Deleted);
                self.remove(name).into_iter().collect()
            }
        }
    }

    /// Keeps what a status write gave back, so that the next pass need not wait for the watch to bring it. Without
    /// effect where the watch was quicker. What changed must be acted on: when the watch brings it, it is old news.
    #[must_use]
    pub(super) fn keep_written(
        &mut self,
        based_on: &Record<K>,
        metadata: &ObjectMeta,
        status: K::Status,
    ) -> Option<Change<K>> {
        let object = &based_on.object;
        let before = self.get(&object.namespace, &object.name)?.clone();
        if before.readable()?.identity != based_on.identity {
            return None;
        }
        let record = Record {
            identity: Identity::of(metadata),
            object: Arc::clone(object),
            status,
        };
        let after = Entry::Readable(Arc::new(record));
        let names = self.entries.get_mut(&object.namespace)?;
        names.insert(object.name.clone(), after.clone());
        Some(Change {
            name: ObjectName::new(&object.namespace, &object.name),
            before: Some(before),
            after: Some(after),
        })
    }

    fn put(&mut self, name: ObjectName, entry: Entry<K>) -> Option<Change<K>> {
        let before = self.get(&name.namespace, &name.name).cloned();
        // A page of a list can be older than what the watch or a write of ours showed already. An older spec must
        // not come back: a pin would move back and forth.
        if before
            .as_ref()
            .is_some_and(|before| entry.identity().precedes(before.identity()))
        {
            return None;
        }
        self.gone.remove(&name);
        self.unindex(before.as_ref());
        if let Entry::Readable(record) = &entry {
            let object = &record.object;
            self.groups
                .entry(K::group_of(&object.namespace, &object.spec))
                .or_default()
                .insert(object.name.clone(), Arc::clone(object));
        }
        self.entries
            .entry(name.namespace.clone())
            .or_default()
            .insert(name.name.clone(), entry.clone());
        Some(Change {
            name,
            before,
            after: Some(entry),
        })
    }

    fn remove(&mut self, name: ObjectName) -> Option<Change<K>> {
        let names = self.entries.get_mut(&name.namespace)?;
        let before = names.remove(&name.name)?;
        if names.is_empty() {
            self.entries.remove(&name.namespace);
        }
        self.unindex(Some(&before));
        Some(Change {
            name,
            before: Some(before),
            after: None,
        })
    }

    fn unindex(&mut self, entry: Option<&Entry<K>>) {
        let Some(Entry::Readable(record)) = entry else { return };
        let group = K::group_of(&record.object.namespace, &record.object.spec);
        if let Some(members) = self.groups.get_mut(&group) {
            members.remove(&record.object.name);
            if members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    fn gone_since(&mut self, scope: &Scope, seen: &HashSet<ObjectName>) -> Vec<Change<K>> {
        let in_scope = |namespace: &str| scope.as_deref().is_none_or(|watched| watched == namespace);
        let gone: Vec<_> = self
            .entries
            .iter()
            .filter(|(namespace, _)| in_scope(namespace))
            .flat_map(|(namespace, names)| names.keys().map(move |name| ObjectName::new(namespace, name)))
            .filter(|name| !seen.contains(name))
            .collect();
        gone.into_iter().filter_map(|name| self.remove(name)).collect()
    }
}

fn entry_of<K: Kind>(object: Watched<K>) -> (ObjectName, Entry<K>) {
    let meta = object.meta();
    let name = ObjectName::new(
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    );
    (name, Entry::of(object))
}

fn object_of<S: serde::Serialize>(metadata: ObjectMeta, spec: S) -> Object<S> {
    let requests = metadata.annotations.unwrap_or_default().into_iter();
    Object {
        namespace: metadata.namespace.unwrap_or_default(),
        name: metadata.name.unwrap_or_default(),
        labels: metadata.labels.unwrap_or_default(),
        requests: requests
            .filter_map(|(key, value)| Some((key.strip_prefix(ANNOTATION_PREFIX)?.to_owned(), value)))
            .collect(),
        spec_hash: spec_hash(&spec),
        spec,
        first_seen: metadata
            .creation_timestamp
            .map_or(Timestamp::UNIX_EPOCH, |created| created.0),
        deleting: metadata.deletion_timestamp.is_some(),
    }
}

#[cfg(test)]
pub(super) mod tests;
