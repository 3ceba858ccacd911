#!/usr/bin/env bash
# topics of the broker's command line tools; --help lists its options.
. "$(dirname "$(readlink -f "$0")")/kafka-env.sh"
program=$(kafka_binary kafka-tools) || exit 1
exec "$program" kafka-topics "$@"
