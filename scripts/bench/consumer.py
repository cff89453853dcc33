"""What barnabas is compared with: the plain consumer that one would write in Python. It reads a topic, maps each event
as examples/guance.toml does, and sends one request at a time over a kept connection.

usage: consumer.py BOOTSTRAP TOPIC URL EVENTS
"""

import json
import sys
import time

import requests
from confluent_kafka import Consumer

REQUIRED = ("df_event_id", "df_source", "df_title", "df_message", "date", "df_status", "df_workspace_name")


def main():
    bootstrap, topic, url, events = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": f"bench-python-{time.time_ns()}",
        "auto.offset.reset": "earliest",
        "enable.auto.offset.store": False,
    })
    consumer.subscribe([topic])
    session = requests.Session()
    for _ in range(events):
        while (message := consumer.poll(1)) is None or message.error():
            pass
        request = request_for(json.loads(message.value()))
        if request is not None:
            key = f"guance-to-omp/{topic}/{message.partition()}/{message.offset()}"
            while not taken(session.post(url, json=request, headers={"Idempotency-Key": key}, timeout=10)):
                time.sleep(1)
        consumer.store_offsets(message)
    consumer.close()


def request_for(event):
    if event.get("df_source") != "monitor" or not all(event.get(name) for name in REQUIRED):
        return None
    dimensions = {"df_workspace_name": event["df_workspace_name"]}
    try:
        dimensions |= json.loads(event.get("df_dimension_tags") or "{}")
    except ValueError:
        pass
    return {
        "alertId": event["df_event_id"],
        "alertDims": dimensions,
        "metricName": "",
        "value": "",
        "metricUnit": "",
        "subject": event["df_title"],
        "content": event["df_message"],
        "time": int(event["date"] / 1000),
        "isRecover": event["df_status"] == "ok",
        "extInfo": {"df_status": event["df_status"]},
        "originInfo": {},
        "source": "guance",
    }


def taken(response):
    return response.status_code == 200 and response.json().get("code") == 0


main()
