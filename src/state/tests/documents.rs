//! Documents beside the offsets.

use std::io::ErrorKind;

use super::super::documents;
use super::super::file::StateFile;
use super::super::offsets::{self, OffsetsWrite};
use super::super::simulated_disk::Disk;
use super::*;

fn change(kind: DocumentKind, key: &str, document: Option<&str>) -> DocumentChange {
    DocumentChange { kind, key: key.to_owned(), document: document.map(str::to_owned) }
}

fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

fn store(file: &mut StateFile, write: &OffsetsWrite) -> Result<(), StateError> {
    file.write(|transaction| Ok(((), write.apply(transaction)?)))
}

#[test]
fn documents_are_there_after_a_restart_each_with_its_kind() {
    let directory = tempfile::tempdir().unwrap();
    with_state(directory.path(), async |state| {
        assert_eq!(state.documents(DocumentKind::Alert).await.unwrap(), []);
        let changes = vec![
            change(DocumentKind::Alert, "b", Some("{\"since\":1}")),
            change(DocumentKind::Alert, "a\n\u{fc}", Some("")),
            change(DocumentKind::Notice, "b", Some("[]")),
            change(DocumentKind::Silence, "gone", Some("1")),
            change(DocumentKind::Silence, "gone", None),
            change(DocumentKind::Silence, "never there", None),
        ];
        state.change_documents(changes).await.unwrap();
    });
    with_state(directory.path(), async |state| {
        assert_eq!(
            state.documents(DocumentKind::Alert).await.unwrap(),
            texts(&[("a\n\u{fc}", ""), ("b", "{\"since\":1}")])
        );
        assert_eq!(state.documents(DocumentKind::Notice).await.unwrap(), texts(&[("b", "[]")]));
        assert_eq!(state.documents(DocumentKind::Silence).await.unwrap(), []);
        assert_eq!(state.documents(DocumentKind::Channel).await.unwrap(), [], "the kind between two others");
    });
}

#[test]
fn what_is_too_large_is_refused_by_name_and_nothing_with_it_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let large = "x".repeat(MAX_DOCUMENT_BYTES + 1);
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    with_state(directory.path(), async |state| {
        for (rule, refused, words) in [
            ("a document", change(DocumentKind::Notice, "7", Some(&large)), "the document of notice \"7\" has 262145"),
            ("a key", change(DocumentKind::Alert, &long, Some("")), "the key of alert \"kkk"),
        ] {
            let changes = vec![change(DocumentKind::Alert, "small", Some("1")), refused];
            let error = state.change_documents(changes).await.unwrap_err();
            assert!(error.to_string().starts_with(words) && error.to_string().len() < 300, "{rule}: {error}");
            assert!(!error.may_pass(), "{rule}: the same again is refused again");
            assert_eq!(state.documents(DocumentKind::Alert).await.unwrap(), [], "{rule}");
        }
        let (largest, longest) = (&large[1..], &long[1..]);
        state.change_documents(vec![change(DocumentKind::Alert, longest, Some(largest))]).await.unwrap();
        assert_eq!(state.documents(DocumentKind::Alert).await.unwrap(), texts(&[(longest, largest)]));
    });
}

#[test]
fn a_document_that_is_the_same_is_not_written_again() {
    let disk = Disk::new(1);
    let of_disk = disk.clone();
    let mut file = StateFile::simulated(&offsets::KIND, move || of_disk.backend()).unwrap();
    let write = || {
        OffsetsWrite::ChangeDocuments(vec![
            change(DocumentKind::Alert, "a", Some("1")),
            change(DocumentKind::Notice, "never there", None),
        ])
    };
    store(&mut file, &write()).unwrap();
    let before = disk.work();
    for _ in 0..10 {
        store(&mut file, &write()).unwrap();
        store(&mut file, &OffsetsWrite::ChangeDocuments(Vec::new())).unwrap();
    }
    assert_eq!(disk.work(), before);
}

#[test]
fn documents_outlive_an_import() {
    let directory = tempfile::tempdir().unwrap();
    with_state(directory.path(), async |state| {
        state.change_documents(vec![change(DocumentKind::Silence, "a", Some("1"))]).await.unwrap();
    });
    let json = r#"{"barnabas_offsets":1,"forwards":[{"forward":"f","partitions":[]}]}"#;
    let document = OffsetsDocument::parse(json.as_bytes()).unwrap();
    assert_eq!(import_into(directory.path(), document), Ok(Imported { forwards: 1, moved_aside: None }));
    with_state(directory.path(), async |state| {
        assert_eq!(state.documents(DocumentKind::Silence).await.unwrap(), texts(&[("a", "1")]));
    });
}

#[test]
fn acknowledged_documents_survive_crashes_and_those_of_one_change_stay_together() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut disk = Disk::new(seed);
        let of_disk = disk.clone();
        let mut file = StateFile::simulated(&offsets::KIND, move || of_disk.backend()).unwrap();
        let (mut acknowledged, mut attempted) = (0u32, 0u32);
        for _ in 0..4 {
            for _ in 0..rng.u32(1..15) {
                if rng.u8(..3) == 0 {
                    disk.fail_after(rng.u64(..20), ErrorKind::StorageFull);
                }
                attempted += 1;
                let text = attempted.to_string();
                let mut changes: Vec<_> =
                    (0..5).map(|key| change(DocumentKind::Alert, &format!("a{key}"), Some(&text))).collect();
                // The notice moves from key to key, as one is sent and the next begins.
                changes.push(change(DocumentKind::Notice, &text, Some(&text)));
                changes.extend((0..attempted).map(|old| change(DocumentKind::Notice, &old.to_string(), None)));
                if store(&mut file, &OffsetsWrite::ChangeDocuments(changes)).is_ok() {
                    acknowledged = attempted;
                }
            }
            disk = disk.crash(rng.bool());
            drop(file);
            let of_disk = disk.clone();
            file = StateFile::simulated(&offsets::KIND, move || of_disk.backend())
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let alerts = file.read(|transaction| documents::of_kind(transaction, DocumentKind::Alert)).unwrap();
            let notices = file.read(|transaction| documents::of_kind(transaction, DocumentKind::Notice)).unwrap();
            let found = alerts.first().map_or(0, |(_, text)| text.parse().unwrap());
            assert!((acknowledged..=attempted).contains(&found), "seed {seed}: {found} of {acknowledged}");
            assert!(alerts.iter().all(|(_, text)| *text == found.to_string()), "seed {seed}: {alerts:?}");
            let expected = if found == 0 { Vec::new() } else { vec![(found.to_string(), found.to_string())] };
            assert_eq!(notices, expected, "seed {seed}");
            acknowledged = found;
        }
    }
}
