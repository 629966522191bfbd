import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * Two Kafka Streams programs with state stores, changelogs and a repartition topic.
 *
 * <p>Usage: StreamsApp wordcount|windows BROKER INPUT OUTPUT APPLICATION-ID STATE-DIR GUARANTEE. It runs until its input
 * ends, closes in order, and says "closed".
 */
public class StreamsApp {
  private static final Duration WINDOW = Duration.ofSeconds(10);

  public static void main(String[] args) throws Exception {
    Properties config = new Properties();
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[1]);
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[4]);
    config.put(StreamsConfig.STATE_DIR_CONFIG, args[5]);
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[6]);
    config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200);
    config.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    // A Streams client does not leave its group: the next one waits for this.
    config.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
    config.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 1000);
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, String> input = builder.stream(args[2], Consumed.with(Serdes.String(), Serdes.String()));
    (args[0].equals("windows") ? windows(input) : wordCount(input))
        .to(args[3], Produced.with(Serdes.String(), Serdes.String()));
    KafkaStreams streams = new KafkaStreams(builder.build(), config);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(1);
          return null;
        });
    streams.start();
    System.in.readAllBytes();
    System.out.println(streams.close(Duration.ofSeconds(30)) ? "closed" : "not closed in time");
  }

  private static KStream<String, String> wordCount(KStream<String, String> lines) {
    return lines
        .flatMapValues(line -> Arrays.asList(line.split(" ")))
        .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
        .count()
        .toStream()
        .mapValues(String::valueOf);
  }

  private static KStream<String, String> windows(KStream<String, String> events) {
    return events
        .groupByKey()
        .windowedBy(TimeWindows.ofSizeWithNoGrace(WINDOW))
        .aggregate(() -> "", (key, value, all) -> all + value)
        .toStream((window, all) -> window.key() + "@" + window.window().start());
  }
}
