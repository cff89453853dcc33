//! What the handle promises, on real files.

use super::*;

fn opened() -> (tempfile::TempDir, StateHandle, StateThread) {
    let directory = tempfile::tempdir().unwrap();
    let (handle, thread) = open(directory.path()).unwrap();
    (directory, handle, thread)
}

fn ids(page: &DeadLetterPage) -> Vec<u64> {
    page.letters.iter().map(|letter| letter.id).collect()
}

fn all_of(forward: Option<&str>) -> DeadLetterFilter {
    DeadLetterFilter { forward: forward.map(str::to_owned), after: 0, limit: 1000 }
}

#[test]
fn offsets_and_counters_are_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let stored =
        StoreOffsets { patterns: Some(vec!["/ev.*/".to_owned()]), ..offsets(vec![partition(0, 9, &[3, 4, 8])]) };
    with_state(directory.path(), async |state| {
        assert_eq!(state.forward("f").await.unwrap(), StoredForward::default(), "a forward that is new");
        state.store("f", stored.clone()).await.unwrap();
        state.store("f", offsets(vec![partition(1, 2, &[])])).await.unwrap();
        state.set_paused("f", true).await.unwrap();
    });
    with_state(directory.path(), async |state| {
        let found = state.forward("f").await.unwrap();
        assert_eq!(found.partitions, [partition(0, 9, &[3, 4, 8]), partition(1, 2, &[])]);
        assert_eq!(found.patterns, ["/ev.*/"], "kept where a store does not name them");
        assert_eq!(found.counters.consumed, 2, "of the latest store");
        assert!(found.paused);
    });
}

#[test]
fn a_forward_whose_name_begins_like_another_does_not_see_its_partitions() {
    let (_directory, state, _thread) = opened();
    block_on(async {
        for name in ["f", "f1", "e"] {
            state.store(name, offsets(vec![partition(0, 1, &[])])).await.unwrap();
        }
        assert_eq!(state.forward("f").await.unwrap().partitions.len(), 1);
        assert_eq!(state.forward("").await.unwrap(), StoredForward::default());
        let names: Vec<String> = state.forwards().await.unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["e", "f", "f1"]);
    });
}

#[test]
fn a_position_set_by_hand_settles_everything_below_and_keeps_the_ids() {
    let (_directory, state, _thread) = opened();
    block_on(async {
        state.store("f", offsets(vec![partition(0, 9, &[3])])).await.unwrap();
        state.set_position("f", TopicPartition::new("event", 0), Position(4)).await.unwrap();
        state.set_position("f", TopicPartition::new("event", 1), Position(7)).await.unwrap();
        let found = state.forward("f").await.unwrap().partitions;
        assert_eq!(found[0], StoredPartition { leader_epoch: -1, ..partition(0, 4, &[]) });
        assert_eq!(found[1].snapshot, Snapshot::starting_at(Position(7)));
        assert_eq!(found[1].cluster_id, None);
        state.forget_partition("f", TopicPartition::new("event", 0)).await.unwrap();
        assert_eq!(state.forward("f").await.unwrap().partitions, found[1..]);
        let refused = state.set_position("f", TopicPartition::new("event", 1), Position(-2)).await;
        assert!(matches!(refused, Err(StateError::Refused(_))));
    });
}

