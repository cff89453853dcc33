#!/usr/bin/env bash
# Throwaway Kafka clusters for the tests, the demo and a developer: real brokers on this machine, no containers.
#
# usage: scripts/kafka.sh COMMAND …
#
#   fetch [VERSION…]              get the jars by Maven (default 4.3.1); start does it by itself
#   start [--version V] [--brokers 1|3] [--dir D] [--tls] [--sasl] [--property K=V]… [--parent PID]
#                                 start a cluster on free ports, wait until it answers, print its addresses (K=V lines, as
#                                 in D/env). D is a new temporary folder if not given, and is then deleted by stop.
#                                 --parent: stop it when the process PID is gone, however it ended.
#         [--jmx open|password|tls] [--agent jolokia|exporter]… [--exporter-rules FILE] [--java-option OPTION]…
#                                 a JMX port on every broker (open: on two ports and with a wrong host name, as JMX_PORT
#                                 alone gives; password: one port, user monitor; tls: the same with TLS), Jolokia's or the
#                                 JMX exporter's agent on a port of its own; further options for the brokers' JVMs
#   stop --dir D                  kill the cluster (SIGKILL: what it holds is thrown away)
#   kill|freeze|thaw N --dir D    SIGKILL, SIGSTOP, SIGCONT to broker N (1…)
#   terminate N --dir D           SIGTERM to broker N, and wait for its clean end
#   restart N --dir D             end broker N cleanly if it runs, start it on the same ports, wait until it answers
#   status --dir D                a line a process: name, pid, running | frozen | gone
#   tool NAME --dir D ARGS…       a tool of that Kafka version: topics, groups, configs, offsets, delete-records,
#                                 console-producer, console-consumer, producer-perf (addresses are filled in), or a class name
#   helper --dir D ARGS…          tests/it/support/KafkaHelper.java, compiled against that version's client
#
# Versions: 4.3.1 3.9.2 (KRaft), 2.8.2 2.0.1 1.1.1 1.0.2 0.11.0.3 (with a ZooKeeper). --tls and --sasl need KRaft: SSL, MTLS
# (a client certificate is required), SASL_PLAINTEXT and SASL_SSL listeners beside PLAINTEXT; PLAIN user bob, SCRAM user alice.
# Jars are cached in $BARNABAS_KAFKA_HOME, else ~/.cache/barnabas/kafka.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/need.sh
. "$ROOT/scripts/lib/need.sh"
# shellcheck source=scripts/lib/kafka_fetch.sh
. "$ROOT/scripts/lib/kafka_fetch.sh"
# shellcheck source=scripts/lib/kafka_config.sh
. "$ROOT/scripts/lib/kafka_config.sh"
# shellcheck source=scripts/lib/kafka_jmx.sh
. "$ROOT/scripts/lib/kafka_jmx.sh"

START_ATTEMPTS=5
JAVA_OPTIONS=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1) # up sooner, with less memory
START_LIMIT=60 # seconds for brokers to answer; 3 s is usual, a busy machine with three of them takes longer

DIR='' VERSION=4.3.1 BROKERS=1 TLS='' SASL='' PARENT='' JMX='' EXPORTER_RULES=''
PROPERTIES=() AGENTS=() JAVA_EXTRA=()
REST=()

main() {
    local command=${1:-}
    shift || true
    case "$command" in
        fetch) command_fetch "$@" ;;
        start)
            parse_start "$@"
            command_start
            ;;
        stop | status | kill | freeze | thaw | terminate | restart | tool | helper | watch)
            parse_dir "$@"
            "command_$command" ${REST[@]+"${REST[@]}"}
            ;;
        -h | --help | help) print_header "$0" ;;
        *) usage_error "unknown command '$command'" ;;
    esac
}

command_fetch() {
    local version
    for version in "${@:-4.3.1}"; do
        kafka_fetch "$version"
    done
}

