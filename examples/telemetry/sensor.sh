#!/bin/sh
# A sensor: sensor.sh ROOM VALUE...  Publishes readings with a stock NNG PUB socket; it knows nothing of Wherry.
# A message is the topic, a zero byte, and the reading.

room=$1
shift
for value in "$@"; do
	printf 'sensor.%s.temperature\0%s' "$room" "$value" | nngcat --pub --dial "$WHERRY_URL" --delay 1 --file -
done
