//! What each response that we decode looks like on the wire, version by version: tables for `shape.rs`.
//!
//! Taken from Kafka's message definitions (clients/src/main/resources/common/message). A test encodes every version
//! with kafka-protocol and walks over it, so a table that differs from the decoder does not stay unnoticed.

use super::shape::Shape::{Array, Bytes, Fixed, Struct, Structs, Text};
use super::shape::{MessageShape, Shape, Structure, always, between, since, structure};

const BOOLEAN: Shape = Fixed(1);
const INT8: Shape = Fixed(1);
const INT16: Shape = Fixed(2);
const INT32: Shape = Fixed(4);
const INT64: Shape = Fixed(8);
const UUID: Shape = Fixed(16);
const NEVER: i16 = i16::MAX;

/// ApiVersions, up to 4.
pub(crate) static API_VERSIONS: MessageShape = MessageShape {
    flexible: 3,
    body: Structure {
        fields: &[
            always(INT16),                                                               // error
            always(Structs(&structure(&[always(INT16), always(INT16), always(INT16)]))), // key, min, max
            since(1, INT32),                                                             // throttle time
        ],
        tagged: &[
            (0, since(3, Structs(&FEATURE))),
            (1, since(3, INT64)),
            (2, since(3, Structs(&FEATURE))),
            (3, since(3, BOOLEAN)),
        ],
    },
};
static FEATURE: Structure = structure(&[always(Text), always(INT16), always(INT16)]);

/// Metadata, up to 13.
pub(crate) static METADATA: MessageShape = MessageShape {
    flexible: 9,
    body: structure(&[
        since(3, INT32), // throttle time
        always(Structs(&structure(&[always(INT32), always(Text), always(INT32), since(1, Text)]))),
        since(2, Text),  // cluster id
        since(1, INT32), // controller
        always(Structs(&METADATA_TOPIC)),
        between(8, 10, INT32), // authorised operations
        since(13, INT16),      // error
    ]),
};
static METADATA_TOPIC: Structure = structure(&[
    always(INT16), // error
    always(Text),
    since(10, UUID),
    since(1, BOOLEAN), // internal
    always(Structs(&structure(&[
        always(INT16),           // error
        always(INT32),           // partition
        always(INT32),           // leader
        since(7, INT32),         // leader epoch
        always(Array(&INT32)),   // replicas
        always(Array(&INT32)),   // in-sync replicas
        since(5, Array(&INT32)), // offline replicas
    ]))),
    since(8, INT32), // authorised operations
]);

/// ListOffsets, 1 to 10.
pub(crate) static LIST_OFFSETS: MessageShape = MessageShape {
    flexible: 6,
    body: structure(&[
        since(2, INT32), // throttle time
        always(Structs(&structure(&[
            always(Text),
            always(Structs(&structure(&[
                always(INT32),   // partition
                always(INT16),   // error
                always(INT64),   // timestamp
                always(INT64),   // offset
                since(4, INT32), // leader epoch
            ]))),
        ]))),
    ]),
};

/// Fetch, 4 to 17.
pub(crate) static FETCH: MessageShape = MessageShape {
    flexible: 12,
    body: Structure {
        fields: &[
            always(INT32),   // throttle time
            since(7, INT16), // error
            since(7, INT32), // session
            always(Structs(&structure(&[between(0, 12, Text), since(13, UUID), always(Structs(&FETCHED_PARTITION))]))),
        ],
        tagged: &[(0, since(16, Structs(&structure(&[always(INT32), always(Text), always(INT32), always(Text)]))))],
    },
};
static FETCHED_PARTITION: Structure = Structure {
    fields: &[
        always(INT32),                                                // partition
        always(INT16),                                                // error
        always(INT64),                                                // high watermark
        always(INT64),                                                // last stable offset
        since(5, INT64),                                              // log start
        always(Structs(&structure(&[always(INT64), always(INT64)]))), // aborted transactions
        since(11, INT32),                                             // preferred read replica
        always(Bytes),                                                // records
    ],
    tagged: &[
        (0, since(12, Struct(&structure(&[always(INT32), always(INT64)])))), // diverging epoch
        (1, since(12, Struct(&structure(&[always(INT32), always(INT32)])))), // current leader
        (2, since(12, Struct(&structure(&[always(INT64), always(INT32)])))), // snapshot id
    ],
};

/// FindCoordinator, up to 6.
pub(crate) static FIND_COORDINATOR: MessageShape = MessageShape {
    flexible: 3,
    body: structure(&[
        since(1, INT32),      // throttle time
        between(0, 3, INT16), // error
        between(1, 3, Text),  // message
        between(0, 3, INT32), // node
        between(0, 3, Text),  // host
        between(0, 3, INT32), // port
        since(
            4,
            Structs(&structure(&[
                always(Text),  // key
                always(INT32), // node
                always(Text),  // host
                always(INT32), // port
                always(INT16), // error
                always(Text),  // message
            ])),
        ),
    ]),
};

