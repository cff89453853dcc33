//! Freed memory that the allocator still holds.

use std::hint::black_box;

/// A block of this size lies in pages of its own, which are freed with it; bytes. Nothing is written to it, so that it is
/// never in memory.
const LARGE: usize = 1 << 20;

/// Has the allocator give back to the system what was freed more than a second ago: mimalloc keeps that for a while, and looks
/// at it only when pages are freed, which may not happen for hours once a burst is over.
pub(crate) fn give_back() {
    drop(black_box(Vec::<u8>::with_capacity(LARGE)));
}
