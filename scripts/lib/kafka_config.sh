# shellcheck shell=bash
# Writes the files of a throwaway cluster: broker settings, ZooKeeper's, certificates. Starts nothing. To be sourced after
# common.sh and kafka_fetch.sh; the variables of a cluster (DIR, VERSION, BROKERS, TLS, SASL, PROPERTIES) are kafka.sh's.

SASL_PLAIN_USER=bob
SASL_PLAIN_PASSWORD=bob-secret
SASL_SCRAM_USER=alice
SASL_SCRAM_PASSWORD=alice-secret

# cluster_is_kraft: else it needs ZooKeeper.
cluster_is_kraft() { kafka_at_least "$VERSION" 3.3; }

# free_port: one that nobody listens on, below the range that outgoing connections take theirs from.
free_port() {
    local port tries=0
    while ((tries++ < 200)); do
        port=$((20000 + RANDOM % 12000))
        case " ${PORTS_TAKEN:-} " in *" $port "*) continue ;; esac
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            PORTS_TAKEN="${PORTS_TAKEN:-} $port"
            PORT=$port
            return 0
        fi
    done
    die "no free port between 20000 and 32000"
}

# listener_names: the listeners of every broker, in order.
listener_names() {
    printf 'PLAINTEXT\n'
    if [ -n "$TLS" ]; then printf 'SSL\nMTLS\n'; fi
    if [ -n "$SASL" ]; then printf 'SASL_PLAINTEXT\n'; fi
    if [ -n "$TLS" ] && [ -n "$SASL" ]; then printf 'SASL_SSL\n'; fi
}

# choose_ports: into the associative array PORT_OF (NAME-BROKER) and PORT_OF[ZOOKEEPER].
choose_ports() {
    local broker name
    declare -gA PORT_OF=()
    for ((broker = 1; broker <= BROKERS; broker++)); do
        for name in $(listener_names) CONTROLLER $(jmx_port_names); do
            free_port
            PORT_OF[$name-$broker]=$PORT
        done
    done
    free_port
    PORT_OF[ZOOKEEPER]=$PORT
}

# addresses NAME: HOST:PORT,… of that listener of all brokers.
addresses() {
    local broker all=()
    for ((broker = 1; broker <= BROKERS; broker++)); do
        all+=("127.0.0.1:${PORT_OF[$1-$broker]}")
    done
    (IFS=, && printf '%s' "${all[*]}")
}

# write_env: what a test or a person sources to use the cluster.
write_env() {
    local name broker
    {
        printf 'DIR=%s\nVERSION=%s\nBROKERS=%s\nTLS=%s\nSASL=%s\n' "$DIR" "$VERSION" "$BROKERS" "$TLS" "$SASL"
        printf 'BOOTSTRAP=%s\n' "$(addresses PLAINTEXT)"
        for name in $(listener_names); do
            printf '%s=%s\n' "$name" "$(addresses "$name")"
        done
        for ((broker = 1; broker <= BROKERS; broker++)); do
            printf 'BROKER_%s=127.0.0.1:%s\n' "$broker" "${PORT_OF[PLAINTEXT-$broker]}"
        done
        if ! cluster_is_kraft; then printf 'ZOOKEEPER=127.0.0.1:%s\n' "${PORT_OF[ZOOKEEPER]}"; fi
        jmx_env
        if [ -d "$DIR/tls" ]; then
            printf 'CA_FILE=%s\nWRONG_CA_FILE=%s\n' "$DIR/tls/ca.pem" "$DIR/tls/wrong-ca.pem"
            printf 'CLIENT_CERT_FILE=%s\nCLIENT_KEY_FILE=%s\n' "$DIR/tls/client.pem" "$DIR/tls/client-key.pem"
        fi
        if [ -n "$SASL" ]; then
            printf 'SASL_PLAIN_USER=%s\nSASL_PLAIN_PASSWORD=%s\n' "$SASL_PLAIN_USER" "$SASL_PLAIN_PASSWORD"
            printf 'SASL_SCRAM_USER=%s\nSASL_SCRAM_PASSWORD=%s\n' "$SASL_SCRAM_USER" "$SASL_SCRAM_PASSWORD"
        fi
    } >"$DIR/env.part"
    mv "$DIR/env.part" "$DIR/env"
}

