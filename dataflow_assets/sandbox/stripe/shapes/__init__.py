"""How each thing looks in the current version of the API, computed from the records of the world at a tick."""
