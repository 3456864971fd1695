"""Benchmarks: `odocare bench NAME` runs `run(settings)` of the module of that name, see docs/measuring.md."""
