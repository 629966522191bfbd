import java.io.DataInputStream;
import java.io.FileInputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.CorruptRecordException;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

/**
 * What Kafka says to each of the batches of ../cases. With the jars of org.apache.kafka:kafka_2.13:4.3.1 in libs:
 *
 *   cargo run -p tidemill-records --example verdict_cases -- cases.bin
 *   java -cp 'libs/*' Verdicts.java cases.bin > verdicts.tsv
 */
public class Verdicts {
    static final long NOW = 1_700_000_000_000L;
    static final TopicPartition PARTITION = new TopicPartition("topic", 0);
    static final LogValidator.MetricsRecorder NO_METRICS = new LogValidator.MetricsRecorder() {
        public void recordInvalidMagic() { }
        public void recordInvalidOffset() { }
        public void recordInvalidSequence() { }
        public void recordInvalidChecksums() { }
        public void recordNoKeyCompactedTopic() { }
    };

    public static void main(String[] args) throws Exception {
        try (var in = new DataInputStream(new FileInputStream(args[0]))) {
            while (in.available() > 0) {
                var name = new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
                var bytes = in.readNBytes(in.readInt());
                System.out.println(name + "\t" + verdict(name, bytes));
            }
        }
    }

    static String verdict(String name, byte[] bytes) {
        try {
            return "OK " + validate(bytes, name.startsWith("compacted"));
        } catch (RecordValidationException error) {
            return Errors.forException(error.invalidException()).name();
        } catch (Throwable error) {
            return Errors.forException(error).name();
        }
    }

    static long validate(byte[] bytes, boolean compacted) {
        var records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
        ProduceRequest.validateRecords((short) 9, records);
        var first = records.batches().iterator().next();
        // As UnifiedLog.analyzeAndValidateRecords, which can't be called alone.
        if (first.baseOffset() != 0)
            throw new InvalidRecordException("base offset");
        if (first.sizeInBytes() > 1_048_588)
            throw new RecordTooLargeException();
        if (!first.isValid())
            throw new CorruptRecordException();
        Time time = time();
        var source = first.compressionType();
        var validator = new LogValidator(records, PARTITION, time, source, Compression.of(source).build(), compacted,
            RecordBatch.MAGIC_VALUE_V2, TimestampType.CREATE_TIME, 86_400_000L, 3_600_000L, 0, AppendOrigin.CLIENT);
        var result = validator.validateMessagesAndAssignOffsets(
            PrimitiveRef.ofLong(0), NO_METRICS, BufferSupplier.create());
        return result.validatedRecords().batches().iterator().next().maxTimestamp();
    }

    static Time time() {
        return (Time) java.lang.reflect.Proxy.newProxyInstance(Verdicts.class.getClassLoader(),
            new Class<?>[] {Time.class}, (proxy, method, args) ->
                method.getName().equals("milliseconds") ? (Object) NOW : method.invoke(Time.SYSTEM, args));
    }
}