# write_broker_config N: DIR/broker-N/server.properties.
write_broker_config() {
    local broker=$1 home="$DIR/broker-$1" copies=$((BROKERS >= 3 ? 3 : 1))
    mkdir -p "$home"
    {
        if cluster_is_kraft; then kraft_settings "$broker"; else zookeeper_settings "$broker"; fi
        cat <<PROPERTIES
log.dirs=$home/data
num.network.threads=2
num.io.threads=4
num.partitions=1
default.replication.factor=$copies
offsets.topic.num.partitions=4
offsets.topic.replication.factor=$copies
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$((copies > 1 ? 2 : 1))
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=1000
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
PROPERTIES
        if kafka_at_least "$VERSION" 4.0; then
            printf 'share.coordinator.state.topic.replication.factor=%s\n' "$copies"
            printf 'share.coordinator.state.topic.min.isr=%s\n' $((copies > 1 ? 2 : 1))
        fi
        if [ -n "$TLS" ]; then tls_settings; fi
        if [ -n "$SASL" ]; then sasl_settings; fi
        if ((${#PROPERTIES[@]})); then printf '%s\n' "${PROPERTIES[@]}"; fi
    } >"$home/server.properties"
}

# listeners_of BROKER: NAME://127.0.0.1:PORT,… without the controller's.
listeners_of() {
    local name all=()
    for name in $(listener_names); do
        all+=("$name://127.0.0.1:${PORT_OF[$name-$1]}")
    done
    (IFS=, && printf '%s' "${all[*]}")
}

kraft_settings() {
    local voter voters=()
    for ((voter = 1; voter <= BROKERS; voter++)); do
        voters+=("$voter@127.0.0.1:${PORT_OF[CONTROLLER-$voter]}")
    done
    cat <<PROPERTIES
process.roles=broker,controller
node.id=$1
controller.quorum.voters=$(IFS=, && printf '%s' "${voters[*]}")
controller.listener.names=CONTROLLER
listeners=$(listeners_of "$1"),CONTROLLER://127.0.0.1:${PORT_OF[CONTROLLER-$1]}
advertised.listeners=$(listeners_of "$1")
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,MTLS:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
PROPERTIES
}

zookeeper_settings() {
    cat <<PROPERTIES
broker.id=$1
zookeeper.connect=127.0.0.1:${PORT_OF[ZOOKEEPER]}
zookeeper.session.timeout.ms=6000
zookeeper.connection.timeout.ms=30000
delete.topic.enable=true
listeners=$(listeners_of "$1")
advertised.listeners=$(listeners_of "$1")
PROPERTIES
}

write_zookeeper_config() {
    mkdir -p "$DIR/zookeeper"
    cat >"$DIR/zookeeper/zoo.cfg" <<PROPERTIES
dataDir=$DIR/zookeeper/data
clientPort=${PORT_OF[ZOOKEEPER]}
clientPortAddress=127.0.0.1
maxClientCnxns=0
tickTime=1000
PROPERTIES
}

tls_settings() {
    cat <<PROPERTIES
ssl.keystore.type=PKCS12
ssl.keystore.location=$DIR/tls/server.p12
ssl.keystore.password=barnabas
ssl.key.password=barnabas
ssl.truststore.type=PEM
ssl.truststore.location=$DIR/tls/ca.pem
listener.name.ssl.ssl.client.auth=none
listener.name.mtls.ssl.client.auth=required
PROPERTIES
}

sasl_settings() {
    local name plain=org.apache.kafka.common.security.plain.PlainLoginModule
    local scram=org.apache.kafka.common.security.scram.ScramLoginModule
    printf 'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n'
    for name in sasl_plaintext sasl_ssl; do
        cat <<PROPERTIES
listener.name.$name.plain.sasl.jaas.config=$plain required user_$SASL_PLAIN_USER="$SASL_PLAIN_PASSWORD";
listener.name.$name.scram-sha-256.sasl.jaas.config=$scram required;
listener.name.$name.scram-sha-512.sasl.jaas.config=$scram required;
PROPERTIES
    done
}

# make_certificates: DIR/tls with a CA, the brokers' key store, a client certificate, and a CA that signed nothing here.
make_certificates() {
    local tls="$DIR/tls"
    need openssl
    mkdir -p "$tls"
    {
        new_ca "$tls/ca" "barnabas test CA"
        new_ca "$tls/wrong-ca" "another CA"
        # Extensions make it X.509 v3: rustls refuses v1.
        new_certificate "$tls/server" localhost \
            "subjectAltName=DNS:localhost,IP:127.0.0.1" "extendedKeyUsage=serverAuth,clientAuth"
        new_certificate "$tls/client" barnabas "extendedKeyUsage=clientAuth"
        openssl pkcs12 -export -in "$tls/server.pem" -inkey "$tls/server-key.pem" -certfile "$tls/ca.pem" \
            -name server -passout pass:barnabas -out "$tls/server.p12"
    } >"$tls/openssl.log" 2>&1 || {
        cat "$tls/openssl.log" >&2
        die "openssl failed"
    }
}

# new_ca PATH NAME
new_ca() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$2" -keyout "$1-key.pem" -out "$1.pem" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
}

# new_certificate PATH NAME EXTENSION…: signed by DIR/tls/ca.pem.
new_certificate() {
    local path=$1 name=$2
    shift 2
    printf '%s\n' "basicConstraints=CA:FALSE" "keyUsage=digitalSignature,keyEncipherment" "$@" >"$path.ext"
    openssl req -new -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$path-key.pem" -out "$path.csr" &&
        openssl x509 -req -in "$path.csr" -CA "$DIR/tls/ca.pem" -CAkey "$DIR/tls/ca-key.pem" -CAcreateserial \
            -days 3650 -extfile "$path.ext" -out "$path.pem"
}
