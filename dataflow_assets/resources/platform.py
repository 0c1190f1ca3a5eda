"""Where everything is for this process: warehouse, Redis and vendors, configured ones first, private ones otherwise."""

import sys
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import redis

from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.settings import Settings, get_settings

if TYPE_CHECKING:
    from dataflow_assets.embedded import Endpoints, Lease


@dataclass(frozen=True)
class Platform:
    """The servers a process works with. `settings` already points the vendors at the sandbox in sandbox mode."""

    settings: Settings
    warehouse: Warehouse
    redis_url: str = field(repr=False)  # holds a password
    mode: str  # "sandbox" or "live"
    sandbox_url: str | None
    lease: "Lease | None" = None  # on private servers; held until the process ends or releases it

    def redis(self) -> redis.Redis:
        """A synchronous Redis client."""
        return redis.Redis.from_url(self.redis_url, socket_timeout=5, socket_connect_timeout=5)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret this process knows, for redaction."""
        return self.settings.secrets


@cache
def get_platform(*, vendors: bool = True) -> Platform:
    """The platform of this process. Starts private servers, once, for what is not configured.

    Without `vendors` it is for work on what has landed: no sandbox is started, whatever lies in the raw tables.

    Raises:
        SettingsError: a setting is unusable.
        EmbeddedError: a private server is needed and did not start.
    """
    settings = get_settings()
    database = settings.database_url.get_secret_value() if settings.database_url else None
    cache_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    sandbox = settings.sandbox.url if settings.uses_sandbox else None
    wants_sandbox = vendors and settings.uses_sandbox and sandbox is None
    lease = None
    if database is None or cache_url is None or wants_sandbox:
        from dataflow_assets.embedded import acquire  # noqa: PLC0415  a leaf, loaded only when nothing is configured

        command = _sandbox_command(settings) if wants_sandbox else None
        lease = acquire(settings.state_dir, sandbox_command=command)
        endpoints = lease.endpoints
        database = database or endpoints.database_url
        cache_url = cache_url or endpoints.redis_url
        sandbox = sandbox or (endpoints.sandbox_url if wants_sandbox else None)
    mode = settings.mode
    return Platform(
        settings=settings.on_sandbox(sandbox) if mode == "sandbox" and sandbox else settings,
        warehouse=Warehouse(database),
        redis_url=cache_url,
        mode=mode,
        sandbox_url=sandbox if mode == "sandbox" else None,
        lease=lease,
    )


def known_database_url() -> str | None:
    """Where the warehouse is, if that can be said without starting anything."""
    settings = get_settings()
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    endpoints = _running(settings)
    return endpoints.database_url if endpoints else None


def known_sandbox_url() -> str | None:
    """Where the sandbox is, if one is configured or runs as a private server. Starts nothing."""
    settings = get_settings()
    if settings.sandbox.url is not None:
        return settings.sandbox.url
    endpoints = _running(settings)
    return endpoints.sandbox_url if endpoints else None


def _running(settings: Settings) -> "Endpoints | None":
    """The private servers that are up. Starts nothing, and makes no folder for them."""
    if not settings.state_dir.exists():
        return None
    from dataflow_assets.embedded import status  # noqa: PLC0415  a leaf, loaded only when nothing is configured

    return status(settings.state_dir)


def _sandbox_command(settings: Settings) -> list[str]:
    sandbox = settings.sandbox
    command = [sys.executable, "-m", "dataflow_assets.sandbox", "--port", "{port}"]
    state = str(settings.state_dir / "sandbox.json")
    command += ["--state", state, "--seed", str(sandbox.seed), "--speed", str(sandbox.speed)]
    return command + (["--now", sandbox.now] if sandbox.now else [])
