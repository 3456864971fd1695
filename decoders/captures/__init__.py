"""Recorded CAN traffic, bytes to columns: candump, ASC, TRC and BLF, a portion of a file at a time."""
