# shellcheck shell=bash
# Gets a Kafka version's jars from Maven Central into the cache, once. To be sourced after common.sh and need.sh.
#
# The cache is $BARNABAS_KAFKA_HOME, else ~/.cache/barnabas/kafka; a version is the folder of that name with libs/ in it.
# A version's folder appears by one rename, so what is there is complete, whoever else fetches at the same time.

KAFKA_HOME="${BARNABAS_KAFKA_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/barnabas/kafka}"
KAFKA_VERSIONS="4.3.1 3.9.2 2.8.2 2.0.1 1.1.1 1.0.2 0.11.0.3"

# kafka_at_least VERSION WANTED
kafka_at_least() { version_at_least "$2" "$1"; }

# kafka_fetch VERSION: leaves $KAFKA_HOME/VERSION/libs.
kafka_fetch() {
    local version=$1
    case " $KAFKA_VERSIONS " in
        *" $version "*) ;;
        *) usage_error "unknown Kafka version $version; known: $KAFKA_VERSIONS" ;;
    esac
    [ ! -d "$KAFKA_HOME/$version/libs" ] || return 0
    need java maven
    mkdir -p "$KAFKA_HOME"
    # One Maven at a time: its own repository is not safe for two.
    exec 8>"$KAFKA_HOME/.lock"
    if command -v flock >/dev/null; then
        flock -w 900 8 || die "another fetch has held $KAFKA_HOME/.lock for 15 minutes"
    fi
    [ -d "$KAFKA_HOME/$version/libs" ] || kafka_fetch_locked "$version"
    exec 8>&-
}

kafka_fetch_locked() {
    local version=$1 part="$KAFKA_HOME/.part-$1-$$" began=$SECONDS
    say "fetching Kafka $version from Maven Central"
    mkdir -p "$part/libs"
    kafka_pom "$version" >"$part/pom.xml"
    # slf4j-simple writes what a broker warns of to its own log file; with slf4j-nop a port collision would be silent.
    if ! mvn -q -B -f "$part/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$part/libs" >"$part/mvn.log" 2>&1 8>&-; then
        tail -n 20 "$part/mvn.log" >&2
        rm -rf "$part"
        die "Maven could not fetch Kafka $version (is repo.maven.apache.org, or a mirror in ~/.m2/settings.xml, reachable?)"
    fi
    mv -T "$part" "$KAFKA_HOME/$version"
    say "fetched Kafka $version in $((SECONDS - began)) s to $KAFKA_HOME/$version"
}

kafka_pom() {
    local version=$1 scala=2.13
    kafka_at_least "$version" 2.8 || scala=2.12
    cat <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>barnabas</groupId><artifactId>kafka-jars</artifactId><version>1</version>
  <dependencies>
POM
    pom_dependency org.apache.kafka "kafka_$scala" "$version"
    if kafka_at_least "$version" 3.3; then
        pom_dependency org.apache.kafka kafka-tools "$version"
    fi
    if [ "$version" = 0.11.0.3 ]; then
        pom_dependency javax.xml.bind jaxb-api 2.3.1 # left Java 17
    fi
    if [ "$version" = 2.0.1 ]; then
        # The one that Kafka 2.0 asks for, 3.4.13, cannot read host names on Java 17.
        pom_dependency org.apache.zookeeper zookeeper 3.4.10
    fi
    pom_dependency org.slf4j slf4j-simple 1.7.36
    printf '  </dependencies>\n</project>\n'
}

# pom_dependency GROUP ARTIFACT VERSION: without the logging backends that would compete with slf4j-simple.
pom_dependency() {
    cat <<POM
    <dependency>
      <groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version>
      <exclusions>
        <exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-log4j12</artifactId></exclusion>
        <exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId></exclusion>
        <exclusion><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId></exclusion>
        <exclusion><groupId>ch.qos.logback</groupId><artifactId>logback-classic</artifactId></exclusion>
      </exclusions>
    </dependency>
POM
}
