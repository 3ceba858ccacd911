"""The exercise's producer: ten messages, each delivery reported. The servers may be given as an argument."""

import sys

from confluent_kafka import Producer


def delivery_callback(err, msg):
    if err:
        print(f"Failed to deliver message: {err}")
    else:
        print(f"Message delivered: {msg}")


p = Producer({'bootstrap.servers': sys.argv[1] if len(sys.argv) > 1 else 'localhost:9092'})
p.produce('data_stream', 'Insérer ici votre premier message', callback=delivery_callback)
for word in ['Deuxieme', 'Troisieme', 'troisieme', 'quatrieme', 'cinquieme', 'sixieme', 'septieme', 'huitieme', 'neuvieme']:
    p.produce('data_stream', word, callback=delivery_callback)
p.flush()
