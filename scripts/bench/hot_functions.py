#!/usr/bin/env python3
"""Finds out which functions a daemon uses while it forwards a topic, watches brokers, raises an alert and ends it, and is
asked for its figures: scripts/build-static.sh lays them side by side.

usage: hot_functions.py UNSTRIPPED --kafka HOST:PORT,HOST:PORT… >scripts/lib/hot_functions.txt

UNSTRIPPED is target/static-WAY/TARGET/release/barnabas. To be repeated when the binary keeps more of its pages in memory than
scripts/bench/idle.py showed before. Needs valgrind and binutils; takes two minutes.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import idle

LIB = pathlib.Path(__file__).resolve().parents[1] / "lib"
# An alert that begins with the first events and ends with the last.
WATCHING = idle.WATCHING.replace('interval = "10s"', 'interval = "5s"').replace("above = 1000", "above = 10")
ASKED = ["/metrics", "/readyz", "/healthz", "/api/status"]
# What most forwards have.
STEPS = 'filter = ".number >= 0"\ntransform = "{number, text: (.text | ascii_upcase), at: (now | todate)}"'
POLLS = 40  # seconds for polls and alerts when all events are there
LIMIT = 300  # seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--kafka", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hot", dir="/tmp") as folder:
        # Without the C code's debug information, which valgrind may not be able to read.
        binary = os.path.join(folder, "barnabas")
        subprocess.run(["strip", "--strip-debug", "-o", binary, arguments.binary], check=True)
        profile = os.path.join(folder, "callgrind")
        run(binary, arguments.kafka, folder, profile)
        subprocess.run([sys.executable, LIB / "link_order.py", "record", binary, profile], check=True)


def run(binary, kafka, folder, profile):
    topic = idle.make_topic(binary, kafka, "hot")
    idle.produce(binary, kafka, topic)
    port = idle.free_port()
    config = idle.configuration(folder, port, kafka, idle.receiver(), topic, WATCHING, STEPS)
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", binary, "run", "--config", config]
    with open(config + ".log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            idle.wait_for_events(process, config, LIMIT)
            ask(port)
            # Without a condition: what is wanted is what goes on by itself.
            time.sleep(POLLS)
            ask(port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(LIMIT)


def ask(port):
    for path in ASKED:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=LIMIT).read()
        except urllib.error.HTTPError as refused:
            refused.read()


main()
