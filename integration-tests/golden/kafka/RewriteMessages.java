import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Reads lines "NAME VERSION HEX" of Kafka messages on stdin, has Kafka's own class read and write
 * each, and prints the lines with the bytes that it wrote. What this release does not know is left out.
 * The first lines were random messages of proto/src/kafka/tests/sample.rs; since then the files beside
 * this one, without their first lines, are what to feed another release with.
 */
public class RewriteMessages {
    static final List<String> PACKAGES = List.of(
        "org.apache.kafka.common.message.",
        "org.apache.kafka.coordinator.group.generated.",
        "org.apache.kafka.coordinator.transaction.generated.",
        "kafka.internals.generated.");

    static Class<?> find(String name) {
        for (String where : PACKAGES) {
            for (String suffix : List.of("Data", "")) {
                try {
                    return Class.forName(where + name + suffix);
                } catch (ClassNotFoundException e) {
                    // the next place
                }
            }
        }
        return null;
    }

    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] part = line.split(" ", 3);
            short version = Short.parseShort(part[1]);
            Class<?> type = find(part[0]);
            Message message = type == null ? null : (Message) type.getDeclaredConstructor().newInstance();
            if (message == null || version > message.highestSupportedVersion()) {
                System.err.println("unknown: " + part[0] + " " + version);
                continue;
            }
            byte[] in = new byte[part[2].length() / 2];
            for (int i = 0; i < in.length; i++) {
                in[i] = (byte) Integer.parseInt(part[2].substring(2 * i, 2 * i + 2), 16);
            }
            ByteBuffer left = ByteBuffer.wrap(in);
            ByteBuffer out;
            try {
                message.read(new ByteBufferAccessor(left), version);
                ObjectSerializationCache cache = new ObjectSerializationCache();
                out = ByteBuffer.allocate(message.size(cache, version));
                message.write(new ByteBufferAccessor(out), cache, version);
            } catch (RuntimeException e) {
                System.err.println("not possible: " + part[0] + " " + version + ": " + e);
                continue;
            }
            if (left.hasRemaining() || out.hasRemaining()) {
                throw new IllegalStateException(line + ": bytes left over: " + left + ", " + out);
            }
            StringBuilder hex = new StringBuilder();
            for (byte b : out.array()) {
                hex.append(String.format("%02x", b));
            }
            System.out.println(part[0] + " " + version + " " + hex);
        }
    }
}
