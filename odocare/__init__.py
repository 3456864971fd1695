"""Everything meets here: settings, wiring, the command line, the local stack."""
