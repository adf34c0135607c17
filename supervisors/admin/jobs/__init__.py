"""What operators see of queues and jobs, and do about them; and the gauges of queues."""