parse_start() {
    while (($#)); do
        case "$1" in
            --version) VERSION=${2:?--version needs a value} && shift ;;
            --brokers) BROKERS=${2:?--brokers needs a value} && shift ;;
            --dir) DIR=${2:?--dir needs a value} && shift ;;
            --property) PROPERTIES+=("${2:?--property needs a value}") && shift ;;
            --parent) PARENT=${2:?--parent needs a value} && shift ;;
            --tls) TLS=yes ;;
            --sasl) SASL=yes ;;
            --jmx) JMX=${2:?--jmx needs a value} && shift ;;
            --agent) AGENTS+=("${2:?--agent needs a value}") && shift ;;
            --exporter-rules) EXPORTER_RULES=${2:?--exporter-rules needs a value} && shift ;;
            --java-option) JAVA_EXTRA+=("${2:?--java-option needs a value}") && shift ;;
            *) usage_error "start does not know '$1'" ;;
        esac
        shift
    done
    case "$BROKERS" in 1 | 3) ;; *) usage_error "--brokers is 1 or 3" ;; esac
    case "$JMX" in '' | open | password | tls) ;; *) usage_error "--jmx is open, password or tls" ;; esac
    local agent
    for agent in ${AGENTS[@]+"${AGENTS[@]}"}; do
        case "$agent" in jolokia | exporter) ;; *) usage_error "--agent is jolokia or exporter" ;; esac
    done
    if [ -n "$TLS$SASL" ] && ! cluster_is_kraft; then
        usage_error "--tls and --sasl need Kafka 3.3 or newer"
    fi
}

