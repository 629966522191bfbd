// sarama: synchronous and idempotent producers, a consumer group of range assignment. See ../../README.md.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var codecs = []sarama.CompressionCodec{
	sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4,
	sarama.CompressionZSTD,
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func produce(broker, topic string, from, to int) {
	share := (to - from + len(codecs) - 1) / len(codecs)
	for n, codec := range codecs {
		config := sarama.NewConfig()
		config.Version = sarama.V4_0_0_0
		config.Producer.Return.Successes = true
		config.Producer.Compression = codec
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Producer.Idempotent = n%2 == 0
		config.Net.MaxOpenRequests = 1
		producer, err := sarama.NewSyncProducer([]string{broker}, config)
		check(err)
		var messages []*sarama.ProducerMessage
		for i := from + n*share; i < min(to, from+(n+1)*share); i++ {
			messages = append(messages, &sarama.ProducerMessage{
				Topic: topic, Key: sarama.StringEncoder(fmt.Sprintf("k%d", i)),
				Value:   sarama.StringEncoder(fmt.Sprintf("value-%d-☃", i)),
				Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(strconv.Itoa(i))}},
			})
		}
		check(producer.SendMessages(messages))
		check(producer.Close())
	}
}

type handler struct {
	phase  string
	count  int
	lock   sync.Mutex
	seen   int
	enough context.CancelFunc
}

func (*handler) Setup(sarama.ConsumerGroupSession) error { return nil }

func (*handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		session.MarkMessage(message, "")
		h.lock.Lock()
		fmt.Println(h.phase, string(message.Key), string(message.Value), string(message.Headers[0].Value))
		h.seen++
		if h.seen >= h.count {
			h.enough()
		}
		h.lock.Unlock()
	}
	session.Commit()
	return nil
}

// consume reads with some members until count records have come.
func consume(ctx context.Context, broker, topic, group, phase string, members, count int) {
	ctx, enough := context.WithCancel(ctx)
	shared := &handler{phase: phase, count: count, enough: enough}
	var all sync.WaitGroup
	for range members {
		all.Add(1)
		go func() {
			defer all.Done()
			config := sarama.NewConfig()
			config.Version = sarama.V4_0_0_0
			config.Consumer.Offsets.Initial = sarama.OffsetOldest
			config.Consumer.Offsets.AutoCommit.Enable = false
			client, err := sarama.NewConsumerGroup([]string{broker}, group, config)
			check(err)
			for ctx.Err() == nil {
				check(client.Consume(ctx, []string{topic}, shared))
			}
			check(client.Close())
		}()
	}
	all.Wait()
	enough()
}

func main() {
	broker, topic, group := os.Args[1], os.Args[2], os.Args[3]
	count, err := strconv.Atoi(os.Args[4])
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	produce(broker, topic, 0, count)
	consume(ctx, broker, topic, group, "first", 2, count)
	produce(broker, topic, count, count+10)
	consume(ctx, broker, topic, group, "second", 1, 10)
	if ctx.Err() != nil {
		log.Fatal("not everything came in time")
	}
}
