//! The configuration file: what it may say (schema) and how it is read (the rest).

pub mod schema;
