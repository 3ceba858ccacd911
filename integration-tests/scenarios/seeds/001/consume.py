"""The exercise's consumer: prints what arrives until it is stopped. The servers may be given as an argument."""

import sys

from confluent_kafka import Consumer, KafkaError

c = Consumer({
    'bootstrap.servers': sys.argv[1] if len(sys.argv) > 1 else 'localhost:9092',
    'group.id': 'my_group',
    'auto.offset.reset': 'earliest',
})
c.subscribe(['data_stream'])

try:
    while True:
        msg = c.poll(timeout=1.0)
        if msg is None:
            continue
        if msg.error():
            if msg.error().code() == KafkaError._PARTITION_EOF:
                continue
            print(msg.error())
            break
        print('Received message: {}'.format(msg.value().decode('utf-8')), flush=True)
except KeyboardInterrupt:
    pass
c.close()
