// franz-go with its defaults: idempotent producer, cooperative-sticky groups, fetch sessions. See ../../README.md.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var codecs = []kgo.CompressionCodec{
	kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func produce(ctx context.Context, broker, topic string, from, to int) {
	share := (to - from + len(codecs) - 1) / len(codecs)
	for n, codec := range codecs {
		client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.AllowAutoTopicCreation(),
			kgo.ProducerBatchCompression(codec))
		check(err)
		for i := from + n*share; i < min(to, from+(n+1)*share); i++ {
			record := &kgo.Record{
				Topic: topic, Key: []byte(fmt.Sprintf("k%d", i)), Value: []byte(fmt.Sprintf("value-%d-☃", i)),
				Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(strconv.Itoa(i))}},
			}
			client.Produce(ctx, record, func(_ *kgo.Record, err error) { check(err) })
		}
		check(client.Flush(ctx))
		client.Close()
	}
}

// consume reads with some members until count records have come.
func consume(ctx context.Context, broker, topic, group, phase string, members, count int) {
	ctx, enough := context.WithCancel(ctx)
	var lock sync.Mutex
	var all sync.WaitGroup
	seen := 0
	for range members {
		all.Add(1)
		go func() {
			defer all.Done()
			client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
			check(err)
			defer client.Close()
			for ctx.Err() == nil {
				fetches := client.PollFetches(ctx)
				if ctx.Err() == nil {
					check(fetches.Err())
				}
				lock.Lock()
				fetches.EachRecord(func(r *kgo.Record) {
					fmt.Println(phase, string(r.Key), string(r.Value), string(r.Headers[0].Value))
					seen++
				})
				done := seen >= count
				lock.Unlock()
				check(client.CommitUncommittedOffsets(context.Background()))
				if done {
					enough()
				}
			}
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
	produce(ctx, broker, topic, 0, count)
	consume(ctx, broker, topic, group, "first", 2, count)
	produce(ctx, broker, topic, count, count+10)
	consume(ctx, broker, topic, group, "second", 1, 10)
	if ctx.Err() != nil {
		log.Fatal("not everything came in time")
	}
}
