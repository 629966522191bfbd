// The example function late-flights as a Kafka Streams application: the peer of our transform. It reads flights as
// JSON, keeps those that left more than an hour late, projects a few fields and puts the delay into a header, exactly
// once (exactly_once_v2), with the defaults of Kafka Streams for everything else.
//
// Arguments: bootstrap server, application id, input topic, output topic, state directory.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

public final class LateFlights {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final double MINUTES = 60.0;

    /** One record in, at most one out. */
    private static final class Filter extends ContextualProcessor<byte[], byte[], byte[], byte[]> {
        @Override
        public void process(Record<byte[], byte[]> record) {
            if (record.value() == null) {
                return;
            }
            try {
                JsonNode flight = JSON.readTree(record.value());
                JsonNode delay = flight.get("dep_delay");
                if (delay == null || delay.isNull() || delay.asDouble() <= MINUTES) {
                    return;
                }
                byte[] late = JSON.writeValueAsBytes(project(flight, delay));
                Record<byte[], byte[]> out = record.withValue(late);
                out.headers().add("late-minutes", delay.asText().getBytes(StandardCharsets.UTF_8));
                context().forward(out);
            } catch (java.io.IOException e) {
                throw new IllegalArgumentException("not a flight", e);
            }
        }

        private static ObjectNode project(JsonNode flight, JsonNode delay) {
            ObjectNode late = JSON.createObjectNode();
            late.put("date", String.format("%04d-%02d-%02d", flight.get("year").asInt(),
                flight.get("month").asInt(), flight.get("day").asInt()));
            for (String field : new String[] {"carrier", "flight", "origin", "dest", "month"}) {
                late.set(field, flight.get(field));
            }
            late.set("dep_delay", delay);
            return late;
        }
    }

    public static void main(String[] args) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        properties.put("auto.offset.reset", "earliest");
        StreamsBuilder builder = new StreamsBuilder();
        builder.<byte[], byte[]>stream(args[2]).process(Filter::new).to(args[3]);
        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
