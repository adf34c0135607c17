"""Sinks that come with Greenroom, to be subclassed with an `of`."""

from greenroom.transports.kafka.sink import KafkaSink
from greenroom.transports.webhooks.sink import WebhookSink

__all__ = ["KafkaSink", "WebhookSink"]
