"""A fleet without cars: seeded vehicles, recorded captures, published as a T-Box does."""
