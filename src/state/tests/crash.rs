//! Crash consistency: a process that stores and buries while its disk fails, and is killed or loses power at any
//! moment. What was acknowledged must be there, and what belongs together must fit together.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::archive::{self, ArchiveWrite, Outcome, Tables};
use super::super::file::{Change, Kind, StateFile};
use super::super::offsets::{self, OffsetsWrite};
use super::super::simulated_disk::Disk;
use super::*;

const SEEDS: u64 = 60;

fn open_on(disk: &Disk, kind: &'static Kind) -> Result<StateFile, StateError> {
    let disk = disk.clone();
    StateFile::simulated(kind, move || disk.backend())
}

fn bury(file: &mut StateFile, letter: NewDeadLetter) -> Result<u64, StateError> {
    let write = ArchiveWrite::Bury { letter: Box::new(letter), max_size: PLENTY };
    match file.write(|transaction| write.apply(&mut Tables::open(transaction)?))? {
        Outcome::Buried(id) => Ok(id),
        other => panic!("{other:?}"),
    }
}

fn store(file: &mut StateFile, stored: StoreOffsets) -> Result<(), StateError> {
    let write = OffsetsWrite::Store { forward: "f".to_owned(), offsets: stored };
    file.write(|transaction| Ok(((), write.apply(transaction)?)))
}

fn random_failure(rng: &mut fastrand::Rng) -> ErrorKind {
    if rng.bool() { ErrorKind::StorageFull } else { ErrorKind::Other }
}

/// Opens after a crash. No failure is pending then, so it must work at once.
fn reopen(seed: u64, disk: &Disk, kind: &'static Kind) -> StateFile {
    open_on(disk, kind).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}

#[test]
fn every_acknowledged_offset_survives_failing_writes_failing_flushes_kills_and_power_losses() {
    for seed in 0..SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut disk = Disk::new(seed);
        let mut file = reopen(seed, &disk, &offsets::KIND);
        let mut acknowledged = 0;
        let mut attempted = 0;
        for _ in 0..4 {
            for _ in 0..rng.u32(1..20) {
                if rng.u8(..4) == 0 {
                    disk.fail_after(rng.u64(..30), random_failure(&mut rng));
                }
                attempted += 1;
                let stored = offsets((0..6).map(|number| partition(number, attempted, &[attempted / 2])).collect());
                if store(&mut file, stored).is_ok() {
                    acknowledged = attempted;
                }
            }
            if rng.bool() {
                disk.fail_after(rng.u64(..10), random_failure(&mut rng));
                let stored = offsets((0..6).map(|number| partition(number, attempted + 1, &[])).collect());
                attempted += 1;
                if store(&mut file, stored).is_ok() {
                    acknowledged = attempted;
                }
            }
            disk = disk.crash(rng.bool());
            drop(file);
            file = reopen(seed, &disk, &offsets::KIND);
            let found = file.read(|transaction| offsets::forward(transaction, "f")).unwrap();
            let fetched = found.partitions.first().map_or(0, |partition| partition.snapshot.fetched.0);
            assert!(
                (acknowledged..=attempted).contains(&fetched),
                "seed {seed}: {fetched} of {acknowledged}..={attempted}"
            );
            assert!(found.partitions.iter().all(|partition| partition.snapshot.fetched.0 == fetched), "seed {seed}");
            assert_eq!(found.counters.consumed, 6 * fetched as u64, "seed {seed}: counters of the same moment");
            acknowledged = fetched;
        }
    }
}

