//! Writes rounds of records to the partitions of one topic: all partitions at once, the batches of one in their order.
//! What a batch cannot be written for is narrowed down to the records that are at fault.

use std::sync::Arc;

use litemap::LiteMap;
use tokio::task::JoinSet;

use super::batches::{Batch, Placement};
use crate::kafka::producer::{Compression, NewRecord, PartitionProducer, ProduceError, Producer};
use crate::logic::record::TopicPartition;

/// Partition and offset of a record, or why it was not written, or is not known to be.
pub(super) type Delivery = Result<(i32, i64), String>;

/// What the heads of a record and its batch may add to its size.
const HEAD_BYTES: usize = 32;

/// Writes to the partitions of one topic.
#[derive(Debug)]
pub(super) struct TopicWriter {
    producer: Producer,
    topic: Arc<str>,
    compression: Compression,
    placement: Placement,
    partitions: i32,
    /// Those that were written to.
    used: LiteMap<i32, Partition>,
}

/// A partition that was written to.
#[derive(Debug)]
enum Partition {
    Open(PartitionProducer),
    /// It could not be written to within the time limit, and nothing more is tried: why.
    Closed(String),
}

/// What became of one partition's batches.
struct Written {
    partition: i32,
    deliveries: Vec<(usize, Delivery)>,
    left: Partition,
}

impl TopicWriter {
    /// For a topic that exists and has so many partitions.
    pub(super) fn new(producer: Producer, topic: &str, partitions: i32, compression: Compression) -> Self {
        let (topic, placement) = (Arc::from(topic), Placement::new(partitions));
        Self { producer, topic, compression, placement, partitions, used: LiteMap::new() }
    }

    /// How many partitions could not be written to, and are not tried again.
    pub(super) fn closed(&self) -> usize {
        self.used.values().filter(|partition| matches!(partition, Partition::Closed(_))).count()
    }

    /// Whether that is all of them.
    pub(super) fn is_closed(&self) -> bool {
        i32::try_from(self.closed()).unwrap_or(i32::MAX) >= self.partitions
    }

    /// Writes `records`, and gives what became of each, in their order.
    pub(super) async fn write(&mut self, records: Vec<NewRecord>) -> Vec<Delivery> {
        let records = Arc::new(records);
        let sized = records.iter().enumerate().map(|(index, record)| {
            let bytes = |field: &Option<Vec<u8>>| field.as_ref().map_or(0, Vec::len);
            (index, record.key.as_deref(), bytes(&record.key) + bytes(&record.value) + HEAD_BYTES)
        });
        let closed = |partition| matches!(self.used.get(&partition), Some(Partition::Closed(_)));
        let batches = self.placement.batches(sized, closed);
        let mut deliveries: Vec<Delivery> = Vec::new();
        deliveries.resize_with(records.len(), || Err("it was not sent".to_owned()));
        let mut settle = |settled: Vec<(usize, Delivery)>| {
            for (index, delivery) in settled {
                if let Some(place) = deliveries.get_mut(index) {
                    *place = delivery;
                }
            }
        };
        let mut tasks = JoinSet::new();
        for (partition, batches) in batches {
            let producer = match self.used.remove(&partition) {
                Some(Partition::Open(producer)) => producer,
                None => self.producer.partition(TopicPartition { topic: Arc::clone(&self.topic), partition }),
                Some(Partition::Closed(reason)) => {
                    settle(failed(&batches, &reason));
                    self.used.insert(partition, Partition::Closed(reason));
                    continue;
                }
            };
            tasks.spawn(write_partition(producer, batches, Arc::clone(&records), self.compression));
        }
        while let Some(ended) = tasks.join_next().await {
            // A task of ours neither panics nor is cancelled while this one lives.
            let Ok(Written { partition, deliveries, left }) = ended else { continue };
            settle(deliveries);
            self.used.insert(partition, left);
        }
        deliveries
    }
}

async fn write_partition(
    mut producer: PartitionProducer,
    batches: Vec<Batch>,
    records: Arc<Vec<NewRecord>>,
    compression: Compression,
) -> Written {
    let partition = producer.partition().partition;
    let mut deliveries = Vec::new();
    // The next one is the last.
    let mut waiting = batches;
    waiting.reverse();
    while let Some(batch) = waiting.pop() {
        let of_batch = batch.indices.iter().filter_map(|index| records.get(*index));
        match producer.produce(of_batch, compression).await {
            Ok(offsets) => {
                let written = offsets.into_iter().map(|offset| Ok((partition, offset)));
                deliveries.extend(batch.indices.iter().copied().zip(written));
            }
            Err(error) if error.is_about_the_records() => match batch.halves() {
                Some((first, second)) => waiting.extend([second, first]),
                None => deliveries.extend(failed(&[batch], &error.to_string())),
            },
            Err(error) => {
                deliveries.extend(failed(&[batch], &error.to_string()));
                let reason = not_tried_again(&error);
                deliveries.extend(failed(&waiting, &reason));
                return Written { partition, deliveries, left: Partition::Closed(reason) };
            }
        }
    }
    Written { partition, deliveries, left: Partition::Open(producer) }
}

fn not_tried_again(error: &ProduceError) -> String {
    format!("not sent, because of an earlier failure: {error}")
}

fn failed(batches: &[Batch], reason: &str) -> Vec<(usize, Delivery)> {
    let indices = batches.iter().flat_map(|batch| batch.indices.iter().copied());
    indices.map(|index| (index, Err(reason.to_owned()))).collect()
}
