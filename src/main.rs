//! The binary: arguments, then the command, then the exit status.

fn main() {}
