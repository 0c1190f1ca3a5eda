"""Fixtures of the conformance tests, which several modules share."""

from conformance_support import calm, loaded, make_place

__all__ = ["calm", "loaded", "make_place"]