#[test]
fn a_renamed_forward_takes_its_dead_letters_along() {
    let (_directory, state, _thread) = opened();
    block_on(async {
        state.store("old", offsets(vec![partition(0, 9, &[3])])).await.unwrap();
        state.set_paused("old", true).await.unwrap();
        let id = state.bury(letter("old", 5, 10), PLENTY).await.unwrap();
        let totals = state.dead_letter_totals().await.unwrap();
        state.rename_forward("old", "new").await.unwrap();
        assert_eq!(state.forward("old").await.unwrap(), StoredForward::default());
        let renamed = state.forward("new").await.unwrap();
        assert_eq!(renamed.partitions, [partition(0, 9, &[3])]);
        assert!(renamed.paused);
        let moved = state.dead_letter(id).await.unwrap().unwrap().summary;
        assert_eq!((moved.forward.as_str(), moved.idempotency_key.as_str()), ("new", "old/event/0/5"));
        assert_eq!(state.dead_letter_totals().await.unwrap(), [("new".to_owned(), totals[0].1)]);
        assert_eq!(state.bury(letter("new", 5, 10), PLENTY).await, Ok(id), "still the same record");
        let refused = state.rename_forward("old", "newer").await.unwrap_err();
        assert_eq!(refused.to_string(), "nothing is stored for a forward old");
        state.set_paused("other", false).await.unwrap();
        let refused = state.rename_forward("new", "other").await.unwrap_err();
        assert_eq!(refused.to_string(), "offsets are already stored for a forward other");
    });
}

#[test]
fn what_is_exported_can_be_imported() {
    let (_directory, state, _thread) = opened();
    let other = tempfile::tempdir().unwrap();
    block_on(async {
        let stored = StoreOffsets { patterns: Some(vec!["event".to_owned()]), ..offsets(vec![partition(0, 9, &[3])]) };
        state.store("f", stored).await.unwrap();
        state.set_paused("f", true).await.unwrap();
        let json = serde_json::to_vec(&state.export_offsets().await.unwrap()).unwrap();
        let (copy, _other_thread) = open(other.path()).unwrap();
        copy.import_offsets(OffsetsDocument::parse(&json).unwrap()).await.unwrap();
        assert_eq!(copy.forwards().await.unwrap(), state.forwards().await.unwrap());
    });
}

#[test]
fn offsets_json_is_readable_and_not_written_again_for_the_same() {
    let (directory, state, _thread) = opened();
    let path = directory.path().join(OFFSETS_JSON);
    block_on(async {
        state.store("f", offsets(vec![partition(0, 9, &[3, 5])])).await.unwrap();
        state.write_offsets_json().await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let partition = &json["forwards"][0]["partitions"][0];
        assert_eq!(partition["fetched"], 9);
        assert_eq!(partition["unsettled"], serde_json::json!([3, 5]));
        assert_eq!(partition["topic_id"], "AwMDAwMDAwMDAwMDAwMDAw", "as Kafka's tools print it");
        std::fs::remove_file(&path).unwrap();
        state.write_offsets_json().await.unwrap();
        assert!(!path.exists(), "nothing changed, nothing written");
        state.set_paused("f", true).await.unwrap();
        state.write_offsets_json().await.unwrap();
        assert!(path.exists());
    });
}

#[test]
fn a_record_that_is_buried_twice_counts_once() {
    let (_directory, state, _thread) = opened();
    block_on(async {
        let first = state.bury(letter("f", 5, 10), PLENTY).await.unwrap();
        let totals = state.dead_letter_totals().await.unwrap();
        assert_eq!(state.bury(letter("f", 5, 10), PLENTY).await, Ok(first));
        assert_eq!(state.dead_letter_totals().await.unwrap(), totals);
        let again = NewDeadLetter { recreated: 1, ..letter("f", 5, 10) };
        assert_ne!(state.bury(again, PLENTY).await, Ok(first), "the topic was recreated: another record");
        assert_ne!(state.bury(letter("g", 5, 10), PLENTY).await, Ok(first), "another forward");
        let found = state.dead_letter(first).await.unwrap().unwrap();
        assert_eq!(found.into_record(), *letter("f", 5, 10).record);
    });
}

#[test]
fn max_size_is_a_forward_s_own_and_room_comes_back_when_letters_go() {
    let (_directory, state, _thread) = opened();
    block_on(async {
        let id = state.bury(letter("f", 1, 5000), 8000).await.unwrap();
        let used = state.dead_letter_totals().await.unwrap()[0].1.bytes;
        assert!((5000..6000).contains(&used), "{used}");
        assert_eq!(state.bury(letter("f", 2, 5000), 8000).await, Err(BuryError::Full { used, max: 8000 }));
        assert_eq!(state.bury(letter("f", 1, 5000), 8000).await, Ok(id), "it is there already, and needs no room");
        state.bury(letter("g", 2, 5000), 8000).await.unwrap();
        assert_eq!(state.remove(vec![id, id, 999]).await, Ok(1));
        let next = state.bury(letter("f", 2, 5000), 8000).await.unwrap();
        assert!(next > id, "an id is never used again");
    });
}

