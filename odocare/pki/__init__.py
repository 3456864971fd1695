"""A development CA: one certificate per vehicle whose name is its VIN, and a list of those revoked."""
