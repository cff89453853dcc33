//! Messages as they go out, before any server saw them.
use super::*;
