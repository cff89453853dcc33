use super::*;
use crate::logic::watch::example::{at, slow};

const GIB: u64 = 1 << 30;

/// The growth after looks at (minutes, used).
fn growth_of(looks: &[(u64, u64)]) -> Option<f64> {
    growth(&looks.iter().map(|(minutes, used)| (at(minutes * 60), *used)).collect::<Vec<_>>())
}

#[test]
fn growth_takes_evidence() {
    for (rule, looks, expected) in [
        ("nothing", &[][..], None),
        ("half an hour is needed", &[(0, 0), (5, 300), (10, 600), (15, 900), (20, 1_200)], None),
        ("and four looks", &[(0, 0), (30, 1_800), (60, 3_600)], None),
        ("steady", &[(0, 0), (10, 600), (20, 1_200), (30, 1_800)], Some(1.0)),
        ("none", &[(0, 5), (10, 5), (20, 5), (30, 5)], Some(0.0)),
        ("it shrinks", &[(0, 900), (10, 600), (20, 300), (30, 0)], Some(0.0)),
        ("up and down by retention", &[(0, 0), (10, 900), (20, 0), (30, 900), (40, 0), (50, 900)], Some(0.0)),
    ] {
        assert_eq!(growth_of(looks), expected, "{rule}");
    }
    let uneven = growth_of(&[(0, 0), (10, 700), (20, 1_100), (30, 1_800)]).unwrap();
    assert!((0.9..1.1).contains(&uneven), "uneven growth is near its mean: {uneven}");
}

#[test]
fn a_disk_that_grows_is_full_some_time() {
    let mut disks = Disks::default();
    for look in 0..=12 {
        disks.observe(&slow(look * 300, 100 + 10 * look));
    }
    let dirs = disks.views(&slow(3_600, 220));
    assert_eq!(dirs.len(), 3);
    let dir = &dirs[0];
    assert_eq!((dir.broker, &*dir.path, dir.used_bytes, dir.used_percent), (1, "/data", 220, Some(22.0)));
    let hours = dir.full_in_seconds.unwrap() / 3_600.0;
    assert!((6.4..6.6).contains(&hours), "780 of 1,000 are free and 120 come in an hour: {hours}");
}

#[test]
fn what_a_broker_does_not_tell_is_unknown() {
    let mut disks = Disks::default();
    for (rule, change) in [
        ("the volume, before 3.3", (|dir: &mut DirSeen| (dir.volume, dir.free) = (None, None)) as fn(&mut DirSeen)),
        ("a directory that is offline", |dir| dir.error = Some("it broke".to_owned())),
        ("a volume without a size", |dir| (dir.volume, dir.free) = (Some(0), Some(0))),
        ("more free than there is", |dir| (dir.volume, dir.free) = (Some(1_000), Some(GIB))),
    ] {
        let mut look = slow(0, 100);
        let dir = &mut look.dirs.get_mut(&1).unwrap().as_mut().unwrap()[0];
        change(dir);
        disks.observe(&look);
        let views = disks.views(&look);
        assert_eq!(views[0].used_percent.filter(|percent| *percent > 0.0), None, "{rule}");
        assert_eq!(views[0].full_in_seconds, None, "{rule}");
    }
}

#[test]
fn looks_are_bounded() {
    let mut disks = Disks::default();
    for look in 0..5_000 {
        disks.observe(&slow(look * 10, 100));
    }
    let looks = disks.looks.values().next().unwrap();
    assert!(looks.len() <= 62, "{}", looks.len());
    disks.observe(&SlowSnapshot { dirs: LiteMap::new(), ..slow(100_000, 100) });
    assert!(disks.looks.is_empty(), "a directory that is gone is forgotten after the window");
}
