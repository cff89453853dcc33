//! Carries records from Kafka to a webhook: the loop that does what `logic` decides, and the threads that send.

pub mod senders;
