import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends the records of a JSON file with the Java client; see capture.py. */
public class Capture {
    public static void main(String[] args) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", args[0], "compression.type", args[1],
            "linger.ms", 500, "batch.size", 1 << 20);
        var serializer = new ByteArraySerializer();
        try (var producer = new KafkaProducer<>(config, serializer, serializer)) {
            for (JsonNode each : new ObjectMapper().readTree(new File(args[2]))) {
                var record = new ProducerRecord<>("java-" + args[1], 0, each.get("timestamp").asLong(),
                    bytes(each.get("key")), bytes(each.get("value")));
                for (JsonNode header : each.get("headers"))
                    record.headers().add(header.get(0).asText(), bytes(header.get(1)));
                producer.send(record);
            }
            producer.flush();
        }
    }

    private static byte[] bytes(JsonNode text) {
        if (text.isNull())
            return null;
        var content = text.isInt()
            ? IntStream.range(0, text.asInt()).mapToObj("line %d of a compressible value\n"::formatted)
                .collect(Collectors.joining())
            : text.asText();
        return content.getBytes(StandardCharsets.UTF_8);
    }
}
