//! Files that are not what they should be: refused, said what to do about, and left exactly as they are.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;

/// A state with offsets at 42 and a dead letter.
fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    with_state(directory.path(), async |state| {
        state.store("f", offsets(vec![partition(0, 42, &[40])])).await.unwrap();
        state.bury(letter("f", 41, 100), PLENTY).await.unwrap();
        state.write_offsets_json().await.unwrap();
    });
    directory
}

fn refused(directory: &Path) -> StateError {
    open(directory).map(|_| ()).expect_err("the state must be refused")
}

#[track_caller]
fn check_damage(rule: &str, name: &str, spoil: impl FnOnce(&mut Vec<u8>)) {
    let directory = filled();
    let path = directory.path().join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    spoil(&mut bytes);
    std::fs::write(&path, &bytes).unwrap();
    let error = refused(directory.path());
    assert!(matches!(&error, StateError::Damaged { file, .. } if *file == path), "{rule}: {error}");
    assert!(std::fs::read(&path).unwrap() == bytes, "{rule}: the file must stay as it is");
}

#[test]
fn a_damaged_file_is_refused_and_not_touched() {
    for name in [OFFSETS_FILE, ARCHIVE_FILE] {
        check_damage("an empty file: new ones are never empty", name, Vec::clear);
        check_damage("cut in the middle", name, |bytes| bytes.truncate(bytes.len() / 2));
        check_damage("cut in the first page", name, |bytes| bytes.truncate(100));
        check_damage("random bytes", name, |bytes| fastrand::Rng::with_seed(1).fill(bytes));
        check_damage("a text", name, |bytes| *bytes = b"not a database".to_vec());
    }
}

#[test]
fn a_bit_that_flipped_anywhere_in_the_offsets_is_noticed_or_does_not_matter() {
    let directory = filled();
    let path = directory.path().join(OFFSETS_FILE);
    let whole = std::fs::read(&path).unwrap();
    let expected = with_state(directory.path(), async |state| state.forwards().await.unwrap());
    let mut rng = fastrand::Rng::with_seed(7);
    let used: Vec<usize> = (0..whole.len()).filter(|place| whole[*place] != 0).collect();
    let mut noticed = 0;
    for round in 0..200 {
        let mut spoilt = whole.clone();
        spoilt[used[rng.usize(..used.len())]] ^= 1 << rng.u8(..8);
        std::fs::write(&path, &spoilt).unwrap();
        match open(directory.path()) {
            Err(_) => noticed += 1,
            Ok((handle, thread)) => {
                let found = block_on(handle.forwards());
                assert!(found.as_ref().is_ok_and(|found| *found == expected), "round {round}: {found:?}");
                drop(handle);
                assert!(thread.wait(Duration::from_secs(60)));
            }
        }
    }
    assert!(noticed > 0, "most pages are old ones, but not all");
}

/// redb does not verify a large file, and on a few flipped bits it panics, which the release build cannot catch. That
/// stops the process and harms nothing: what must not happen is a wrong letter.
#[test]
fn a_bit_that_flipped_in_the_archive_never_gives_a_wrong_letter() {
    let directory = filled();
    let path = directory.path().join(ARCHIVE_FILE);
    let whole = std::fs::read(&path).unwrap();
    let expected = with_state(directory.path(), async |state| state.dead_letter(1).await.unwrap());
    let mut rng = fastrand::Rng::with_seed(7);
    let used: Vec<usize> = (0..whole.len()).filter(|place| whole[*place] != 0).collect();
    let mut panics = 0;
    for round in 0..200 {
        let mut spoilt = whole.clone();
        spoilt[used[rng.usize(..used.len())]] ^= 1 << rng.u8(..8);
        std::fs::write(&path, &spoilt).unwrap();
        let found = std::panic::catch_unwind(|| {
            StateFile::open_or_create(directory.path(), &archive::KIND)?
                .read(|transaction| archive::letter(transaction, 1))
        });
        match found {
            Ok(Ok(letter)) => assert!(letter.is_none() || letter == expected, "round {round}: {letter:?}"),
            Ok(Err(error)) => assert!(matches!(error, StateError::Damaged { .. }), "round {round}: {error}"),
            Err(_) => panics += 1,
        }
    }
    assert!(panics < 10, "{panics} panics in redb");
}