#[test]
fn many_at_once_are_all_answered_and_counted() {
    let (_directory, state, _thread) = opened();
    block_on(async {
        let tasks = (0..200).map(|offset| {
            let state = state.clone();
            async move { state.bury(letter("f", offset, 50), PLENTY).await.unwrap() }
        });
        let local = tokio::task::LocalSet::new();
        let tasks: Vec<_> = tasks.map(|task| local.spawn_local(task)).collect();
        let buried: BTreeSet<u64> = local
            .run_until(async {
                let mut buried = BTreeSet::new();
                for task in tasks {
                    buried.insert(task.await.unwrap());
                }
                buried
            })
            .await;
        assert_eq!(buried, (1..=200).collect());
        assert_eq!(state.dead_letter_totals().await.unwrap()[0].1.count, 200);
    });
}

#[test]
fn lists_come_in_pages_in_the_order_of_ids() {
    let (_directory, state, _thread) = opened();
    block_on(async {
        for offset in 0..10 {
            state.bury(letter(if offset % 2 == 0 { "even" } else { "odd" }, offset, 10), PLENTY).await.unwrap();
        }
        let mut filter = DeadLetterFilter { forward: Some("odd".to_owned()), after: 0, limit: 2 };
        let mut pages = Vec::new();
        loop {
            let page = state.dead_letters(filter.clone()).await.unwrap();
            pages.push(ids(&page));
            let Some(next) = page.next else { break };
            filter.after = next;
        }
        assert_eq!(pages, [vec![2, 4], vec![6, 8], vec![10]]);
        assert_eq!(ids(&state.dead_letters(all_of(None)).await.unwrap()), (1..=10).collect::<Vec<_>>());
        assert_eq!(state.dead_letters(all_of(Some("nobody"))).await.unwrap().letters, []);
    });
}

#[test]
fn a_page_ends_where_keys_are_large() {
    let (_directory, state, _thread) = opened();
    block_on(async {
        for offset in 0..4 {
            let mut letter = letter("f", offset, 10);
            let record = Record { key: Some(vec![1; 600_000]), ..letter.record.as_ref().clone() };
            letter.record = Arc::new(record);
            state.bury(letter, PLENTY).await.unwrap();
        }
        let page = state.dead_letters(all_of(Some("f"))).await.unwrap();
        assert_eq!((ids(&page), page.next), (vec![1, 2], Some(2)));
    });
}

#[test]
fn age_is_counted_from_the_burial_and_unknown_before_the_clock_was_set() {
    let (_directory, state, _thread) = opened();
    let hours = |count: i64| count * 3_600_000;
    block_on(async {
        for (offset, buried_at) in
            [(0, 86_400_000), (1, NOW.0 - hours(3)), (2, NOW.0 - hours(1)), (3, NOW.0 + hours(9))]
        {
            let letter = NewDeadLetter { buried_at: Timestamp(buried_at), ..letter("f", offset, 10) };
            state.bury(letter, PLENTY).await.unwrap();
        }
        assert_eq!(state.expire("other", Duration::ZERO, NOW).await, Ok(0));
        assert_eq!(state.expire("f", Duration::from_secs(2 * 3600), NOW).await, Ok(1));
        assert_eq!(ids(&state.dead_letters(all_of(None)).await.unwrap()), [1, 3, 4]);
        let purge = Purge::BuriedBefore { forward: None, time: NOW };
        assert_eq!(state.purge(purge).await, Ok(1));
        assert_eq!(state.purge(Purge::All { forward: Some("g".to_owned()) }).await, Ok(0));
        assert_eq!(state.purge(Purge::All { forward: None }).await, Ok(2));
        assert!(state.dead_letter_totals().await.unwrap().is_empty());
    });
}

