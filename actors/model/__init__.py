"""The actor model: messages, envelopes, mailboxes, what an entity decides. Free of I/O."""
