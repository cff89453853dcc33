#!/usr/bin/env python3
"""A webhook for scripts/prove-static.sh: takes every POST and adds a byte to the file COUNTS/LAST-PART-OF-THE-PATH.

usage: https_sink.py CERTIFICATE KEY COUNTS      prints the ports: HTTPS, then HTTP
"""

import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        # O_APPEND: one byte from each thread, none lost.
        with open(os.path.join(sys.argv[3], os.path.basename(self.path)), "ab", buffering=0) as counts:
            counts.write(b".")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that ends is no news."""


def main():
    secure = Server(("127.0.0.1", 0), Sink)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    # The handshake in the connection's own thread, at its first read.
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    plain = Server(("127.0.0.1", 0), Sink)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    print(secure.server_address[1], plain.server_address[1], flush=True)
    secure.serve_forever()


main()
