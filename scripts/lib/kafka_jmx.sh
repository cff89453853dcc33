# shellcheck shell=bash
# JMX of a throwaway cluster's brokers: the JVM's own port and the agents of Jolokia and of the JMX exporter. Writes the
# options that a broker's JVM gets, one a line, to DIR/broker-N/java-options. To be sourced after common.sh, need.sh and
# kafka_fetch.sh; the variables of a cluster (DIR, VERSION, BROKERS, JMX, AGENTS, JAVA_EXTRA, PORT_OF) are kafka.sh's.

JMX_USER=monitor
JMX_PASSWORD=monitor-secret
JOLOKIA_VERSION=2.1.2
EXPORTER_VERSION=1.0.1

# jmx_agent_jar NAME: the file in the cache; fetched from Maven Central when it is not there.
jmx_agent_jar() {
    local folder="$KAFKA_HOME/agents"
    case "$1" in
        jolokia) jmx_fetch "$folder/jolokia-$JOLOKIA_VERSION.jar" "org.jolokia:jolokia-agent-jvm:$JOLOKIA_VERSION:jar:javaagent" ;;
        exporter) jmx_fetch "$folder/exporter-$EXPORTER_VERSION.jar" "io.prometheus.jmx:jmx_prometheus_javaagent:$EXPORTER_VERSION" ;;
    esac
}

# jmx_fetch FILE ARTIFACT: prints FILE. It appears by a rename, so what is there is complete.
jmx_fetch() {
    local file=$1 part="$1.part-$$"
    if [ ! -f "$file" ]; then
        need maven
        mkdir -p "$part"
        say "fetching $2 from Maven Central"
        mvn -q -B dependency:copy -Dartifact="$2" -DoutputDirectory="$part" >"$part/mvn.log" 2>&1 7>&- 8>&- || {
            tail -n 20 "$part/mvn.log" >&2
            die "Maven could not fetch $2"
        }
        mv "$part"/*.jar "$file"
        rm -rf "$part"
    fi
    printf '%s' "$file"
}

# jmx_port_names: what needs a port on every broker, beside the listeners.
jmx_port_names() {
    local agent
    if [ -n "$JMX" ]; then printf 'JMX\n'; fi
    for agent in ${AGENTS[@]+"${AGENTS[@]}"}; do printf '%s\n' "${agent^^}"; done
}

# jmx_env: its part of what start prints.
jmx_env() {
    local name broker
    for ((broker = 1; broker <= BROKERS; broker++)); do
        for name in $(jmx_port_names); do
            printf '%s_%s=127.0.0.1:%s\n' "$name" "$broker" "${PORT_OF[$name-$broker]}"
        done
    done
    case "$JMX" in password | tls) printf 'JMX_USER=%s\nJMX_PASSWORD=%s\n' "$JMX_USER" "$JMX_PASSWORD" ;; esac
}

# write_java_options BROKER
write_java_options() {
    local broker=$1 agent jar
    {
        jmx_options "$broker"
        for agent in ${AGENTS[@]+"${AGENTS[@]}"}; do
            jar=$(jmx_agent_jar "$agent")
            case "$agent" in
                jolokia) printf -- '-javaagent:%s=host=127.0.0.1,discoveryEnabled=false,port=%s\n' "$jar" "${PORT_OF[JOLOKIA-$broker]}" ;;
                exporter) printf -- '-javaagent:%s=127.0.0.1:%s:%s\n' "$jar" "${PORT_OF[EXPORTER-$broker]}" "$(exporter_rules "$broker")" ;;
            esac
        done
        if ((${#JAVA_EXTRA[@]})); then printf '%s\n' "${JAVA_EXTRA[@]}"; fi
    } >"$DIR/broker-$broker/java-options"
}

# jmx_options BROKER: `open` is what JMX_PORT alone gives: the object on a port of its own, under a host name that nobody
# can reach (as from a container). The others have both on one port, for a firewall.
jmx_options() {
    local port=${PORT_OF[JMX-$1]:-} p=-Dcom.sun.management.jmxremote
    case "$JMX" in
        open) printf '%s\n' $p.authenticate=false $p.ssl=false -Djava.rmi.server.hostname=kafka.invalid ;;
        password) printf '%s\n' $p.ssl=false ;;
        tls)
            printf '%s\n' $p.ssl=true $p.registry.ssl=true "-Djavax.net.ssl.keyStore=$DIR/tls/server.p12" \
                -Djavax.net.ssl.keyStoreType=PKCS12 -Djavax.net.ssl.keyStorePassword=barnabas
            ;;
        *) return 0 ;;
    esac
    printf '%s\n' "$p.port=$port"
    [ "$JMX" != open ] || return 0
    printf '%s\n' "$p.rmi.port=$port" $p.authenticate=true \
        "$p.password.file=$DIR/jmx.password" "$p.access.file=$DIR/jmx.access"
    # The JVM refuses to start with a password file that others may read.
    (umask 077 && printf '%s %s\n' "$JMX_USER" "$JMX_PASSWORD" >"$DIR/jmx.password")
    printf '%s readonly\n' "$JMX_USER" >"$DIR/jmx.access"
}

# exporter_rules BROKER: writes the rules, prints the file. With --agent exporter all that Kafka has under the default
# names; EXPORTER_RULES names a file with other rules.
exporter_rules() {
    local file="$DIR/broker-$1/exporter.yml"
    if [ -n "$EXPORTER_RULES" ]; then
        cp "$EXPORTER_RULES" "$file"
    else
        printf 'includeObjectNames: ["kafka.*:*", "java.lang:*"]\nrules:\n- pattern: ".*"\n' >"$file"
    fi
    printf '%s' "$file"
}
