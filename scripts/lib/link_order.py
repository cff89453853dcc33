#!/usr/bin/env python3
"""Which functions of a binary lie side by side: those that a daemon uses while it runs, so that the rest of the binary need
not be in memory. Functions are known by a checksum of their names as people read them: those have nothing in them of the
compiler or of the processor. A name that is not found costs nothing but its place.

usage: link_order.py select BINARY HOT_FUNCTIONS            symbols of the linker, in order, to stdout
       link_order.py record BINARY CALLGRIND_OUTPUT         HOT_FUNCTIONS, to stdout

BINARY is not stripped. HOT_FUNCTIONS is scripts/lib/hot_functions.txt. Needs nm of binutils or LLVM ($NM, default nm).
"""

import os
import re
import subprocess
import sys
import zlib

NM = os.environ.get("NM", "nm")
A_LINE = 15  # checksums


def main():
    command, binary, file = sys.argv[1:]
    functions = list(read_functions(binary))
    if command == "select":
        hot = read_list(file)
        sys.stdout.writelines(f"{symbol}\n" for _, symbol, name in functions if checksum(name) in hot)
    else:
        write_list(used(functions, file))


def read_functions(binary):
    """Address, symbol and readable name of each function, in the order of addresses."""
    for plain, readable in zip(nm(binary), nm(binary, "--demangle")):
        address, _, kind, symbol = plain.split(" ", 3)
        if kind in "tTwW":
            # LLVM numbers functions of the same name, and nm puts that in brackets.
            yield address, symbol, re.sub(r" \(\.[^)]*\)$", "", readable.split(" ", 3)[3])


def nm(binary, *arguments):
    command = [NM, "--print-size", "--numeric-sort", "--radix=d", "--defined-only", *arguments, binary]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if re.match(r"\d+ \d+ ", line)]


def used(functions, profile):
    with open(profile, encoding="utf-8") as lines:
        # callgrind writes a name once, with 'N behind it in a recursion.
        found = (re.match(r"c?fn=\(\d+\) (.*?)(?:'\d+)?$", line) for line in lines)
        names = {match[1] for match in found if match}
    # Several names may stand for one function, since the linker folds equal ones; elsewhere they may not be equal.
    addresses = {address for address, symbol, name in functions if symbol in names or name in names}
    return {checksum(name) for address, _, name in functions if address in addresses}


def checksum(name):
    return f"{zlib.crc32(name.encode()):08x}"


def write_list(checksums):
    print("# Functions that a daemon uses while it runs. Written by scripts/bench/hot_functions.py, read by scripts/lib/link_order.py.")
    ordered = sorted(checksums)
    for start in range(0, len(ordered), A_LINE):
        print(*ordered[start : start + A_LINE])


def read_list(file):
    with open(file, encoding="utf-8") as lines:
        return {word for line in lines if not line.startswith("#") for word in line.split()}


main()
