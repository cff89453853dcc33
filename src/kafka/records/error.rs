//! Why a batch of records could not be read. Knows nothing of brokers or partitions: who reports it adds those.

use std::fmt;

use super::codec::Codec;

/// A batch that cannot be read. Nothing of it was handed out, and reading does not go on behind it by itself: the
/// damage may have come about on the way, and skipping would be a silent loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsError {
    /// The batch's base offset, as far as its first bytes can be believed.
    pub offset: i64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its bytes are not those that the checksum was made of.
    Checksum {
        /// As the batch has it.
        stored: u32,
        /// As its bytes give it.
        computed: u32,
    },
    /// Its fields contradict each other or the format.
    Structure(&'static str),
    /// A format (magic byte) later than 2, or no batch at all.
    Format(i8),
    /// A compression codec that Kafka has not defined, by its number.
    UnknownCodec(u8),
    /// The codec's own data is damaged, or larger than we are willing to hold.
    Decompression {
        /// The codec.
        codec: Codec,
        /// In the words of its library.
        text: String,
    },
}

impl fmt::Display for RecordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the batch at offset {} cannot be read: {}", self.offset, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum { stored, computed } => {
                write!(f, "its checksum is {stored:08x}, but its bytes give {computed:08x}")
            }
            Self::Structure(what) => f.write_str(what),
            Self::Format(magic) => write!(f, "its format is {magic}; known are 0, 1 and 2"),
            Self::UnknownCodec(number) => write!(f, "its compression codec is {number}, which Kafka has not defined"),
            Self::Decompression { codec, text } => write!(f, "its {codec} data is damaged or too large: {text}"),
        }
    }
}

impl std::error::Error for RecordsError {}
impl std::error::Error for Fault {}