/// DescribeGroups, up to 6.
pub(crate) static DESCRIBE_GROUPS: MessageShape = MessageShape {
    flexible: 5,
    body: structure(&[
        since(1, INT32), // throttle time
        always(Structs(&structure(&[
            always(INT16),  // error
            since(6, Text), // message
            always(Text),   // group
            always(Text),   // state
            always(Text),   // protocol type
            always(Text),   // protocol
            always(Structs(&structure(&[
                always(Text),   // member id
                since(4, Text), // instance id
                always(Text),   // client id
                always(Text),   // host
                always(Bytes),  // metadata
                always(Bytes),  // assignment
            ]))),
            since(3, INT32), // authorised operations
        ]))),
    ]),
};

/// ConsumerGroupDescribe, 0 and 1.
pub(crate) static CONSUMER_GROUP_DESCRIBE: MessageShape = MessageShape {
    flexible: 0,
    body: structure(&[
        always(INT32), // throttle time
        always(Structs(&structure(&[
            always(INT16), // error
            always(Text),  // message
            always(Text),  // group
            always(Text),  // state
            always(INT32), // group epoch
            always(INT32), // assignment epoch
            always(Text),  // assignor
            always(Structs(&CONSUMER_GROUP_MEMBER)),
            always(INT32), // authorised operations
        ]))),
    ]),
};
static CONSUMER_GROUP_MEMBER: Structure = structure(&[
    always(Text),                // member id
    always(Text),                // instance id
    always(Text),                // rack
    always(INT32),               // epoch
    always(Text),                // client id
    always(Text),                // host
    always(Array(&Text)),        // topics
    always(Text),                // regular expression
    always(Struct(&ASSIGNMENT)), // assignment
    always(Struct(&ASSIGNMENT)), // target assignment
    since(1, INT8),              // type
]);
static ASSIGNMENT: Structure =
    structure(&[always(Structs(&structure(&[always(UUID), always(Text), always(Array(&INT32))])))]);

/// ShareGroupDescribe, 1.
pub(crate) static SHARE_GROUP_DESCRIBE: MessageShape = MessageShape {
    flexible: 0,
    body: structure(&[
        always(INT32), // throttle time
        always(Structs(&structure(&[
            always(INT16), // error
            always(Text),  // message
            always(Text),  // group
            always(Text),  // state
            always(INT32), // group epoch
            always(INT32), // assignment epoch
            always(Text),  // assignor
            always(Structs(&structure(&[
                always(Text),                // member id
                always(Text),                // rack
                always(INT32),               // epoch
                always(Text),                // client id
                always(Text),                // host
                always(Array(&Text)),        // topics
                always(Struct(&ASSIGNMENT)), // assignment
            ]))),
            always(INT32), // authorised operations
        ]))),
    ]),
};

/// DescribeShareGroupOffsets, 0.
pub(crate) static DESCRIBE_SHARE_GROUP_OFFSETS: MessageShape = MessageShape {
    flexible: 0,
    body: structure(&[
        always(INT32), // throttle time
        always(Structs(&structure(&[
            always(Text), // group
            always(Structs(&structure(&[
                always(Text),
                always(UUID),
                always(Structs(&structure(&[
                    always(INT32), // partition
                    always(INT64), // start offset
                    always(INT32), // leader epoch
                    always(INT16), // error
                    always(Text),  // message
                ]))),
            ]))),
            always(INT16), // error
            always(Text),  // message
        ]))),
    ]),
};

/// ListGroups, up to 5.
pub(crate) static LIST_GROUPS: MessageShape = MessageShape {
    flexible: 3,
    body: structure(&[
        since(1, INT32), // throttle time
        always(INT16),   // error
        always(Structs(&structure(&[
            always(Text),   // group
            always(Text),   // protocol type
            since(4, Text), // state
            since(5, Text), // type
        ]))),
    ]),
};

/// DeleteGroups, up to 2.
pub(crate) static DELETE_GROUPS: MessageShape = MessageShape {
    flexible: 2,
    body: structure(&[
        always(INT32),                                               // throttle time
        always(Structs(&structure(&[always(Text), always(INT16)]))), // group, error
    ]),
};

/// OffsetFetch, 1 to 9.
pub(crate) static OFFSET_FETCH: MessageShape = MessageShape {
    flexible: 6,
    body: structure(&[
        since(3, INT32), // throttle time
        between(0, 7, Structs(&COMMITTED_TOPIC)),
        between(2, 7, INT16), // error
        since(
            8,
            Structs(&structure(&[
                always(Text), // group
                always(Structs(&COMMITTED_TOPIC)),
                always(INT16), // error
            ])),
        ),
    ]),
};
static COMMITTED_TOPIC: Structure = structure(&[
    always(Text),
    always(Structs(&structure(&[
        always(INT32),   // partition
        always(INT64),   // offset
        since(5, INT32), // leader epoch
        always(Text),    // metadata
        always(INT16),   // error
    ]))),
]);

