"""What operators look at, as far as it is the transports': who may, and the stream by which pages stay live."""
