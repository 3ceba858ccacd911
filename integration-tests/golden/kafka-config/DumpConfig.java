import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;

/**
 * Prints every configuration key that this release knows, one a line: "broker" or "topic", name, type, default
 * (~ for null), and "internal" where it is hidden from the documentation. Tab-separated.
 */
public class DumpConfig {
    /** The first member of the object that is or gives a ConfigDef, whatever the release calls it. */
    static ConfigDef definition(String... owners) throws Exception {
        for (String owner : owners) {
            Class<?> type;
            Object instance = null;
            try {
                type = Class.forName(owner + "$");
                instance = type.getField("MODULE$").get(null);
            } catch (ClassNotFoundException e) {
                try {
                    type = Class.forName(owner);
                } catch (ClassNotFoundException none) {
                    continue;
                }
            }
            for (Field field : type.getDeclaredFields()) {
                // beside what topics may set, LogConfig of 3.9 has the keys of brokers
                if (ConfigDef.class.isAssignableFrom(field.getType()) && !field.getName().startsWith("SERVER_")
                    && (instance != null || java.lang.reflect.Modifier.isStatic(field.getModifiers()))) {
                    field.setAccessible(true);
                    return (ConfigDef) field.get(instance);
                }
            }
        }
        throw new IllegalStateException("no ConfigDef in " + String.join(", ", owners));
    }

    static void print(String what, ConfigDef definition) throws Exception {
        for (Map.Entry<String, ConfigDef.ConfigKey> entry : new TreeMap<>(definition.configKeys()).entrySet()) {
            ConfigDef.ConfigKey key = entry.getValue();
            Object value = key.defaultValue;
            String text;
            if (value == ConfigDef.NO_DEFAULT_VALUE) {
                text = "required";
            } else if (value == null) {
                text = "~";
            } else {
                text = ConfigDef.convertToString(value, key.type);
            }
            System.out.println(what + "\t" + entry.getKey() + "\t" + key.type + "\t"
                + text.replace("\\", "\\\\").replace("\n", "\\n") + (key.internalConfig ? "\tinternal" : ""));
        }
    }

    public static void main(String[] args) throws Exception {
        print("broker", definition("kafka.server.KafkaConfig", "org.apache.kafka.server.config.AbstractKafkaConfig"));
        print("topic", definition("kafka.log.LogConfig", "org.apache.kafka.storage.internals.log.LogConfig"));
    }
}
