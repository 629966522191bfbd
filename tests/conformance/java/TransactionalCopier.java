import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Copies a topic to another one in transactions, with its position. Every fifth transaction is aborted and made again.
 *
 * <p>Usage: TransactionalCopier BROKER INPUT OUTPUT GROUP TRANSACTIONAL-ID COUNT. It ends when so many records of the
 * input are committed, says "copied", or "fenced" if another copier took its transactional id.
 */
public class TransactionalCopier {
  public static void main(String[] args) {
    long wanted = Long.parseLong(args[5]);
    try (KafkaConsumer<String, String> consumer = consumer(args[0], args[3]);
        KafkaProducer<String, String> producer = producer(args[0], args[4])) {
      producer.initTransactions();
      consumer.subscribe(List.of(args[1]));
      long deadline = System.currentTimeMillis() + 60_000;
      long copied = committed(consumer, args[1]);
      for (int round = 1; copied < wanted && System.currentTimeMillis() < deadline; round++) {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
        if (records.isEmpty()) {
          copied = committed(consumer, args[1]);
          continue;
        }
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
        for (ConsumerRecord<String, String> record : records) {
          producer.send(new ProducerRecord<>(args[2], record.partition(), record.key(), record.value()));
          positions.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        producer.sendOffsetsToTransaction(positions, consumer.groupMetadata());
        if (round % 5 == 0) {
          // What was not sent yet would be dropped instead of aborted.
          producer.flush();
          producer.abortTransaction();
          rewind(consumer);
        } else {
          producer.commitTransaction();
        }
        copied = committed(consumer, args[1]);
      }
      System.out.println(copied >= wanted ? "copied" : "not copied in time: " + copied);
    } catch (ProducerFencedException fenced) {
      System.out.println("fenced");
    } catch (KafkaException error) {
      error.printStackTrace();
      Runtime.getRuntime().halt(1);
    }
  }

  private static void rewind(KafkaConsumer<String, String> consumer) {
    Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
    for (TopicPartition partition : consumer.assignment()) {
      OffsetAndMetadata offset = committed.get(partition);
      consumer.seek(partition, offset == null ? 0 : offset.offset());
    }
  }

  private static long committed(KafkaConsumer<String, String> consumer, String topic) {
    Set<TopicPartition> partitions = new HashSet<>();
    consumer.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
    return consumer.committed(partitions).values().stream().filter(offset -> offset != null).mapToLong(OffsetAndMetadata::offset).sum();
  }

  private static KafkaConsumer<String, String> consumer(String broker, String group) {
    Properties config = new Properties();
    config.put("bootstrap.servers", broker);
    config.put("group.id", group);
    config.put("enable.auto.commit", "false");
    config.put("auto.offset.reset", "earliest");
    config.put("isolation.level", "read_committed");
    config.put("max.poll.records", "37");
    return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
  }

  private static KafkaProducer<String, String> producer(String broker, String id) {
    Properties config = new Properties();
    config.put("bootstrap.servers", broker);
    config.put("transactional.id", id);
    return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
  }
}
