"""The vendors' APIs in one local server, all over the same seeded world, for demos and tests without credentials."""
