"""DataFlow: a marketing and revenue warehouse that a data team runs itself and can trust."""

__version__ = "0.1.0"