/// OffsetCommit, 2 to 9.
pub(crate) static OFFSET_COMMIT: MessageShape = MessageShape {
    flexible: 8,
    body: structure(&[
        since(3, INT32), // throttle time
        always(Structs(&structure(&[
            always(Text),
            always(Structs(&structure(&[always(INT32), always(INT16)]))), // partition, error
        ]))),
    ]),
};

/// CreateTopics, 2 to 7.
pub(crate) static CREATE_TOPICS: MessageShape =
    MessageShape { flexible: 5, body: structure(&[always(INT32), always(Structs(&CREATED_TOPIC))]) };
static CREATED_TOPIC: Structure = Structure {
    fields: &[
        always(Text),
        since(7, UUID),
        always(INT16),   // error
        always(Text),    // message
        since(5, INT32), // partitions
        since(5, INT16), // replication factor
        since(
            5,
            Structs(&structure(&[
                always(Text),    // name
                always(Text),    // value
                always(BOOLEAN), // read-only
                always(INT8),    // source
                always(BOOLEAN), // secret
            ])),
        ),
    ],
    tagged: &[(0, since(5, INT16))], // why the settings are not told
};

/// DeleteTopics, 1 to 6.
pub(crate) static DELETE_TOPICS: MessageShape = MessageShape {
    flexible: 4,
    body: structure(&[
        always(INT32), // throttle time
        always(Structs(&structure(&[
            always(Text),
            since(6, UUID),
            always(INT16),  // error
            since(5, Text), // message
        ]))),
    ]),
};

/// DescribeConfigs, 1 to 4.
pub(crate) static DESCRIBE_CONFIGS: MessageShape = MessageShape {
    flexible: 4,
    body: structure(&[
        always(INT32), // throttle time
        always(Structs(&structure(&[
            always(INT16), // error
            always(Text),  // message
            always(INT8),  // type of the resource
            always(Text),  // its name
            always(Structs(&structure(&[
                always(Text),                                                             // name
                always(Text),                                                             // value
                always(BOOLEAN),                                                          // read-only
                always(INT8),                                                             // source
                always(BOOLEAN),                                                          // secret
                always(Structs(&structure(&[always(Text), always(Text), always(INT8)]))), // synonyms
                since(3, INT8),                                                           // type
                since(3, Text),                                                           // documentation
            ]))),
        ]))),
    ]),
};

/// DescribeLogDirs, 1 to 4.
pub(crate) static DESCRIBE_LOG_DIRS: MessageShape = MessageShape {
    flexible: 2,
    body: structure(&[
        always(INT32),   // throttle time
        since(3, INT16), // error
        always(Structs(&structure(&[
            always(INT16), // error
            always(Text),  // path
            always(Structs(&structure(&[
                always(Text),
                always(Structs(&structure(&[
                    always(INT32),   // partition
                    always(INT64),   // size
                    always(INT64),   // lag
                    always(BOOLEAN), // on its way
                ]))),
            ]))),
            since(4, INT64), // total
            since(4, INT64), // usable
        ]))),
    ]),
};

/// DescribeQuorum, up to 2.
pub(crate) static DESCRIBE_QUORUM: MessageShape = MessageShape {
    flexible: 0,
    body: structure(&[
        always(INT16),  // error
        since(2, Text), // message
        always(Structs(&structure(&[
            always(Text),
            always(Structs(&structure(&[
                always(INT32),                   // partition
                always(INT16),                   // error
                since(2, Text),                  // message
                always(INT32),                   // leader
                always(INT32),                   // leader epoch
                always(INT64),                   // high watermark
                always(Structs(&QUORUM_MEMBER)), // voters
                always(Structs(&QUORUM_MEMBER)), // observers
            ]))),
        ]))),
        since(
            2,
            Structs(&structure(&[
                always(INT32),                                                             // node
                always(Structs(&structure(&[always(Text), always(Text), always(INT16)]))), // name, host, port
            ])),
        ),
    ]),
};
static QUORUM_MEMBER: Structure = structure(&[
    always(INT32),   // node
    since(2, UUID),  // directory
    always(INT64),   // log end offset
    since(1, INT64), // last fetch
    since(1, INT64), // last caught up
]);

/// SaslHandshake, 0 and 1.
pub(crate) static SASL_HANDSHAKE: MessageShape =
    MessageShape { flexible: NEVER, body: structure(&[always(INT16), always(Array(&Text))]) };

/// SaslAuthenticate, 0 to 2.
pub(crate) static SASL_AUTHENTICATE: MessageShape = MessageShape {
    flexible: 2,
    body: structure(&[
        always(INT16),   // error
        always(Text),    // message
        always(Bytes),   // the mechanism's answer
        since(1, INT64), // session lifetime
    ]),
};
