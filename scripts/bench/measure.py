"""Measures barnabas beside a plain Python consumer and a load generator, all against the same receiver, and prints a
Markdown table. scripts/bench/forward.sh calls it, and has brought up Kafka and filled the topics `events` and `large`.

usage: measure.py --bootstrap HOST:PORT --binaries FOLDER [--barnabas FILE] [--events N] [--compare FILE]… [SCENARIO…]

Scenarios: at-once, delayed, restart, memory (default: all of them). --compare: nothing but these binaries, one beside the other.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
COLUMNS = "| what | receiver | events | events/s | CPU s / 100,000 | peak resident | receiver's CPU s / 100,000 |"
HANGS = '[{"then": {"hang": true}}]'


class Process:
    """A child whose costs are read from /proc before it is killed."""

    def __init__(self, command, log):
        self.child = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.child.kill()
        self.child.wait()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident(self, field):
        """VmRSS (now) or VmHWM (at most so far), in MB of 1,000,000 bytes."""
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) * 1024 / 1e6


class Receiver(Process):
    """The example webhook-receiver on a port of its own."""

    def __init__(self, bench, *arguments):
        port_file = bench.folder / f"port-{time.monotonic_ns()}"
        program = bench.binaries / "examples" / "webhook-receiver"
        super().__init__([program, "--listen", "127.0.0.1:0", "--port-file", port_file, *arguments], bench.log)
        wait_for(port_file.exists, "the receiver")
        self.port = int(port_file.read_text())
        self.url = f"http://127.0.0.1:{self.port}/"
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)

    def stats(self):
        self.connection.request("GET", "/_stats")
        return json.loads(self.connection.getresponse().read())

    def taken(self):
        return self.stats()["by_status"].get("200", 0)


class Bench:
    def __init__(self, arguments, folder, log):
        self.bootstrap = arguments.bootstrap
        self.binaries = arguments.binaries
        self.barnabas_file = arguments.barnabas or arguments.binaries / "barnabas"
        self.events = arguments.events
        self.folder = folder
        self.log = log

    def configuration(self, url, topic="events", order_by=None, max_in_flight=None):
        """examples/guance.toml with our addresses and a state of its own: the mapping is always the one shipped."""
        text = (ROOT / "examples/guance.toml").read_text()
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        forward = f'topics = ["{topic}"]\nstart = "earliest"\n'
        if order_by:
            forward += f'order_by = "{order_by}"\n'
        if max_in_flight:
            forward += f"max_in_flight = {max_in_flight}\n"
        for pattern, replacement in [
            (r"^bootstrap_servers = .*", f'bootstrap_servers = ["{self.bootstrap}"]'),
            (r"^dir = .*", f'dir = "{folder}/state"'),
            (r"^\[http\]\nlisten = .*", ""),
            (r"^(group|start) = .*", ""),
            (r"^topics = .*", forward),
            (r"^url = .*", f'url = "{url}"'),
        ]:
            text, found = re.subn(pattern, replacement, text, flags=re.MULTILINE)
            assert found, f"examples/guance.toml has no line like {pattern}"
        file = folder / "barnabas.toml"
        file.write_text(text)
        return file

    def barnabas(self, configuration):
        return Process([self.barnabas_file, "run", "--config", configuration], self.log)

    def python(self, url, events, topic="events"):
        consumer = pathlib.Path(__file__).with_name("consumer.py")
        return Process([sys.executable, consumer, self.bootstrap, topic, url, events], self.log)

    def load(self, url, events, in_flight):
        return Process([self.binaries / "examples/webhook-load", url, events, in_flight, 1024], self.log)


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"measure.py: waited {seconds} s for {what}")
        time.sleep(0.005)


def measure(bench, what, receiver_arguments, events, start):
    """One row: from the first request to the last answer, with all that the process ever used until then."""
    with Receiver(bench, "--count-only", *receiver_arguments) as receiver, start(receiver) as process:
        cpu, resident = 0.0, 0.0

        def done():
            nonlocal cpu, resident
            # The costs before the count: a process that sends a known number ends right after the last.
            with contextlib.suppress(OSError, TypeError):
                cpu, resident = process.cpu_seconds(), process.resident("VmHWM")
            time.sleep(0.02)
            return receiver.taken() >= events

        wait_for(done, f"{events} requests of {what}", 600)
        stats = receiver.stats()
        rate = stats["requests"] / max(stats["last_ms"] - stats["first_ms"], 1) * 1000
        share = 100_000 / stats["requests"]
        delay = receiver_arguments[-1] if receiver_arguments else "at once"
        print(
            f"| {what} | {delay} | {stats['requests']:,} | {rate:,.0f} | {cpu * share:.2f} | {resident:.1f} MB "
            f"| {receiver.cpu_seconds() * share:.2f} |",
            flush=True,
        )
        return rate, cpu * share


def heading():
    print("\n" + COLUMNS + "\n|---|---|---|---|---|---|---|", flush=True)


def at_once(bench):
    heading()
    events = bench.events
    rate, cpu = measure(bench, "Python consumer", [], events // 5, lambda it: bench.python(it.url, events // 5))
    best = measure(bench, "load generator, 16 in flight", [], events, lambda it: bench.load(it.url, events, 16))
    results = {}
    for order in "partition", "key", "none":
        what = f"barnabas, order_by = {order}"
        results[order] = measure(bench, what, [], events, lambda it: bench.barnabas(bench.configuration(it.url, order_by=order)))
    print()
    for order, (own_rate, own_cpu) in results.items():
        print(
            f"- order_by = {order}: {own_rate / rate:.1f} × the Python consumer's rate, 1/{cpu / own_cpu:.1f} of its CPU; "
            f"{own_rate / best[0] * 100:.0f} % of the load generator's rate"
        )


def delayed(bench):
    heading()
    delay = ["--delay", "20ms"]
    measure(bench, "Python consumer", delay, 2000, lambda it: bench.python(it.url, 2000))
    events = bench.events
    measure(bench, "load generator, 64 in flight", delay, events, lambda it: bench.load(it.url, events, 64))
    print_later = []
    for order in "none", "key":
        what = f"barnabas, order_by = {order}, 64 in flight"
        configured = lambda it: bench.barnabas(bench.configuration(it.url, order_by=order, max_in_flight=64))
        rate, _ = measure(bench, what, delay, events, configured)
        print_later.append(f"- order_by = {order}: {rate / (64 / 0.020) * 100:.1f} % of 64 / 20 ms")
    print("\n" + "\n".join(print_later))


def restart(bench, times=5):
    """Kills it in the middle, starts it again, and waits for the first request after that."""
    waits = []
    with Receiver(bench, "--count-only") as receiver:
        configuration = bench.configuration(receiver.url)
        process = bench.barnabas(configuration)
        for _ in range(times):
            before = receiver.taken()
            wait_for(lambda: receiver.taken() > before + bench.events // 20, "deliveries")
            process.kill()
            time.sleep(0.5)
            before = receiver.taken()
            started = time.monotonic()
            process = bench.barnabas(configuration)
            wait_for(lambda: receiver.taken() > before, "the first delivery after a kill")
            waits.append(time.monotonic() - started)
        process.kill()
    print(f"\nFrom a start after kill -9 to the first delivery, {times} times: " + ", ".join(f"{wait:.2f} s" for wait in waits))


def memory(bench):
    print("\n| barnabas, buffer_size = 8 MiB | resident | at most so far |\n|---|---|---|")
    with Receiver(bench, "--count-only") as receiver, bench.barnabas(bench.configuration(receiver.url, "nothing")) as process:
        time.sleep(10)
        report("idle: an empty topic, after 10 s", process)
    for topic, what in [("events", f"{bench.events:,} × 1 KB"), ("large", "2,000 × 500 KB")]:
        for in_flight in 16, 64:
            with Receiver(bench, "--script", HANGS, "--count-only") as receiver:
                configuration = bench.configuration(receiver.url, topic, "none", in_flight)
                with bench.barnabas(configuration) as process:
                    # Longer than the time limit of a request (10 s), so that there are second attempts in it.
                    time.sleep(25)
                    asked = receiver.stats()["requests"]
                    report(f"{what} before a receiver that hangs, {in_flight} in flight, {asked} requests in 25 s", process)


def report(what, process):
    print(f"| {what} | {process.resident('VmRSS'):.1f} MB | {process.resident('VmHWM'):.1f} MB |", flush=True)


def compare(bench, files, rounds=5):
    """The same work by each of the binaries, in turns, so that what else the machine does hits all of them."""
    heading()
    results = {file: [] for file in files}
    for _ in range(rounds):
        for file in files:
            bench.barnabas_file = file
            results[file].append(measure(bench, file.name, [], bench.events, lambda it: bench.barnabas(bench.configuration(it.url))))
    print(f"\n| medians of {rounds} | bytes | events/s | CPU s / 100,000 | rate, first = 100 % | CPU, first = 100 % |\n|---|---|---|---|---|---|")
    medians = {file: [statistics.median(column) for column in zip(*results[file])] for file in files}
    first_rate, first_cpu = medians[files[0]]
    for file, (rate, cpu) in medians.items():
        print(
            f"| {file.name} | {file.stat().st_size:,} | {rate:,.0f} | {cpu:.2f} | {rate / first_rate * 100:.0f} % | {cpu / first_cpu * 100:.0f} % |"
        )


SCENARIOS = {"at-once": at_once, "delayed": delayed, "restart": restart, "memory": memory}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--binaries", required=True, type=pathlib.Path)
    parser.add_argument("--barnabas", type=pathlib.Path)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--compare", type=pathlib.Path, action="append")
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS))
    arguments = parser.parse_args()
    # A kill of this script must end the children, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-bench."))
    with open(folder / "log", "w") as log:
        bench = Bench(arguments, folder, log)
        if arguments.compare:
            compare(bench, arguments.compare)
            arguments.scenarios = []
        for scenario in arguments.scenarios:
            SCENARIOS[scenario](bench)
    shutil.rmtree(folder)


main()
