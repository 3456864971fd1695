"""T-Box data comes in: MQTT, batches, one transaction, acknowledgement."""
