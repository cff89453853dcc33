# shellcheck shell=bash
# The second half of demo.sh: a consumer group that falls behind, the mail that says so, and the mail that says it is
# over, in a mail server that this starts. To be sourced after common.sh and need.sh; uses demo.sh's DIR, CONFIG, BARNABAS
# and ONCE.

MAIL_LIMIT=60 # for a poll, the wait for others and the mail, on a busy machine
MAIL_PID=''
MAILS='' # the file with what was mailed; empty: this half is left out

have_mail_programs() { have_smtp && command -v openssl >/dev/null; }

# start_mail_server: before the configuration is written. Without the programs for it the half that needs it is left out,
# but not where --once could have installed them.
start_mail_server() {
    if ! have_mail_programs && { [ -z "$ONCE" ] || ! can_install; } && ! (need smtp openssl); then
        say "Watching and mail are left out of this demonstration."
        return 0
    fi
    need smtp openssl
    title "Starting a mail server with STARTTLS, which keeps what it gets"
    make_mail_certificate
    # It would end with its standard input: one that it holds open itself lasts until it is stopped.
    mkfifo "$DIR/mail.stdin"
    python3 "$ROOT/scripts/lib/smtp_catcher.py" --log "$DIR/mails.jsonl" --starttls "$DIR/mail-cert.pem" "$DIR/mail-key.pem" \
        --user barnabas --password demo-password <>"$DIR/mail.stdin" >"$DIR/mail.port" 2>"$DIR/mail.log" &
    MAIL_PID=$!
    wait_until 20 test -s "$DIR/mail.port" || die "the mail server did not start: $(cat "$DIR/mail.log")"
    MAILS=$DIR/mails.jsonl
    touch "$MAILS"
    echo "localhost:$(cat "$DIR/mail.port")"
}

# One that signs itself and says that it is no authority; a file of our own, since the defaults differ between versions.
make_mail_certificate() {
    cat >"$DIR/mail.cnf" <<CONFIG
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = localhost
[extensions]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost
CONFIG
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -config "$DIR/mail.cnf" \
        -keyout "$DIR/mail-key.pem" -out "$DIR/mail-cert.pem" 2>"$DIR/openssl.log" ||
        die "openssl made no certificate: $(cat "$DIR/openssl.log")"
}

# What is added to the example: as in examples/monitor.toml, but with times for somebody who is waiting.
monitor_config() {
    [ -n "$MAILS" ] || return 0
    cat <<CONFIG

# --- added by the demonstration ---

[monitor]
interval = "1s"

[[alert]]
name = "group-backlog"
metric = "group_lag"
labels = { group = "order-readers" }
above = 1000
summary = "Group {group} is {value} messages behind in topic {topic}"
notify = ["ops"]

[notify.ops]
group_wait = "1s"
group_interval = "1s"

[notify.ops.email]
smtp = "localhost:$(cat "$DIR/mail.port")"
encryption = "starttls"
tls = { ca_file = "$DIR/mail-cert.pem" }
username = "barnabas"
password = "demo-password"
from = "Kafka <kafka@example.com>"
to = ["oncall@example.com"]
CONFIG
}

# 0: both mails came, or this half is left out.
watch_and_mail() {
    [ -n "$MAILS" ] || return 0
    title "Watching: what was added to the configuration"
    monitor_config | sed '1,/added by/d'
    title "A group falls behind: 1500 messages in orders, and order-readers at their beginning"
    "$BARNABAS" topics create orders --partitions 3 --replication-factor 1 --config "$CONFIG" || return 1
    seq 1500 | "$BARNABAS" produce orders --config "$CONFIG" >/dev/null || return 1
    "$BARNABAS" groups reset order-readers orders earliest --yes --config "$CONFIG" || return 1
    show_mail 1 "says so" || return 1
    title "barnabas alerts list"
    "$BARNABAS" alerts list --config "$CONFIG" || return 1
    title "The group catches up: barnabas groups reset order-readers orders latest"
    "$BARNABAS" groups reset order-readers orders latest --yes --config "$CONFIG" || return 1
    show_mail 2 "says that it is over"
}

# show_mail N WHAT: waits for mail N and prints it; 1: it did not come, or others did.
show_mail() {
    wait_until "$MAIL_LIMIT" mails_came "$1" || {
        say "the mail that $2 did not come within $MAIL_LIMIT s; see $DIR/barnabas.log:"
        tail -n 5 "$DIR/barnabas.log" >&2
        return 1
    }
    title "The mail that $2"
    sed -n "${1}p" "$MAILS" | python3 -c '
import json, sys
mail = json.load(sys.stdin)
headers = dict(mail["headers"])
for name in ("From", "To", "Subject", "Message-ID", "In-Reply-To"):
    if name in headers:
        print(f"{name}: {headers[name]}")
print()
print(mail["text"], end="")'
}

mails_came() { [ "$(wc -l <"$MAILS")" -ge "$1" ]; }

# For who looks around in what is left running.
monitor_hints() {
    [ -n "$MAILS" ] || return 0
    cat <<TEXT
             $BARNABAS groups reset order-readers orders earliest --yes --config $CONFIG
             $BARNABAS alerts test --config $CONFIG    (mails, a line of JSON each: $MAILS)
TEXT
}

stop_mail_server() {
    [ -z "$MAIL_PID" ] || kill "$MAIL_PID" 2>/dev/null || true
}
