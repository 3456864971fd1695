"""The local stack: a private PostgreSQL and a private Mosquitto, over loopback, never as root."""
