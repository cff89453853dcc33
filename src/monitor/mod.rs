//! Watching clusters: asking them at intervals (`poll`). What the answers mean is computed in `logic/watch`.

pub mod poll;