#[test]
fn a_failed_replay_is_noted_in_the_letter() {
    let (_directory, state, _thread) = opened();
    block_on(async {
        let id = state.bury(letter("f", 1, 10), PLENTY).await.unwrap();
        assert_eq!(state.update_failed(id, "the endpoint answered 503", Some(503), 4).await, Ok(true));
        let found = state.dead_letter(id).await.unwrap().unwrap().summary;
        let Failure { reason, attempts, status, response, first_failed_at } = found.failure;
        assert_eq!((reason.as_str(), attempts, status), ("the endpoint answered 503", 4, Some(503)));
        assert_eq!((response.as_str(), first_failed_at), ("no", NOW), "the first failure stays the first");
        assert_eq!(state.update_failed(99, "", None, 1).await, Ok(false));
        assert_eq!(state.bury(letter("f", 1, 10), PLENTY).await, Ok(id), "still found by its place");
        assert_eq!(state.remove(vec![id]).await, Ok(1));
        assert!(state.dead_letter_totals().await.unwrap().is_empty(), "the size was kept right");
    });
}

#[test]
fn a_second_process_is_refused_until_the_first_has_closed() {
    let (directory, state, thread) = opened();
    let refused = open(directory.path()).map(|_| ()).unwrap_err();
    assert_eq!(refused, StateError::InUse { directory: directory.path().to_path_buf(), pid: Some(std::process::id()) });
    assert!(!thread.wait(Duration::from_millis(10)), "a handle is still there");
    drop(state);
}

#[test]
fn a_real_disk_that_is_full_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=8m,mode=0700", "barnabas-test"], directory.path()) {
        println!("not tested: a small file system can only be mounted by root");
        return;
    }
    let _mounted = Mounted(directory.path());
    let buried = with_state(directory.path(), async |state| {
        let mut buried = 0;
        loop {
            match state.bury(letter("f", buried, 100_000), PLENTY).await {
                Ok(_) => buried += 1,
                Err(error) => {
                    assert!(matches!(error, BuryError::State(StateError::Full { .. })), "{error}");
                    break buried;
                }
            }
            assert!(buried < 200, "8 MiB must be full some day");
        }
    });
    with_state(directory.path(), async |state| {
        for fetched in 1..=100 {
            let stored = offsets((0..6).map(|number| partition(number, fetched, &[])).collect());
            state.store("f", stored).await.expect("offsets have their room");
        }
        assert_eq!(state.dead_letters(all_of(None)).await.unwrap().letters.len() as i64, buried);
        mount(&["-o", "remount,size=16m"], directory.path());
        state.bury(letter("f", buried, 100_000), PLENTY).await.expect("there is room again");
        assert_eq!(state.forward("f").await.unwrap().partitions[5], partition(5, 100, &[]));
    });
}

/// Unmounts also where an assertion failed; the folder below goes afterwards.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0).status();
    }
}

fn mount(arguments: &[&str], place: &Path) -> bool {
    let mounted = std::process::Command::new("mount").args(arguments).arg(place).output();
    mounted.is_ok_and(|output| output.status.success())
}

#[test]
fn a_look_at_the_directory_says_what_a_start_would_meet_and_leaves_nothing_behind() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("state");
    assert_eq!(look_at(&directory), Ok(Outlook::Absent));
    assert!(!directory.exists());
    std::fs::create_dir(&directory).unwrap();
    assert_eq!(look_at(&directory), Ok(Outlook::Free));
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    let (_state, _thread) = open(&directory).unwrap();
    assert!(matches!(look_at(&directory), Err(StateError::InUse { .. })));
    let file = parent.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    assert!(look_at(&file).is_err(), "a file is no directory");
    assert!(look_at(&file.join("state")).is_err(), "nor can it hold one");
}
