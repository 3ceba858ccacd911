import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** A transactional producer of a broker without transactions, and then an idempotent one: prints what each is told. */
public class InitTransactions {
    static KafkaProducer<String, String> producer(String bootstrap, String transactionalId) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("enable.idempotence", "true");
        if (transactionalId != null) {
            properties.put("transactional.id", transactionalId);
        }
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    public static void main(String[] args) throws Exception {
        try (KafkaProducer<String, String> producer = producer(args[0], "mine")) {
            long start = System.nanoTime();
            try {
                producer.initTransactions();
                System.out.println("served");
            } catch (Exception e) {
                long seconds = (System.nanoTime() - start) / 1_000_000_000L;
                System.out.println((seconds < 20 ? "at once: " : "after its timeout: ") + e.getMessage());
            }
        }
        try (KafkaProducer<String, String> producer = producer(args[0], null)) {
            System.out.println("offset " + producer.send(new ProducerRecord<>("t", "x")).get().offset());
        }
    }
}
