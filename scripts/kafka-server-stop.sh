#!/usr/bin/env bash
# Ends every broker that runs from this installation, with a clean shutdown (SIGNAL=KILL for none).
. "$(dirname "$(readlink -f "$0")")/kafka-env.sh"
program=$(kafka_binary broker) || exit 1
stop_server "$program" kafka
