"""People and systems ask: HTTP under /v1 and the advisor's pages."""
