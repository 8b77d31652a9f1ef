"""Messages, exchanges, queues and brokers by URL."""
