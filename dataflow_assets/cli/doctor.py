"""`dataflow doctor`: effective settings with secrets masked, each broken one named, and whether everything answers."""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import redis
from pydantic import BaseModel, SecretStr

from dataflow_assets.cli.summary import console
from dataflow_assets.connectors import active_connectors
from dataflow_assets.embedded import EmbeddedError
from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.failures import VendorError
from dataflow_assets.resources.platform import Platform, get_platform
from dataflow_assets.resources.redact import redact
from dataflow_assets.resources.warehouse import WarehouseError, extension_state, one
from dataflow_assets.settings import SettingsError, get_settings, unknown_names

WRONG_SETTINGS, NO_SERVER = 2, 3


def run_doctor(*, connect: bool, as_json: bool) -> int:
    """Look at everything and print it. Returns 0, 2 for broken settings, 3 for a server or vendor that fails."""
    try:
        settings = get_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SETTINGS
    values = _masked(settings)
    problems = [f"{name} is set, but nothing reads it: is it misspelt?" for name in unknown_names()]
    probes = _probe() if connect else {}
    if as_json:
        report = {"mode": settings.mode, "settings": values, "unknown": problems, "probes": probes}
        sys.stdout.write(json.dumps(report, default=str) + "\n")
    else:
        console.print(
            f"mode: [bold]{settings.mode}[/]" + (" (no vendor has credentials)" if settings.uses_sandbox else "")
        )
        for name, value in values.items():
            console.print(f"  {name} = {value}", highlight=False, markup=False)
        for name, (is_well, text) in probes.items():
            console.print(f"  {'ok ' if is_well else 'BAD'} {name}: {text}", highlight=False, markup=False)
        for problem in problems:
            console.print(f"  BAD {problem}", highlight=False, markup=False)
    if problems:
        return WRONG_SETTINGS
    return 0 if all(is_well for is_well, _ in probes.values()) else NO_SERVER


def _masked(model: BaseModel, prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            values |= _masked(value, f"{prefix}{name}.")
        elif isinstance(value, SecretStr):
            values[prefix + name] = "set (masked)"
        else:
            values[prefix + name] = "not set" if value is None else str(value)
    return values


def _probe() -> dict[str, tuple[bool, str]]:
    try:
        platform = get_platform()
    except EmbeddedError as error:
        return {"private servers": (False, str(error))}
    probes: dict[str, Callable[[], str]] = {
        "warehouse": lambda: _warehouse(platform),
        "redis": lambda: _redis(platform),
    }
    for connector in active_connectors(platform.settings):
        probes[connector.name] = lambda connector=connector: _vendor(platform, connector)  # type: ignore[misc]
    return {name: _outcome(probe, platform) for name, probe in probes.items()}


def _outcome(probe: Callable[[], str], platform: Platform) -> tuple[bool, str]:
    try:
        return True, probe()
    except (WarehouseError, VendorError, redis.RedisError) as error:
        return False, redact(str(error), platform.secrets)


def _warehouse(platform: Platform) -> str:
    with platform.warehouse.connect() as connection:
        version = one(connection, "show server_version")["server_version"]
        engine = "continuous aggregates" if extension_state(connection) == "timescale" else "plain tables as aggregates"
    return f"{platform.warehouse.address}, PostgreSQL {version}, {engine}"


def _redis(platform: Platform) -> str:
    info: Any = platform.redis().info("server")
    return f"{info.get('server_name', 'redis')} {info.get('valkey_version', info.get('redis_version'))}"


def _vendor(platform: Platform, connector: Any) -> str:
    async def ask() -> str:
        async with open_sync(platform, connector) as sync:
            missing = f"; not visible: {', '.join(sync.missing_accounts)}" if sync.missing_accounts else ""
            return f"{platform.mode}, {len(sync.accounts)} accounts{missing}"

    return asyncio.run(ask())
