#!/usr/bin/env python3
"""Which functions of a binary lie side by side: those that a daemon uses while it runs, so that the rest of the binary need
not be in memory. A list of names holds for every target and compiler, since a name has no hash, no type arguments and only the
first and last path of what it was made of.

usage: link_order.py select BINARY HOT_FUNCTIONS            symbols of the linker, in order, to stdout
       link_order.py record BINARY CALLGRIND_OUTPUT…        HOT_FUNCTIONS, to stdout

BINARY is not stripped. HOT_FUNCTIONS (scripts/lib/hot_functions.txt) has a line for each path: the path, then the names below it.
Needs nm of binutils or LLVM ($NM, default nm).
"""

import collections
import os
import re
import subprocess
import sys

NM = os.environ.get("NM", "nm")
PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_{][A-Za-z0-9_#{}]*)*")
# Of all that has a name in common, at least this part must have been used.
USED = 0.3


def main():
    command, binary, *rest = sys.argv[1:]
    functions = list(read_functions(binary))
    if command == "select":
        hot = set(read_list(rest[0]))
        for _, _, symbol, name in functions:
            if key(name) in hot:
                print(symbol)
    else:
        write_list(used_keys(functions, rest))


def read_functions(binary):
    """Address, size, symbol and readable name of each function, in the order of addresses."""
    table = [nm(binary), nm(binary, "--demangle")]
    for plain, readable in zip(*table):
        address, size, kind, symbol = plain.split(" ", 3)
        if kind in "tTwW":
            yield int(address), int(size), symbol, readable.split(" ", 3)[3]


def nm(binary, *arguments):
    command = [NM, "--print-size", "--numeric-sort", "--radix=d", "--defined-only", *arguments, binary]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if re.match(r"\d+ \d+ ", line)]


def key(name):
    """`<alloc::vec::Vec<T>>::push` is alloc::vec::Vec and push; for C code both are the name itself."""
    paths = PATH.findall(name)
    return (paths[0], paths[-1]) if paths else (name, name)


def used_keys(functions, profiles):
    used = set()
    for profile in profiles:
        with open(profile, encoding="utf-8") as lines:
            # callgrind writes a name once, and a 'N behind that of a recursion.
            used.update(found[1] for found in (re.match(r"c?fn=\(\d+\) (.*?)(?:'\d+)?$", line) for line in lines) if found)
    # Several names may stand for one function: the linker folds equal ones.
    addresses = {address for address, _, symbol, name in functions if symbol in used or name in used}
    sizes = collections.defaultdict(lambda: [0, 0])
    for address, size, _, name in functions:
        sizes[key(name)][address in addresses] += size
    return {names for names, (cold, hot) in sizes.items() if hot > USED * (hot + cold)}


def write_list(keys):
    by_path = collections.defaultdict(list)
    for path, name in keys:
        by_path[path].append(name)
    print("# Functions that a daemon uses while it runs. Written by scripts/bench/hot_functions.sh, read by scripts/lib/link_order.py.")
    for path, names in sorted(by_path.items()):
        print(path, *sorted("=" if name == path else name for name in names))


def read_list(file):
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                path, *names = line.split()
                yield from ((path, path if name == "=" else name) for name in names)


main()
