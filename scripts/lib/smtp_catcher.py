#!/usr/bin/env python3
"""A mail server that keeps what it is sent: for the tests, and for a demonstration without a real one.

usage: smtp_catcher.py [--listen HOST:PORT] [--log FILE] [--heard FILE] [--starttls CERT KEY | --tls CERT KEY]
                       [--user NAME --password TEXT] [--cram-md5] [--refuse ADDRESS]… [--defer ADDRESS[:TIMES]]…
                       [--slow SECONDS]

Prints its port in a line of its own when it listens (127.0.0.1 and a free port, unless told). Ends with its standard
input or with a signal.

  --log FILE       each mail it took as a line of JSON: from, to, user, tls, ehlo, subject, headers, text, html, raw
  --heard FILE     every byte that clients said, without TLS around it
  --refuse         550 to this recipient; --defer: 451, always or so many times
  --slow SECONDS   how long it takes to accept a mail
  --cram-md5       offers CRAM-MD5 as well, and lets nobody in by it

Needs aiosmtpd (Debian: python3-aiosmtpd; need.sh smtp installs it).
"""

import argparse
import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

try:
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
except ImportError:
    # Debian's packages are for Debian's Python, which need not be the first in PATH.
    SYSTEM = "/usr/bin/python3"
    if os.path.exists(SYSTEM) and not os.environ.get("SMTP_CATCHER_AGAIN"):
        os.environ["SMTP_CATCHER_AGAIN"] = "1"
        os.execv(SYSTEM, [SYSTEM, *sys.argv])
    sys.exit("smtp_catcher.py: no aiosmtpd. Debian/Ubuntu: apt-get install python3-aiosmtpd; else: pip install aiosmtpd")


class Listening(SMTP):
    """Writes down what it hears."""

    heard = None

    def data_received(self, data):
        if self.heard:
            with open(self.heard, "ab") as file:
                file.write(data)
        super().data_received(data)


class ListeningCram(Listening):
    """Offers a third way to log in, which fails."""

    async def auth_CRAM__MD5(self, server, args):
        await server.challenge_auth(b"<1.2@catcher>")
        return AuthResult(success=False, handled=False)


class Handler:
    def __init__(self, options):
        self.options = options
        times = [text.partition(":") for text in options.defer]
        self.defer = {address: float(count or "inf") for address, _, count in times}

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address in self.options.refuse:
            return "550 5.1.1 No such user here"
        if self.defer.get(address, 0) > 0:
            self.defer[address] -= 1
            return "451 4.2.1 Mailbox busy, try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.options.slow:
            await asyncio.sleep(self.options.slow)
        if self.options.log:
            with open(self.options.log, "a", encoding="utf-8") as file:
                file.write(json.dumps(parsed(session, envelope), ensure_ascii=False) + "\n")
        return "250 OK"


def parsed(session, envelope):
    """What a mail program would show."""
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    return {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "user": session.auth_data.login.decode() if session.auth_data else None,
        "tls": session.ssl is not None,
        "ehlo": session.host_name,
        "subject": message["subject"],
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": text.get_content() if text else None,
        "html": html.get_content() if html else None,
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
        "raw": envelope.content.decode("latin-1"),
    }


def read_options():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--log")
    parser.add_argument("--heard")
    parser.add_argument("--starttls", nargs=2)
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--cram-md5", action="store_true")
    parser.add_argument("--refuse", action="append", default=[])
    parser.add_argument("--defer", action="append", default=[])
    parser.add_argument("--slow", type=float, default=0)
    return parser.parse_args()


def context(files):
    if not files:
        return None
    result = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    result.load_cert_chain(*files)
    return result


async def serve(options):
    loop = asyncio.get_running_loop()
    Listening.heard = options.heard
    handler = Handler(options)

    def authenticate(server, session, envelope, mechanism, data):
        known = LoginPassword((options.user or "").encode(), options.password.encode())
        success = isinstance(data, LoginPassword) and data == known
        return AuthResult(success=success, auth_data=data) if success else AuthResult(success=False, handled=False)

    def session():
        return (ListeningCram if options.cram_md5 else Listening)(
            handler,
            hostname="catcher",
            ident="catcher",
            tls_context=context(options.starttls),
            require_starttls=bool(options.starttls),
            auth_require_tls=bool(options.starttls),
            auth_required=bool(options.user),
            auth_exclude_mechanism=[] if options.user else ["LOGIN", "PLAIN"],
            authenticator=authenticate if options.user else None,
            loop=loop,
        )

    host, port = options.listen.rsplit(":", 1)
    server = await loop.create_server(session, host, int(port), ssl=context(options.tls))
    print(server.sockets[0].getsockname()[1], flush=True)
    # Whoever started it may be killed without a chance to end it.
    await loop.run_in_executor(None, sys.stdin.read)


def main():
    options = read_options()
    try:
        asyncio.run(serve(options))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
