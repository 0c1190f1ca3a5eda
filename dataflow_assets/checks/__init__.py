"""Reads what has landed and says whether it can be trusted. Every result is an asset check in the UI."""
