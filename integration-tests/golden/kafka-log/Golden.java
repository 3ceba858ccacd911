import java.util.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.header.internals.RecordHeader;

public class Golden {
    public static void main(String[] a) throws Exception {
        long base = 1700000000000L;
        String suffix = a.length > 1 ? a[1] : "";
        String[] codecs = a.length > 2 ? a[2].split(",") : new String[]{"none", "gzip", "snappy", "lz4", "zstd"};
        for (String codec : codecs) {
            Properties p = new Properties();
            p.put("bootstrap.servers", a[0]);
            p.put("acks", "all");
            p.put("enable.idempotence", suffix.isEmpty() ? "true" : "false");
            p.put("compression.type", codec);
            p.put("linger.ms", "50");
            p.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
            p.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
            try (KafkaProducer<String, String> producer = new KafkaProducer<>(p)) {
                int n = 0;
                for (int batch = 0; batch < 12; batch++) {
                    for (int i = 0; i < 5; i++, n++) {
                        String value = i == 3 ? null : ("value-" + n + "-").repeat(1 + (n % 7) * 3);
                        ProducerRecord<String, String> r = new ProducerRecord<>("g-" + codec + suffix, 0, base + n * 10, n % 4 == 0 ? null : "key-" + n, value);
                        if (suffix.isEmpty() && i % 2 == 0) { r.headers().add(new RecordHeader("h" + i, ("x" + n).getBytes())); r.headers().add(new RecordHeader("null", null)); }
                        producer.send(r);
                    }
                    producer.flush();
                }
            }
        }
        if (suffix.isEmpty()) {
            Properties p = new Properties();
            p.put("bootstrap.servers", a[0]);
            p.put("transactional.id", "golden");
            p.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
            p.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
            try (KafkaProducer<String, String> producer = new KafkaProducer<>(p)) {
                producer.initTransactions();
                for (int t = 0; t < 4; t++) {
                    producer.beginTransaction();
                    for (int i = 0; i < 3; i++) producer.send(new ProducerRecord<>("g-txn", 0, base + t, "k" + t, "v" + i));
                    producer.flush();
                    if (t % 2 == 0) producer.commitTransaction(); else producer.abortTransaction();
                }
            }
        }
        System.out.println("done");
    }
}
