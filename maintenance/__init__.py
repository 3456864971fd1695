"""Models of use and wear: what a vehicle will need, when, and how sure that is. Pure."""
