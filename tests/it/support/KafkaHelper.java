// What the tests need of Kafka's own client and rskafka cannot do: transactions, null keys, values and header values, all
// codecs, committed offsets, a live group member. Run by `scripts/kafka.sh helper --dir D …`, which compiles it against the
// client of the broker's version; so it uses only what the clients of 0.11 and of 4.3 both have, else reflection.
//
//   produce TOPIC [codec]       reads a script from standard input, fields separated by tabs, \N for null:
//                                 send P PARTITION TIMESTAMP KEY VALUE NAME=VALUE…   by producer P; "-" is the plain one;
//                                                  TIMESTAMP in ms or \N for now; a header value may be \N, too
//                                 begin P | commit P | abort P                       a transaction of producer P
//                                 flush                                              ends a batch
//                               prints PARTITION <tab> OFFSET for every send, in their order
//   create-topic TOPIC PARTITIONS REPLICATION [K=V…]
//   delete-topic TOPIC
//   commit-offsets GROUP TOPIC:PARTITION=OFFSET…
//   committed GROUP TOPIC:PARTITION…     prints the offset or "none", a line each
//   join-group GROUP TOPIC [PROTOCOL]    classic (default) or consumer (KIP-848); prints "joined" once it has an
//                               assignment; stays until standard input ends

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class KafkaHelper {
    private static final String NULL = "\\N";

    private final String bootstrap;
    private final BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    private KafkaHelper(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        if (!args[1].equals("join-group")) limitTo(60);
        KafkaHelper helper = new KafkaHelper(args[0]);
        List<String> rest = Arrays.asList(args).subList(2, args.length);
        switch (args[1]) {
            case "produce": helper.produce(rest.get(0), rest.size() > 1 ? rest.get(1) : "none"); break;
            case "create-topic": helper.createTopic(rest); break;
            case "delete-topic": helper.deleteTopic(rest.get(0)); break;
            case "commit-offsets": helper.commitOffsets(rest.get(0), rest.subList(1, rest.size())); break;
            case "committed": helper.committed(rest.get(0), rest.subList(1, rest.size())); break;
            case "join-group": helper.joinGroup(rest.get(0), rest.get(1), rest.size() > 2 ? rest.get(2) : "classic"); break;
            default: throw new IllegalArgumentException("unknown command " + args[1]);
        }
        System.out.flush();
    }

    /** Old clients try again for ever what a broker refuses for ever. */
    private static void limitTo(int seconds) {
        Thread limit = new Thread(() -> {
            try {
                Thread.sleep(seconds * 1000L);
            } catch (InterruptedException e) {
                return;
            }
            System.err.println("KafkaHelper: not done within " + seconds + " s");
            Runtime.getRuntime().halt(3);
        });
        limit.setDaemon(true);
        limit.start();
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("request.timeout.ms", "20000");
        return settings;
    }

    // --- producing ---

    private void produce(String topic, String codec) throws Exception {
        Map<String, KafkaProducer<byte[], byte[]>> producers = new LinkedHashMap<>();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        String line;
        while ((line = input.readLine()) != null) {
            String[] fields = line.split("\t", -1);
            if (fields[0].equals("flush")) {
                for (KafkaProducer<byte[], byte[]> each : producers.values()) each.flush();
                continue;
            }
            KafkaProducer<byte[], byte[]> producer = producers.get(fields[1]);
            if (producer == null) {
                producer = newProducer(fields[1], codec);
                producers.put(fields[1], producer);
            }
            switch (fields[0]) {
                case "begin": producer.beginTransaction(); break;
                case "commit": producer.commitTransaction(); break;
                // Without the flush nothing of an aborted transaction would reach the log.
                case "abort": producer.flush(); producer.abortTransaction(); break;
                case "send": sent.add(producer.send(record(topic, fields))); break;
                default: throw new IllegalArgumentException("unknown line " + line);
            }
        }
        for (KafkaProducer<byte[], byte[]> each : producers.values()) each.flush();
        for (Future<RecordMetadata> each : sent) {
            RecordMetadata where = each.get();
            System.out.println(where.partition() + "\t" + where.offset());
        }
        for (KafkaProducer<byte[], byte[]> each : producers.values()) each.close();
    }

    private KafkaProducer<byte[], byte[]> newProducer(String name, String codec) {
        Properties settings = settings();
        settings.put("acks", "all");
        settings.put("compression.type", codec);
        settings.put("linger.ms", "20");
        settings.put("max.request.size", String.valueOf(64 << 20));
        boolean transactional = !name.equals("-");
        if (transactional) settings.put("transactional.id", name);
        KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        if (transactional) producer.initTransactions();
        return producer;
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, String[] fields) {
        List<Header> headers = new ArrayList<>();
        for (int i = 6; i < fields.length; i++) {
            int equals = fields[i].indexOf('=');
            headers.add(new RecordHeader(fields[i].substring(0, equals), bytes(fields[i].substring(equals + 1))));
        }
        Long timestamp = fields[3].equals(NULL) ? null : Long.valueOf(fields[3]);
        return new ProducerRecord<>(topic, Integer.valueOf(fields[2]), timestamp, bytes(fields[4]), bytes(fields[5]), headers);
    }

    private static byte[] bytes(String field) {
        return field.equals(NULL) ? null : field.getBytes(StandardCharsets.UTF_8);
    }

    // --- topics ---

    private void createTopic(List<String> args) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (String each : args.subList(3, args.size())) {
            int equals = each.indexOf('=');
            configs.put(each.substring(0, equals), each.substring(equals + 1));
        }
        NewTopic topic = new NewTopic(args.get(0), Integer.parseInt(args.get(1)), Short.parseShort(args.get(2))).configs(configs);
        try (AdminClient admin = AdminClient.create(settings())) {
            admin.createTopics(Collections.singleton(topic)).all().get();
        }
    }

    private void deleteTopic(String topic) throws Exception {
        try (AdminClient admin = AdminClient.create(settings())) {
            admin.deleteTopics(Collections.singleton(topic)).all().get();
        }
    }

    // --- groups ---

    private KafkaConsumer<byte[], byte[]> newConsumer(String group) {
        return newConsumer(group, "classic");
    }

    private KafkaConsumer<byte[], byte[]> newConsumer(String group, String protocol) {
        Properties settings = settings();
        settings.put("group.id", group);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        if (protocol.equals("consumer")) {
            settings.put("group.protocol", protocol);
        } else {
            // With KIP-848 these are the broker's.
            settings.put("session.timeout.ms", "6000");
            settings.put("heartbeat.interval.ms", "1000");
        }
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static TopicPartition partition(String text) {
        int colon = text.lastIndexOf(':');
        return new TopicPartition(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }

    private void commitOffsets(String group, List<String> positions) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (String each : positions) {
            int equals = each.indexOf('=');
            offsets.put(partition(each.substring(0, equals)), new OffsetAndMetadata(Long.parseLong(each.substring(equals + 1))));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = newConsumer(group)) {
            consumer.commitSync(offsets);
        }
    }

    private void committed(String group, List<String> partitions) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = newConsumer(group)) {
            for (String each : partitions) {
                OffsetAndMetadata offset = committedOffset(consumer, partition(each));
                System.out.println(offset == null ? "none" : String.valueOf(offset.offset()));
            }
        }
    }

    private static OffsetAndMetadata committedOffset(KafkaConsumer<?, ?> consumer, TopicPartition partition) throws Exception {
        try {
            Method since24 = KafkaConsumer.class.getMethod("committed", Set.class);
            return (OffsetAndMetadata) ((Map<?, ?>) since24.invoke(consumer, Collections.singleton(partition))).get(partition);
        } catch (NoSuchMethodException before24) {
            return (OffsetAndMetadata) KafkaConsumer.class.getMethod("committed", TopicPartition.class).invoke(consumer, partition);
        }
    }

    private void joinGroup(String group, String topic, String protocol) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = newConsumer(group, protocol)) {
            consumer.subscribe(Collections.singletonList(topic));
            boolean said = false;
            while (!inputEnded()) {
                poll(consumer);
                if (!said && !consumer.assignment().isEmpty()) {
                    System.out.println("joined");
                    System.out.flush();
                    said = true;
                }
            }
        }
    }

    private volatile boolean ended;
    private Thread watcher;

    /** Whether whoever started us closed our standard input, or ended. */
    private boolean inputEnded() {
        if (watcher == null) {
            watcher = new Thread(() -> {
                try {
                    while (input.read() >= 0) { }
                } catch (java.io.IOException e) {
                    // the end, too
                }
                ended = true;
            });
            watcher.setDaemon(true);
            watcher.start();
        }
        return ended;
    }

    private static void poll(KafkaConsumer<?, ?> consumer) throws Exception {
        try {
            Method since20 = KafkaConsumer.class.getMethod("poll", java.time.Duration.class);
            since20.invoke(consumer, java.time.Duration.ofMillis(100));
        } catch (NoSuchMethodException before20) {
            KafkaConsumer.class.getMethod("poll", long.class).invoke(consumer, 100L);
        }
    }
}
