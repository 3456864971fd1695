"""The subcommands, one module a family; each parses, calls one function and prints one result."""
