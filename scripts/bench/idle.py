#!/usr/bin/env python3
"""Measures a binary at rest: how long from exec to listening without a broker, and what it holds while it forwards a topic in
which nothing happens, and, too, while it watches the brokers besides.

usage: idle.py BINARY [--kafka HOST:PORT,HOST:PORT…] [--rest SECONDS]

Runs a copy whose pages are read from the disk as they are needed, as after a boot: what a new kernel has just written it may map
in pieces of up to 2 MB. The allocator is set as in the units (packaging/systemd).

Prints Markdown. Without --kafka only the start is measured. scripts/kafka.sh start --brokers 3 starts a Kafka; each measurement
makes a topic of its own in it, and the events go to a receiver within this script.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STARTS = 25
EVENTS = 1000
LIMIT = 60  # seconds that anything may take
REST = 60  # seconds without events before the figure is read: sender threads end after 30
ALLOCATOR = {"MIMALLOC_PURGE_DELAY": "0"}
WATCHING = """[monitor]
interval = "10s"
[[alert]]
name = "lag"
metric = "group_lag"
above = 1000
[[alert]]
name = "offline"
metric = "partitions_offline"
above = 0
"""
received = 0


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global received
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        received += 1

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--kafka")
    parser.add_argument("--rest", type=int, default=REST)
    arguments = parser.parse_args()
    binary, kafka = arguments.binary, arguments.kafka
    print(f"{binary}, {os.path.getsize(binary):,} bytes, load {os.getloadavg()[0]:.1f}\n\n| what | figure |\n|---|---|")
    times = sorted(start(binary) for _ in range(STARTS))
    print(f"| exec to listening without a broker, {STARTS} starts | {times[0] * 1000:.1f} ms at least, "
          f"{statistics.median(times) * 1000:.1f} median, {times[-1] * 1000:.1f} at most |")
    if kafka:
        for what, watching in (("forwarding", ""), (f"forwarding, and watching {len(kafka.split(','))} brokers", WATCHING)):
            for name, value in idle(binary, kafka, watching, arguments.rest).items():
                print(f"| {what}: {name} | {value / 1e6:.1f} MB |")


def start(binary):
    """From exec until a connection to the page is accepted. Nobody listens on the broker's port."""
    with tempfile.TemporaryDirectory(prefix="idle", dir="/tmp") as folder:
        port = free_port()
        config = configuration(folder, port, f"127.0.0.1:{free_port()}", "http://127.0.0.1:1/")
        began = time.monotonic()
        with daemon(binary, config) as process:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    return time.monotonic() - began
                except ConnectionRefusedError:
                    if process.poll() is not None or time.monotonic() - began > LIMIT:
                        sys.exit(f"it does not listen: {open(config + '.log').read()}")
                    time.sleep(0.0002)


def idle(binary, kafka, watching, rest):
    """Resident memory once the events that were there are delivered and nothing has happened for a while."""
    global received
    received = 0
    topic = make_topic(binary, kafka, "watching" if watching else "forwarding")
    with tempfile.TemporaryDirectory(prefix="idle", dir="/tmp") as folder:
        fresh = as_after_a_boot(binary, folder)
        config = configuration(folder, free_port(), kafka, receiver(), topic, watching)
        with daemon(fresh, config) as process:
            produce(binary, kafka, topic)
            wait_for_events(process, config, LIMIT)
            # The one wait without a condition: what is measured is that nothing happens.
            time.sleep(rest)
            return {
                f"resident after {EVENTS} events and {rest} s of rest": status(process, "VmRSS"),
                "of that its own (anonymous)": status(process, "RssAnon"),
                "of that pages of the binary": status(process, "RssFile") + status(process, "RssShmem"),
                "peak resident": status(process, "VmHWM"),
            }


def receiver():
    """Starts it, and returns its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/"


def as_after_a_boot(binary, folder):
    copy = shutil.copy(binary, folder)
    with open(copy, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return copy


def make_topic(binary, kafka, name):
    topic = f"idle-{os.getpid()}-{name}"
    subprocess.run([binary, "topics", "create", topic, "--partitions", "3", "--replication-factor", "1",
                    "--bootstrap-server", kafka], stdout=subprocess.DEVNULL, check=True)
    return topic


def produce(binary, kafka, topic):
    lines = "".join(json.dumps({"number": number, "text": "x" * 1000}) + "\n" for number in range(EVENTS))
    subprocess.run([binary, "produce", topic, "--bootstrap-server", kafka], input=lines.encode(), stdout=subprocess.DEVNULL,
                   check=True)


def wait_for_events(process, config, limit):
    began = time.monotonic()
    while received < EVENTS:
        if process.poll() is not None or time.monotonic() - began > limit:
            sys.exit(f"{received} of {EVENTS} events came: {open(config + '.log').read()}")
        time.sleep(0.05)


def daemon(binary, config):
    log = open(config + ".log", "wb")
    process = subprocess.Popen([binary, "run", "--config", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               env={**os.environ, **ALLOCATOR})

    class Running:
        def __enter__(self):
            return process

        def __exit__(self, *_):
            process.kill()
            process.wait()
            log.close()

    return Running()


def configuration(folder, port, kafka, url, topic="idle", watching="", steps=""):
    path = os.path.join(folder, "barnabas.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""[kafka]
bootstrap_servers = {json.dumps(kafka.split(","))}
[state]
dir = "{folder}/state"
[http]
listen = "127.0.0.1:{port}"
[[forward]]
name = "idle"
topics = ["{topic}"]
start = "earliest"
{steps}
[forward.webhook]
url = "{url}"
{watching}""")
    return path


def status(process, field):
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


if __name__ == "__main__":
    main()
