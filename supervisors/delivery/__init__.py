"""What happens after the commit: messages between entities, and durable timers that come due."""