fn change_file(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

fn set_version(path: &Path, version: u64) {
    change_file(path, |transaction| file::set_version(transaction, version).unwrap());
}

#[test]
fn a_key_that_nobody_wrote_is_damage_to_those_who_meet_it() {
    let of_f = DeadLetterFilter { forward: Some("f".to_owned()), after: 0, limit: 10 };
    let of_all = DeadLetterFilter { forward: None, ..of_f.clone() };
    for (name, table, key, expected) in [
        (OFFSETS_FILE, "forwards", &b"f"[..], "a key is too short"),
        (OFFSETS_FILE, "partitions", b"f\0t\0\x80\0\0", "a key is too short"),
        (OFFSETS_FILE, "documents", b"alert\0a\0b", "a key is too long"),
        (ARCHIVE_FILE, "dead_letters", b"\0\0\0\0\0\0\0\x01\x01", "a key is too long"),
        (ARCHIVE_FILE, "dead_letters_by_forward", b"f\0\x01", "a key is too short"),
        (ARCHIVE_FILE, "dead_letter_totals", b"g\xff\0", "a name in a key is not UTF-8"),
    ] {
        let directory = filled();
        let file = directory.path().join(name);
        change_file(&file, |transaction| {
            let table = redb::TableDefinition::<&[u8], &[u8]>::new(table);
            transaction.open_table(table).unwrap().insert(key, &b""[..]).unwrap();
        });
        let damaged = StateError::Damaged { file, detail: expected.to_owned() };
        with_state(directory.path(), async |state| {
            let met = match table {
                "forwards" | "partitions" => state.forwards().await.map(drop),
                "documents" => state.documents(DocumentKind::Alert).await.map(drop),
                "dead_letters" => state.dead_letters(of_all.clone()).await.map(drop),
                "dead_letters_by_forward" => state.dead_letters(of_f.clone()).await.map(drop),
                _ => state.dead_letter_totals().await.map(drop),
            };
            assert_eq!(met, Err(damaged.clone()), "{table}");
            assert!(state.store("g", offsets(vec![partition(0, 1, &[])])).await.is_ok(), "{table}: others go on");
        });
    }
}

/// A database with a table about itself as it was up to version 2, or nearly.
fn with_old_table<K: redb::Key + 'static, V: redb::Value + 'static>(
    path: &Path,
    key: K::SelfType<'_>,
    value: V::SelfType<'_>,
) {
    let database = redb::Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let about = redb::TableDefinition::<K, V>::new("about");
    transaction.open_table(about).unwrap().insert(key, value).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn an_older_version_is_refused_with_what_to_do_and_not_called_damage() {
    for (name, version, advice) in [
        (OFFSETS_FILE, 1, "`barnabas offsets import` puts it aside and takes the offsets from offsets.json"),
        (OFFSETS_FILE, 2, "`barnabas offsets import` puts it aside and takes the offsets from offsets.json"),
        (ARCHIVE_FILE, 1, "it holds the dead letters; move it away to begin with an empty one"),
    ] {
        let directory = filled();
        let path = directory.path().join(name);
        std::fs::remove_file(&path).unwrap();
        with_old_table::<&str, u64>(&path, "version", version);
        let error = refused(directory.path());
        assert_eq!(error, StateError::Older { file: path.clone(), known: 3 }, "{name} of version {version}");
        assert!(!error.may_pass());
        let words = error.to_string();
        let beginning = format!("{} was written by an older barnabas (", path.display());
        assert!(words.starts_with(&beginning) && words.contains(advice), "{words}");
        let version_is_there = redb::TableDefinition::<&str, u64>::new("about");
        let database = redb::Database::open(&path).unwrap();
        let transaction = redb::ReadableDatabase::begin_read(&database).unwrap();
        let found = transaction.open_table(version_is_there).unwrap().get("version").unwrap().unwrap().value();
        assert_eq!(found, version, "the release that wrote it can still read it");
    }
}

#[test]
fn a_version_between_is_older_too_and_a_table_of_any_other_types_is_damage() {
    let directory = filled();
    let path = directory.path().join(ARCHIVE_FILE);
    set_version(&path, 2);
    assert_eq!(refused(directory.path()), StateError::Older { file: path.clone(), known: 3 });
    std::fs::remove_file(&path).unwrap();
    with_old_table::<&str, i64>(&path, "version", 2);
    let error = refused(directory.path());
    assert!(matches!(&error, StateError::Damaged { file, .. } if *file == path), "{error}");
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    for kind in [&offsets::KIND, &archive::KIND] {
        let directory = filled();
        let path = directory.path().join(kind.name);
        let (newer, known) = (file::VERSION + 1, file::VERSION);
        set_version(&path, newer);
        let error = refused(directory.path());
        assert_eq!(error, StateError::Newer { file: path.clone(), found: newer, known });
        assert_eq!(
            error.to_string(),
            format!(
                "{} was written by a newer barnabas (version {newer}, this one knows {known}): use that release",
                path.display()
            )
        );
    }
}

#[test]
fn a_database_of_somebody_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(redb::Database::create(directory.path().join(OFFSETS_FILE)).unwrap());
    assert!(matches!(refused(directory.path()), StateError::Damaged { .. }));
}

#[test]
fn missing_offsets_are_not_taken_for_a_first_start() {
    let directory = filled();
    std::fs::remove_file(directory.path().join(OFFSETS_FILE)).unwrap();
    let error = refused(directory.path());
    assert!(matches!(error, StateError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("barnabas offsets import"), "{error}");
    import(directory.path(), None);
}

#[test]
fn a_creation_that_was_cut_off_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("offsets.redb.new"), b"half").unwrap();
    with_state(directory.path(), async |state| assert!(state.forwards().await.unwrap().is_empty()));
    assert!(!directory.path().join("offsets.redb.new").exists());
}

