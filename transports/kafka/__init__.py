"""Kafka: what is handed to brokers, with librdkafka, of the extra `greenroom[kafka]`."""