# parse_dir ARGS…: takes --dir D out of them and loads the cluster; the others are left in REST. What follows a tool's name
# keeps its own options.
parse_dir() {
    while (($#)); do
        if [ "$1" = --dir ] && [ -z "$DIR" ]; then
            DIR=${2:?--dir needs a value}
            shift
        else
            REST+=("$1")
        fi
        shift
    done
    [ -n "$DIR" ] || usage_error "--dir D is missing: the folder that start printed"
    [ -f "$DIR/env" ] || die "$DIR/env does not exist: no cluster was started there"
    # shellcheck disable=SC1091 # written by write_env
    . "$DIR/env"
    LIBS="$KAFKA_HOME/$VERSION/libs"
}

# --- start and stop ---

command_start() {
    local attempt
    need java
    kafka_fetch "$VERSION"
    LIBS="$KAFKA_HOME/$VERSION/libs"
    if [ -z "$DIR" ]; then
        DIR=$(mktemp -d "${TMPDIR:-/tmp}/barnabas-kafka.XXXXXX")
        touch "$DIR/.temporary"
    fi
    mkdir -p "$DIR"
    DIR=$(cd "$DIR" && pwd)
    ! any_process_lives || die "a cluster already runs in $DIR"
    trap 'kill_everything; remove_if_temporary' EXIT
    [ -z "$TLS" ] && [ "$JMX" != tls ] || make_certificates
    local agent
    for agent in ${AGENTS[@]+"${AGENTS[@]}"}; do jmx_agent_jar "$agent" >/dev/null; done
    lock_starts
    for ((attempt = 1; attempt <= START_ATTEMPTS; attempt++)); do
        if try_start; then
            trap - EXIT
            exec 7>&-
            [ -z "$PARENT" ] || start_watcher
            cat "$DIR/env"
            return 0
        fi
        say "Kafka $VERSION did not start (attempt $attempt of $START_ATTEMPTS), next with other ports"
        kill_everything
    done
    tail -n 20 "$DIR"/broker-*/log >&2 || true
    die "Kafka $VERSION did not start $START_ATTEMPTS times; the end of its logs is above"
}

# One start at a time: two that chose the same port would each take the other's broker for theirs. What is started must not
# inherit the lock (descriptor 7).
lock_starts() {
    exec 7>"$KAFKA_HOME/.start-lock"
    if command -v flock >/dev/null; then
        flock -w 600 7 || die "another start has held $KAFKA_HOME/.start-lock for 10 minutes"
    fi
}

# try_start: one attempt on freshly chosen ports. A port that somebody else took in between ends the process: then 1.
try_start() {
    local broker
    PORTS_TAKEN=''
    choose_ports
    write_env
    rm -rf "$DIR"/broker-*/data "$DIR/zookeeper"
    for ((broker = 1; broker <= BROKERS; broker++)); do
        write_broker_config "$broker"
        write_java_options "$broker"
    done
    if cluster_is_kraft; then
        format_storage
    else
        write_zookeeper_config
        start_zookeeper
        wait_until 30 answers_or_is_gone zookeeper "${PORT_OF[ZOOKEEPER]}" || return 1
        lives zookeeper || return 1
    fi
    for ((broker = 1; broker <= BROKERS; broker++)); do
        start_broker "$broker"
    done
    wait_until "$START_LIMIT" all_answer_or_one_is_gone && all_live
}

command_stop() {
    kill_everything
    remove_if_temporary
}

# The whole cluster goes at once and without a goodbye: it is thrown away, and a frozen broker could not say one.
kill_everything() {
    local name
    for name in $(process_names); do
        signal "$name" KILL || true
    done
    for name in $(process_names); do
        wait_until 10 is_gone "$name" || say "$name (pid $(pid_of "$name")) does not die"
    done
}

remove_if_temporary() {
    if [ -f "$DIR/.temporary" ]; then rm -rf "$DIR"; fi
}

# The watcher lives in its own session, so that a Ctrl-C in the terminal reaches the parent first and then it.
start_watcher() {
    setsid "$BASH" "${BASH_SOURCE[0]}" watch "$PARENT" --dir "$DIR" >/dev/null 2>&1 </dev/null &
}

# command_watch PID: returns when that process is gone, or the cluster was stopped. Brokers that are all dead for a while
# are no end: a test may be about that.
command_watch() {
    local parent=$1
    until ! kill -0 "$parent" 2>/dev/null || [ ! -f "$DIR/env" ]; do
        sleep 0.5
    done
    [ ! -f "$DIR/env" ] || command_stop
}

# --- one broker ---

command_kill() { signal_broker KILL "$@"; }
command_freeze() { signal_broker STOP "$@"; }
command_thaw() { signal_broker CONT "$@"; }

signal_broker() {
    local name
    name=$(broker_name "${2:-}")
    signal "$name" "$1" || die "$name does not run"
    if [ "$1" = KILL ]; then wait_until 10 is_gone "$name" || die "$name does not die"; fi
}

command_terminate() {
    local name
    name=$(broker_name "${1:-}")
    signal "$name" TERM || die "$name does not run"
    # A combined KRaft node that lost its quorum waits for it at the end, for ever.
    wait_until 30 is_gone "$name" || command_kill "$1"
}

command_restart() {
    local name attempt
    name=$(broker_name "${1:-}")
    ! lives "$name" || command_terminate "$1"
    # ZooKeeper keeps a killed broker's registration until its session ends, and refuses the new one until then.
    for ((attempt = 1; attempt <= START_ATTEMPTS; attempt++)); do
        start_broker "$1"
        wait_until "$START_LIMIT" broker_answers_or_is_gone "$1" || die "$name does not answer; see $DIR/$name/log"
        ! lives "$name" || return 0
    done
    tail -n 20 "$DIR/$name/log" >&2
    die "$name did not start; the end of its log is above"
}

# broker_name N
broker_name() {
    if ! [[ "$1" =~ ^[1-9]$ ]] || (($1 > BROKERS)); then usage_error "which broker? 1…$BROKERS"; fi
    printf 'broker-%s' "$1"
}

command_status() {
    local name
    for name in $(process_names); do
        printf '%s\t%s\t%s\n' "$name" "$(pid_of "$name")" "$(state_of "$name")"
    done
}

# --- processes: DIR/NAME/pid, each in a process group of its own ---

process_names() {
    local broker
    for ((broker = 1; broker <= BROKERS; broker++)); do
        printf 'broker-%s\n' "$broker"
    done
    if [ -d "$DIR/zookeeper" ]; then printf 'zookeeper\n'; fi
}

pid_of() { cat "$DIR/$1/pid" 2>/dev/null || true; }

# lives NAME: the process of that pid is still ours (pids are used again) and not a zombie.
lives() {
    local pid
    pid=$(pid_of "$1")
    [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$DIR/$1/"
}

is_gone() { ! lives "$1"; }

all_live() {
    local name
    for name in $(process_names); do
        lives "$name" || return 1
    done
}

any_process_lives() {
    local name
    for name in $(process_names); do
        ! lives "$name" || return 0
    done
    return 1
}

state_of() {
    if ! lives "$1"; then
        printf 'gone'
    elif grep -q '^State:[[:space:]]*T' "/proc/$(pid_of "$1")/status" 2>/dev/null; then
        printf 'frozen'
    else
        printf 'running'
    fi
}

# signal NAME SIGNAL: to its whole group; 1 when it does not run.
signal() {
    lives "$1" && kill "-$2" -- "-$(pid_of "$1")" 2>/dev/null
}

# Kafka before 3 logs through log4j 1 itself; without a configuration it says nothing. Log4j 2 must not see it.
log4j_option() {
    if cluster_is_kraft; then
        printf '%s' -Dbarnabas.log=simple
        return 0
    fi
    [ -f "$DIR/log4j.properties" ] || cat >"$DIR/log4j.properties" <<PROPERTIES
log4j.rootLogger=WARN, stderr
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.target=System.err
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
log4j.appender.stderr.layout.ConversionPattern=%d{HH:mm:ss.SSS} [%t] %p %c - %m%n
PROPERTIES
    printf '%s' "-Dlog4j.configuration=file:$DIR/log4j.properties"
}

# run_java NAME HEAP ARGS…: in the background, in a session of its own, logging to DIR/NAME/log.
run_java() {
    local name=$1 heap=$2
    shift 2
    setsid java "-Xmx$heap" "${JAVA_OPTIONS[@]}" -Djava.awt.headless=true \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
        -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS "$(log4j_option)" \
        -cp "$LIBS/*" "$@" >>"$DIR/$name/log" 2>&1 </dev/null 7>&- &
    printf '%s\n' "$!" >"$DIR/$name/pid"
    disown # or bash would report the end of what is stopped on purpose
    # For a moment the new process is still this script, and would be taken for gone.
    wait_until 10 has_begun "$name" || true
}

has_begun() { lives "$1" || ! kill -0 "$(pid_of "$1")" 2>/dev/null; }

start_broker() {
    local heap=512m options=()
    [ "$BROKERS" = 1 ] || heap=320m
    mapfile -t options <"$DIR/broker-$1/java-options"
    run_java "broker-$1" "$heap" ${options[@]+"${options[@]}"} kafka.Kafka "$DIR/broker-$1/server.properties"
}

start_zookeeper() {
    run_java zookeeper 256m -Dzookeeper.admin.enableServer=false -Dzookeeper.jmx.log4j.disable=true \
        org.apache.zookeeper.server.quorum.QuorumPeerMain "$DIR/zookeeper/zoo.cfg"
}

# format_storage: KRaft wants its folders formatted, with the SCRAM users in them.
format_storage() {
    local broker id job jobs=() users=()
    # A Kafka UUID: 16 bytes in URL-safe base64, here without a leading dash, which would look like an option.
    id="A$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)"
    if [ -n "$SASL" ]; then
        local secret="name=$SASL_SCRAM_USER,password=$SASL_SCRAM_PASSWORD"
        users=(--add-scram "SCRAM-SHA-256=[$secret]" --add-scram "SCRAM-SHA-512=[$secret]")
    fi
    for ((broker = 1; broker <= BROKERS; broker++)); do
        java_tool kafka.tools.StorageTool format -t "$id" -c "$DIR/broker-$broker/server.properties" \
            ${users[@]+"${users[@]}"} >"$DIR/broker-$broker/format.log" 2>&1 &
        jobs+=("$!")
    done
    for job in "${jobs[@]}"; do
        wait "$job" || {
            cat "$DIR"/broker-*/format.log >&2
            die "StorageTool could not format the folders"
        }
    done
}

# --- does it answer? Asked in Kafka's protocol, without a Java that would take a second to start ---

# brokers_known PORT: how many brokers the broker at that port knows of; 1 when it gives no answer within 2 s.
brokers_known() {
    local answer
    # Metadata v1 with no topics: size 14, key 3, version 1, correlation 7, no client id, an empty array. The answer begins
    # with size, correlation and the number of brokers.
    answer=$( (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf '\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x07\xff\xff\x00\x00\x00\x00' >&3
        timeout 2 head -c 12 <&3 | od -An -v -tu1
    ) 2>/dev/null) || return 1
    # shellcheck disable=SC2086 # twelve numbers
    set -- $answer
    [ "$#" = 12 ] && [ "$8" = 7 ] && printf '%s' "${12}"
}

broker_port() {
    local variable="BROKER_$1"
    printf '%s' "${!variable##*:}"
}

# broker_answers N COUNT: it serves clients and knows of at least that many brokers.
broker_answers() { [ "$(brokers_known "$(broker_port "$1")")" -ge "$2" ] 2>/dev/null; }

broker_answers_or_is_gone() {
    local other running=0
    lives "broker-$1" || return 0
    for ((other = 1; other <= BROKERS; other++)); do
        [ "$(state_of "broker-$other")" != running ] || running=$((running + 1))
    done
    broker_answers "$1" "$running"
}

all_answer_or_one_is_gone() {
    local broker
    all_live || return 0
    # shellcheck disable=SC1091
    . "$DIR/env"
    for ((broker = 1; broker <= BROKERS; broker++)); do
        broker_answers "$broker" "$BROKERS" || return 1
    done
}

answers_or_is_gone() {
    lives "$1" || return 0
    (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null
}

# --- tools ---

# java_tool CLASS ARGS…
java_tool() {
    java -Xmx256m "${JAVA_OPTIONS[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=error "$(log4j_option)" -cp "$LIBS/*" "$@"
}

command_tool() {
    local name=${1:-} moved=kafka.admin reach=(--bootstrap-server "$BOOTSTRAP")
    [ -n "$name" ] || usage_error "which tool?"
    shift
    ! kafka_at_least "$VERSION" 3.7 || moved=org.apache.kafka.tools
    case "$name" in
        topics | configs)
            # They learned to speak to brokers in 2.2 and 2.5.
            kafka_at_least "$VERSION" 2.8 || reach=(--zookeeper "$ZOOKEEPER")
            if [ "$name" = topics ]; then name=$moved.TopicCommand; else name=kafka.admin.ConfigCommand; fi
            ;;
        groups)
            name=kafka.admin.ConsumerGroupCommand
            ! kafka_at_least "$VERSION" 3.7 || name=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
            ;;
        delete-records) name=$moved.DeleteRecordsCommand ;;
        offsets)
            name=kafka.tools.GetOffsetShell
            ! kafka_at_least "$VERSION" 3.7 || name=org.apache.kafka.tools.GetOffsetShell
            kafka_at_least "$VERSION" 3.0 || reach=(--broker-list "$BOOTSTRAP")
            ;;
        console-producer)
            name=kafka.tools.ConsoleProducer
            ! kafka_at_least "$VERSION" 4.0 || name=org.apache.kafka.tools.ConsoleProducer
            kafka_at_least "$VERSION" 2.8 || reach=(--broker-list "$BOOTSTRAP")
            ;;
        console-consumer)
            name=kafka.tools.ConsoleConsumer
            ! kafka_at_least "$VERSION" 3.9 || name=org.apache.kafka.tools.consumer.ConsoleConsumer
            ;;
        producer-perf)
            name=org.apache.kafka.tools.ProducerPerformance
            reach=(--producer-props "bootstrap.servers=$BOOTSTRAP")
            ;;
        *.*) reach=() ;;
        *) usage_error "unknown tool '$name'" ;;
    esac
    java_tool "$name" ${reach[@]+"${reach[@]}"} "$@"
}

# command_helper ARGS…: compiled once for a Kafka version and a text of the helper.
command_helper() {
    local source="$ROOT/tests/it/support/KafkaHelper.java" classes part
    classes="$KAFKA_HOME/$VERSION/helper-$(cksum <"$source" | tr ' ' '-')"
    if [ ! -d "$classes" ]; then
        need java
        part="$classes.part-$$"
        javac -nowarn -encoding UTF-8 -cp "$LIBS/*" -d "$part" "$source" 2>"$DIR/javac.log" || {
            cat "$DIR/javac.log" >&2
            die "javac could not compile $source"
        }
        mv -T "$part" "$classes" 2>/dev/null || rm -rf "$part" # somebody else was first
    fi
    exec java -Xmx256m "${JAVA_OPTIONS[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=error "$(log4j_option)" \
        -cp "$classes:$LIBS/*" KafkaHelper "$BOOTSTRAP" "$@"
}

main "$@"
