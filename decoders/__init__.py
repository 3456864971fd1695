"""Bytes to columns. Pure: no I/O, no clock."""
