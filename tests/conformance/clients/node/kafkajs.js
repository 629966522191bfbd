// KafkaJS with its defaults: round-robin groups; GZIP is the one codec that it brings. See ../README.md.
const { Kafka, CompressionTypes, logLevel } = require("kafkajs");

const [broker, topic, group, count] = [...process.argv.slice(2, 5), Number(process.argv[5])];
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.ERROR });

async function produce(from, to) {
  const half = Math.ceil((to - from) / 2);
  for (const [start, end, compression, idempotent] of [
    [from, from + half, CompressionTypes.None, true],
    [from + half, to, CompressionTypes.GZIP, false],
  ]) {
    const producer = kafka.producer({ idempotent, allowAutoTopicCreation: true });
    await producer.connect();
    const messages = [];
    for (let n = start; n < end; n++) {
      messages.push({ key: `k${n}`, value: `value-${n}-☃`, headers: { n: String(n) } });
    }
    await producer.send({ topic, messages, compression });
    await producer.disconnect();
  }
}

// Reads with some members until count records have come.
async function consume(phase, members, count) {
  let seen = 0;
  let enough;
  const done = new Promise((resolve) => (enough = resolve));
  const consumers = [];
  for (let n = 0; n < members; n++) {
    const consumer = kafka.consumer({ groupId: group });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommitThreshold: 100,
      eachMessage: async ({ message }) => {
        console.log(phase, message.key.toString(), message.value.toString(), message.headers.n.toString());
        if (++seen >= count) enough();
      },
    });
    consumers.push(consumer);
  }
  await done;
  for (const consumer of consumers) await consumer.disconnect();
}

async function main() {
  await produce(0, count);
  await consume("first", 2, count);
  await produce(count, count + 10);
  await consume("second", 1, 10);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