/// Imports the offsets.json that is there, and checks what is stored then.
#[track_caller]
fn import(directory: &Path, moved_aside: Option<PathBuf>) {
    let json = std::fs::read(directory.join(OFFSETS_JSON)).unwrap();
    let document = OffsetsDocument::parse(&json).unwrap();
    assert_eq!(import_into(directory, document), Ok(Imported { forwards: 1, moved_aside }));
    with_state(directory, async |state| {
        assert_eq!(state.forward("f").await.unwrap().partitions, [partition(0, 42, &[40])]);
        assert_eq!(state.dead_letter(1).await.unwrap().unwrap().summary.offset, 41);
    });
}

#[test]
fn an_import_puts_a_damaged_file_aside_under_a_free_name() {
    let directory = filled();
    let path = directory.path().join(OFFSETS_FILE);
    for number in 1..=2 {
        std::fs::write(&path, format!("damage {number}")).unwrap();
        let aside = directory.path().join(format!("offsets.redb.damaged-{number}"));
        import(directory.path(), Some(aside.clone()));
        assert_eq!(std::fs::read_to_string(aside).unwrap(), format!("damage {number}"));
    }
}

#[test]
fn an_import_puts_a_file_of_an_older_version_aside_too() {
    let directory = filled();
    let path = directory.path().join(OFFSETS_FILE);
    std::fs::remove_file(&path).unwrap();
    with_old_table::<&str, u64>(&path, "version", 2);
    let aside = directory.path().join("offsets.redb.older-1");
    import(directory.path(), Some(aside.clone()));
    assert!(aside.exists());
}

#[test]
fn an_import_into_a_sound_state_replaces_the_named_forwards_and_no_others() {
    let directory = filled();
    with_state(directory.path(), async |state| {
        state.store("f", offsets(vec![partition(0, 90, &[]), partition(7, 1, &[])])).await.unwrap();
        state.store("other", offsets(vec![partition(1, 5, &[])])).await.unwrap();
    });
    import(directory.path(), None);
    with_state(directory.path(), async |state| {
        assert_eq!(state.forward("other").await.unwrap().partitions, [partition(1, 5, &[])]);
    });
}

#[test]
fn an_import_is_refused_while_a_daemon_runs_and_where_the_file_is_newer() {
    let directory = filled();
    let json = std::fs::read(directory.path().join(OFFSETS_JSON)).unwrap();
    let document = OffsetsDocument::parse(&json).unwrap();
    with_state(directory.path(), async |_| {
        let refused = import_into(directory.path(), document.clone());
        assert!(matches!(refused, Err(StateError::InUse { .. })), "{refused:?}");
    });
    set_version(&directory.path().join(OFFSETS_FILE), file::VERSION + 1);
    let refused = import_into(directory.path(), document);
    assert!(matches!(refused, Err(StateError::Newer { .. })), "{refused:?}");
}

#[test]
fn documents_that_cannot_be_right_are_refused_with_the_place() {
    let with = |partition: &str| {
        format!(r#"{{"barnabas_offsets":1,"forwards":[{{"forward":"f","partitions":[{partition}]}}]}}"#)
    };
    let twice = r#"{"topic":"t","partition":0,"fetched":5},{"topic":"t","partition":0,"fetched":6}"#;
    let cases = [
        ("a later version", r#"{"barnabas_offsets":2,"new":[]}"#.to_owned(), "version 2"),
        ("something else", "[]".to_owned(), "not an offsets.json"),
        ("a key that we do not know", with(r#"{"topic":"t","partition":0,"fetched":5,"oops":1}"#), "oops"),
        ("an epoch of null", with(r#"{"topic":"t","partition":0,"fetched":5,"leader_epoch":null}"#), "leader_epoch"),
        ("a negative offset", with(r#"{"topic":"t","partition":3,"fetched":-5}"#), "topic t, partition 3"),
        ("a partition twice", with(twice), "twice"),
        ("unsettled beyond fetched", with(r#"{"topic":"t","partition":0,"fetched":5,"unsettled":[5]}"#), "unsettled"),
        ("half a topic id", with(r#"{"topic":"t","partition":0,"fetched":5,"topic_id":"AAAA"}"#), "topic_id"),
    ];
    for (rule, json, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let result = OffsetsDocument::parse(json.as_bytes())
            .and_then(|document| import_into(directory.path(), document))
            .expect_err(rule);
        assert!(result.to_string().contains(expected), "{rule}: {result}");
    }
}

#[test]
fn files_are_readable_by_their_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("new/state");
    with_state(&directory, async |state| state.write_offsets_json().await.unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for name in [OFFSETS_FILE, ARCHIVE_FILE, OFFSETS_JSON, lock::FILE_NAME] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
}