#[test]
fn every_acknowledged_dead_letter_survives_too_and_the_totals_are_those_of_the_letters() {
    for seed in 0..SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut disk = Disk::new(seed);
        let mut file = reopen(seed, &disk, &archive::KIND);
        let mut acknowledged = BTreeMap::new();
        let mut offset = 0;
        for _ in 0..4 {
            for _ in 0..rng.u32(1..12) {
                if rng.u8(..3) == 0 {
                    disk.fail_after(rng.u64(..40), random_failure(&mut rng));
                }
                if !acknowledged.is_empty() && rng.u8(..4) == 0 {
                    let id = *rng.choice(acknowledged.keys()).unwrap();
                    let write = ArchiveWrite::Delete(Purge::Ids(vec![id]));
                    let _ = file.write(|transaction| write.apply(&mut Tables::open(transaction)?));
                    // Whether it worked or not: nothing is promised about it any more.
                    acknowledged.remove(&id);
                } else {
                    offset += 1;
                    if let Ok(id) = bury(&mut file, letter("f", offset, rng.usize(..20_000))) {
                        acknowledged.insert(id, offset);
                    }
                }
            }
            disk = disk.crash(rng.bool());
            drop(file);
            file = reopen(seed, &disk, &archive::KIND);
            check_letters(seed, &mut file, &acknowledged);
        }
    }
}

fn check_letters(seed: u64, file: &mut StateFile, acknowledged: &BTreeMap<u64, i64>) {
    for (&id, &offset) in acknowledged {
        let found = file.read(|transaction| archive::letter(transaction, id)).unwrap();
        let found = found.unwrap_or_else(|| panic!("seed {seed}: letter {id} is lost"));
        assert_eq!(found.summary.offset, offset, "seed {seed}");
        assert!(found.value.is_some_and(|value| value.iter().all(|byte| *byte == offset as u8)), "seed {seed}");
    }
    let filter = DeadLetterFilter { forward: Some("f".to_owned()), after: 0, limit: 1000 };
    let page = file.read(|transaction| archive::letters(transaction, &filter)).unwrap();
    let all =
        file.read(|transaction| archive::letters(transaction, &DeadLetterFilter { forward: None, ..filter })).unwrap();
    assert_eq!(page, all, "seed {seed}: both indexes");
    let totals = file.read(archive::totals).unwrap();
    let count = totals.first().map_or(0, |(_, totals)| totals.count);
    assert_eq!(count, page.letters.len() as u64, "seed {seed}: totals");
}

#[test]
fn a_full_disk_says_so_keeps_what_it_has_and_goes_on_once_there_is_room() {
    let disk = Disk::new(1);
    let mut file = open_on(&disk, &offsets::KIND).unwrap();
    store(&mut file, offsets(vec![partition(0, 1, &[])])).unwrap();
    for operations in 0..6 {
        disk.fail_after(operations, ErrorKind::StorageFull);
        let full = store(&mut file, offsets(vec![partition(0, 2 + operations as i64, &[])]));
        if let Err(error) = full {
            assert_eq!(error, StateError::Full { file: "offsets.redb".into() });
            assert!(error.may_pass());
        }
    }
    store(&mut file, offsets(vec![partition(0, 9, &[])])).unwrap();
    let found = file.read(|transaction| offsets::forward(transaction, "f")).unwrap();
    assert_eq!(found.partitions, [partition(0, 9, &[])]);
}

#[test]
fn what_has_not_changed_is_not_written() {
    let disk = Disk::new(1);
    let mut file = open_on(&disk, &offsets::KIND).unwrap();
    let stored = || offsets((0..6).map(|number| partition(number, 7, &[3])).collect());
    store(&mut file, stored()).unwrap();
    let before = disk.work();
    for _ in 0..10 {
        store(&mut file, stored()).unwrap();
    }
    assert_eq!(disk.work(), before);
}

