"""`dataflow doctor`: effective settings with secrets masked, each broken one named, and whether everything answers."""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import redis
from pydantic import BaseModel, SecretStr

from dataflow_assets.aggregates.policies import PolicyRefused, missing_reason, policy_states, wanted_policies
from dataflow_assets.cli.output import console
from dataflow_assets.connectors import active_connectors
from dataflow_assets.connectors.base import Connector
from dataflow_assets.embedded import EmbeddedError
from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.clock import SYSTEM_CLOCK
from dataflow_assets.resources.failures import VendorError
from dataflow_assets.resources.platform import Platform, get_platform
from dataflow_assets.resources.redact import redact
from dataflow_assets.resources.warehouse import WarehouseError, extension_state, lost_rows_guard, one
from dataflow_assets.settings import Settings, SettingsError, get_settings, unknown_names

WRONG_SETTINGS, NO_SERVER = 2, 3
VERSION_ENDS_WITHIN, CREDENTIAL_ENDS_WITHIN = timedelta(days=45), timedelta(days=14)


def run_doctor(*, connect: bool, as_json: bool) -> int:
    """Look at everything and print it. Returns 0, 2 for broken settings, 3 for a server or vendor that fails."""
    try:
        settings = get_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SETTINGS
    values = _masked(settings)
    problems = [f"{name} is set, but nothing reads it: is it misspelt?" for name in unknown_names()]
    warnings = _versions(settings, SYSTEM_CLOCK.now().date())
    probes = _probe(warnings) if connect else {}
    if as_json:
        report = {
            "mode": settings.mode,
            "settings": values,
            "unknown": problems,
            "probes": probes,
            "warnings": warnings,
        }
        sys.stdout.write(json.dumps(report, default=str) + "\n")
    else:
        console.print(
            f"mode: [bold]{settings.mode}[/]" + (" (no vendor has credentials)" if settings.uses_sandbox else "")
        )
        for name, value in values.items():
            console.print(f"  {name} = {value}", highlight=False, markup=False)
        for name, (is_well, text) in probes.items():
            console.print(f"  {'ok ' if is_well else 'BAD'} {name}: {text}", highlight=False, markup=False)
        for warning in warnings:
            console.print(f"  !!  {warning}", highlight=False, markup=False)
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


def _versions(settings: Settings, today: date) -> list[str]:
    """Versions of vendors' APIs that stop working soon, or have stopped."""
    found = []
    for connector in active_connectors(settings):
        version = connector.version(settings)
        end = connector.version_ends.get(version)
        if end is not None and end - today <= VERSION_ENDS_WITHIN:
            when = f"stops working on {end}, {_in_days(end - today)}" if end > today else f"has ended on {end}"
            setting = f"DATAFLOW_{connector.name.upper()}__API_VERSION"
            found.append(f"{connector.name}: API version {version} {when}. Set {setting} to a later one.")
    return found


def _in_days(left: timedelta) -> str:
    return f"in {left.days} day{'s' * (left.days != 1)}"


def _probe(warnings: list[str]) -> dict[str, tuple[bool, str]]:
    try:
        platform = get_platform()
    except EmbeddedError as error:
        return {"private servers": (False, str(error))}
    probes: dict[str, Callable[[], str]] = {
        "warehouse": lambda: _warehouse(platform),
        "redis": lambda: _redis(platform),
        "storage": lambda: _storage(platform),
    }
    for connector in active_connectors(platform.settings):
        probes[connector.name] = lambda connector=connector: _vendor(platform, connector, warnings)  # type: ignore[misc]
    return {name: _outcome(probe, platform) for name, probe in probes.items()}


def _outcome(probe: Callable[[], str], platform: Platform) -> tuple[bool, str]:
    try:
        return True, probe()
    except (WarehouseError, VendorError, PolicyRefused, redis.RedisError) as error:
        return False, redact(str(error), platform.secrets)


def _warehouse(platform: Platform) -> str:
    with platform.warehouse.connect() as connection:
        version = one(connection, "show server_version")["server_version"]
        engine = "continuous aggregates" if extension_state(connection) == "timescale" else "plain tables as aggregates"
    return f"{platform.warehouse.address}, PostgreSQL {version}, {engine}"


def _storage(platform: Platform) -> str:
    wanted_policies(platform.settings)
    with platform.warehouse.connect() as connection:
        reason, states, guard = missing_reason(connection), policy_states(connection), lost_rows_guard(connection)
    if guard == "us":
        raise WarehouseError(
            "readers with another login than this one can be answered without the rows of whole chunks "
            "(timescale/timescaledb issue 10503). Have the owner of the database run: "
            "alter database ... set timescaledb.enable_parallel_chunk_append = off"
        )
    if reason:
        return f"facts stay rows and are kept for ever: {reason}"
    text = "; ".join(f"{state.fact.split('.')[1]}: {state}" for state in states)
    if any(state.job_problem for state in states):
        raise WarehouseError(text)
    return text


def _redis(platform: Platform) -> str:
    info: Any = platform.redis().info("server")
    return f"{info.get('server_name', 'redis')} {info.get('valkey_version', info.get('redis_version'))}"


def _vendor(platform: Platform, connector: Connector, warnings: list[str]) -> str:
    async def ask() -> str:
        async with open_sync(platform, connector) as sync:
            left = sync.client.api.credential_lasts()
            if left is not None and left <= CREDENTIAL_ENDS_WITHIN:
                warnings.append(f"{connector.name}: the credential ends {_in_days(left)}. Renew it before.")
            missing = f"; not visible: {', '.join(sync.missing_accounts)}" if sync.missing_accounts else ""
            return f"{platform.mode}, {len(sync.accounts)} accounts{missing}"

    return asyncio.run(ask())
