"""The vendors. Every module or package here that defines CONNECTOR is one; nothing else needs to know its name."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from dataflow_assets.connectors.base import Connector
from dataflow_assets.settings import Settings

_NOT_VENDORS = {"base", "records"}


@cache
def all_connectors() -> tuple[Connector, ...]:
    """Every connector, by name. An import error of a vendor module is not hidden."""
    names = sorted(module.name for module in iter_modules(__path__) if module.name not in _NOT_VENDORS)
    return tuple(import_module(f"{__name__}.{name}").CONNECTOR for name in names)


def active_connectors(settings: Settings) -> tuple[Connector, ...]:
    """The vendors that are read: those with credentials, or all of them on the sandbox when none has any."""
    return tuple(c for c in all_connectors() if settings.is_on(c.name))


def connector(name: str) -> Connector:
    """The connector of that name. Raises KeyError with the known names."""
    for candidate in all_connectors():
        if candidate.name == name:
            return candidate
    raise KeyError(f"No connector {name!r}; there are {', '.join(c.name for c in all_connectors())}.")
