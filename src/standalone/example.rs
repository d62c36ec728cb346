//! The manifests of `examples/clinical/`, built in, so that the demo needs no files.

use std::path::Path;

use super::manifests::Reading;

/// The files of the example, in the order in which a folder is read.
const FILES: [(&str, &str); 4] = [
    (
        "clinical-v1.yaml",
        include_str!("../../examples/clinical/clinical-v1.yaml"),
    ),
    (
        "clinical-v2.yaml",
        include_str!("../../examples/clinical/clinical-v2.yaml"),
    ),
    ("instance.yaml", include_str!("../../examples/clinical/instance.yaml")),
    ("pins.yaml", include_str!("../../examples/clinical/pins.yaml")),
];

/// The manifests of the example.
#[must_use]
pub fn clinical() -> Reading {
    let mut reading = Reading::default();
    for (file, text) in FILES {
        reading.add(&Path::new("examples/clinical").join(file), text);
    }
    reading
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::standalone::{Catalog, CatalogOptions, read};

    fn catalog(reading: Reading) -> Catalog {
        let options = CatalogOptions {
            prune: false,
            now: jiff::Timestamp::now(),
        };
        Catalog::new(reading, &Catalog::default(), options)
    }

    #[test]
    fn the_example_is_accepted_whole() {
        let catalog = catalog(clinical());
        assert_eq!(catalog.refusals(), []);
        assert_eq!(catalog.skipped(), Vec::<String>::new());
        assert_eq!(
            (
                catalog.instances().count(),
                catalog.versions().count(),
                catalog.pins().count()
            ),
            (1, 2, 6)
        );
    }

    #[test]
    fn what_is_built_in_is_the_whole_folder() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/clinical");
        let on_disk: Vec<_> = read(&[folder])
            .unwrap()
            .manifests
            .into_iter()
            .map(|manifest| manifest.body)
            .collect();
        let built_in: Vec<_> = clinical().manifests.into_iter().map(|manifest| manifest.body).collect();
        assert_eq!(on_disk, built_in);
    }

    #[test]
    fn the_edits_of_the_example_are_yaml_maps() {
        for version in catalog(clinical()).versions() {
            for edit in version.spec.model.iter().flat_map(|model| &model.edits) {
                let parsed: serde_json::Value = serde_saphyr::from_str(edit.yaml.as_ref().unwrap()).unwrap();
                assert!(parsed.is_object(), "{}", edit.name);
            }
        }
    }
}