/// docs/state.md says what a busy forward writes a day; these are its figures.
#[test]
fn a_store_of_six_partitions_writes_little() {
    let disk = Disk::new(1);
    let mut file = open_on(&disk, &offsets::KIND).unwrap();
    let mut fetched = 0;
    let mut store_some = |unsettled: &[i64]| {
        let before = disk.work();
        for _ in 0..100 {
            fetched += 10;
            let unsettled: Vec<i64> = unsettled.iter().map(|back| fetched - back).collect();
            store(
                &mut file,
                offsets((0..6).map(|number| partition(number, 1_000_000 + fetched, &unsettled)).collect()),
            )
            .unwrap();
        }
        let after = disk.work();
        ((after.0 - before.0) / 100, (after.1 - before.1) / 100)
    };
    store_some(&[]);
    let (bytes, flushes) = store_some(&[1, 3, 5]);
    println!("a store of six partitions writes {bytes} bytes in {flushes} flushes");
    assert!(bytes <= 40_000, "{bytes}");
    assert!(flushes <= 2, "{flushes}");
}

#[test]
fn a_transaction_that_changes_nothing_is_not_committed() {
    let disk = Disk::new(1);
    let mut file = open_on(&disk, &archive::KIND).unwrap();
    bury(&mut file, letter("f", 1, 10)).unwrap();
    let before = disk.work();
    bury(&mut file, letter("f", 1, 10)).unwrap();
    let nothing: Result<(), StateError> = file.write(|_| Ok(((), Change::None)));
    nothing.unwrap();
    assert_eq!(disk.work(), before);
}

/// Whether redb walks the whole file when it opens what a killed process left.
fn is_walked_after_a_kill(disk: &Disk, file: StateFile) -> bool {
    let after = disk.crash(false);
    drop(file);
    let walked = Arc::new(AtomicBool::new(false));
    let mut builder = redb::Builder::new();
    let noted = Arc::clone(&walked);
    builder.set_repair_callback(move |_| noted.store(true, Ordering::Relaxed));
    builder.create_with_backend(after.backend()).unwrap();
    walked.load(Ordering::Relaxed)
}

#[test]
fn after_a_kill_the_small_file_is_verified_whole_and_the_large_one_is_not_walked() {
    let disk = Disk::new(1);
    let mut file = open_on(&disk, &archive::KIND).unwrap();
    bury(&mut file, letter("f", 1, 1000)).unwrap();
    assert!(!is_walked_after_a_kill(&disk, file), "the archive");
    let disk = Disk::new(1);
    let mut file = open_on(&disk, &offsets::KIND).unwrap();
    store(&mut file, offsets(vec![partition(0, 1, &[])])).unwrap();
    assert!(is_walked_after_a_kill(&disk, file), "the offsets");
}

#[test]
fn the_offsets_are_verified_after_a_proper_stop_too() {
    let disk = Disk::new(1);
    let mut file = open_on(&disk, &offsets::KIND).unwrap();
    store(&mut file, offsets(vec![partition(0, 1, &[])])).unwrap();
    drop(file);
    let file = open_on(&disk, &offsets::KIND).unwrap();
    assert!(is_walked_after_a_kill(&disk, file));
}

/// docs/state.md says what dead letters write; these are its figures.
#[test]
fn a_dead_letter_writes_little_and_many_at_once_write_less() {
    let disk = Disk::new(1);
    let mut file = open_on(&disk, &archive::KIND).unwrap();
    let before = disk.work().0;
    for offset in 0..100 {
        bury(&mut file, letter("f", offset, 1000)).unwrap();
    }
    let alone = (disk.work().0 - before) / 100;
    let before = disk.work().0;
    for first in [1000, 2000, 3000, 4000] {
        let letters = (first..first + 16)
            .map(|offset| ArchiveWrite::Bury { letter: Box::new(letter("f", offset, 1000)), max_size: PLENTY });
        let writes: Vec<ArchiveWrite> = letters.collect();
        let written = file.write(|transaction| {
            let mut tables = Tables::open(transaction)?;
            writes.iter().try_for_each(|write| write.apply(&mut tables).map(|_| ()))?;
            Ok(((), Change::Made))
        });
        written.unwrap();
    }
    let together = (disk.work().0 - before) / 64;
    println!("a dead letter of 1 KB writes {alone} bytes alone, {together} among 16");
    assert!(alone < 100_000 && together < 15_000, "{alone} alone, {together} together");
}
