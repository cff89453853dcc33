"""Fills a topic with alert events as Guance writes them, each padded to the same size.

usage: fill.py BOOTSTRAP TOPIC PARTITIONS EVENTS BYTES

The keys are 1,000 different ones, in an order that looks random and is always the same.
"""

import json
import sys

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

KEYS = 1000


def main():
    bootstrap, topic = sys.argv[1:3]
    partitions, events, size = map(int, sys.argv[3:6])
    create(bootstrap, topic, partitions)
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "linger.ms": 50,
        "message.max.bytes": 10_000_000,
        "queue.buffering.max.kbytes": 256 * 1024,
        "enable.idempotence": True,
    })
    failures = []
    for number in range(events):
        key = f"host-{number * 7919 % KEYS}"
        while True:
            try:
                producer.produce(topic, event(number, key, size), key, on_delivery=lambda error, _: error and failures.append(error))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(120)
    if left or failures:
        sys.exit(f"fill.py: {left} events not written, {failures[:1]}")


def create(bootstrap, topic, partitions):
    settings = {"max.message.bytes": "10000000"}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1, config=settings)])[topic].result(30)


def event(number, host, size):
    fields = {
        "df_event_id": f"event-{number:08}",
        "df_source": "monitor",
        "df_title": f"CPU usage of {host} is high",
        "df_message": "",
        "date": 1732160000000 + number,
        "df_status": "ok" if number % 2 else "critical",
        "df_workspace_name": "production",
        "df_dimension_tags": json.dumps({"host": host, "region": "cn-hangzhou"}),
    }
    padding = size - len(json.dumps(fields))
    fields["df_message"] = ("The usage was above the threshold for five minutes. " * (padding // 50 + 1))[: max(padding, 0)]
    return json.dumps(fields)


main()
