// Fills a cluster for scripts/bench/monitor.sh: topics with three records in each partition, and groups that committed
// the offset after the first of them. Run by Java from its source, on the client of the brokers' version.
//
//   MonitorFill BOOTSTRAP TOPICS PARTITIONS REPLICATION GROUPS TOPICS_PER_GROUP

import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class MonitorFill {
    /** A controller takes a limited number of partitions at once. */
    private static final int PARTITIONS_AT_ONCE = 2_000;
    private static final int GROUPS_AT_ONCE = 50;
    private static final int RECORDS = 3;

    public static void main(String[] args) throws Exception {
        int topics = Integer.parseInt(args[1]), partitions = Integer.parseInt(args[2]);
        short replication = Short.parseShort(args[3]);
        int groups = Integer.parseInt(args[4]), topicsPerGroup = Integer.parseInt(args[5]);
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", args[0]);
        settings.put("request.timeout.ms", "120000");
        settings.put("default.api.timeout.ms", "240000");
        try (Admin admin = Admin.create(settings)) {
            List<NewTopic> some = new ArrayList<>();
            for (int topic = 0; topic < topics; topic++) {
                some.add(new NewTopic(name(topic), partitions, replication));
                if (some.size() * partitions >= PARTITIONS_AT_ONCE || topic == topics - 1) {
                    admin.createTopics(some).all().get();
                    some.clear();
                }
            }
            List<Commit> asked = new ArrayList<>();
            for (int group = 0; group < groups; group++) {
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (int topic = 0; topic < topicsPerGroup; topic++) {
                    for (int partition = 0; partition < partitions; partition++) {
                        String name = name((group * topicsPerGroup + topic) % topics);
                        offsets.put(new TopicPartition(name, partition), new OffsetAndMetadata(1));
                    }
                }
                asked.add(new Commit(String.format("bench-group-%05d", group), offsets));
                if (asked.size() == GROUPS_AT_ONCE || group == groups - 1) {
                    commit(admin, asked);
                    asked.clear();
                }
            }
            produce(settings, topics, partitions);
        }
    }

    private record Commit(String group, Map<TopicPartition, OffsetAndMetadata> offsets) {}

    /** A coordinator refuses topics that it has not heard of yet, however long ago the controller made them. */
    private static void commit(Admin admin, List<Commit> commits) throws Exception {
        long deadline = System.nanoTime() + 120_000_000_000L;
        List<Commit> left = commits;
        while (!left.isEmpty()) {
            List<Future<?>> asked = new ArrayList<>();
            for (Commit each : left) asked.add(admin.alterConsumerGroupOffsets(each.group(), each.offsets()).all());
            List<Commit> refused = new ArrayList<>();
            for (int place = 0; place < asked.size(); place++) {
                try {
                    asked.get(place).get();
                } catch (ExecutionException refusal) {
                    boolean passes = refusal.getCause() instanceof UnknownTopicOrPartitionException;
                    if (!passes || System.nanoTime() > deadline) throw refusal;
                    refused.add(left.get(place));
                }
            }
            left = refused;
        }
    }

    private static String name(int topic) {
        return String.format("bench-topic-%05d", topic);
    }

    private static void produce(Map<String, Object> settings, int topics, int partitions) throws Exception {
        Map<String, Object> producing = new HashMap<>(settings);
        producing.put("delivery.timeout.ms", "240000");
        producing.put("buffer.memory", "67108864");
        producing.put("batch.size", "512");
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(producing, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<?>> sent = new ArrayList<>();
            for (int topic = 0; topic < topics; topic++)
                for (int partition = 0; partition < partitions; partition++)
                    for (int record = 0; record < RECORDS; record++)
                        sent.add(producer.send(new ProducerRecord<>(name(topic), partition, null, new byte[100])));
            for (Future<?> each : sent) each.get();
        }
    }
}
