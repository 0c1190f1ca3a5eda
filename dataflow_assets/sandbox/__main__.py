"""Serve a sandbox: `python -m dataflow_assets.sandbox --port 8900`. The first line on stdout is JSON and says where."""

import argparse
import json
import signal
import sys
import textwrap
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn

from dataflow_assets.sandbox import scenario, state
from dataflow_assets.sandbox.scenario import Scenario
from dataflow_assets.sandbox.server import Sandbox, listen, server_config
from dataflow_assets.sandbox.steering import stage
from dataflow_assets.sandbox.world import Clock, WorldConfig

# A fresh world has enough of a past for a first load of 90 days, and still something to happen in the next weeks.
_DAYS_PAST = 150
_DAYS = 200

_TEXT_WIDTH = 96

# The options that say what a world is made from, and the fields they set.
_SIZES = {
    "start": ("start",),
    "days": ("days",),
    "seed": ("seed",),
    "accounts": ("meta_accounts", "google_accounts", "linkedin_accounts"),
    "campaigns": ("campaigns_per_account",),
    "ad_sets": ("ad_sets_per_campaign",),
    "ads": ("ads_per_ad_set",),
    "customers": ("customers_per_day",),
}


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Exit code 0, or 2 for options that make no world, a state file that is none, a scenario that is unknown or needs
    another world than the state file holds, or a port that is taken.
    """
    options = _parser().parse_args(argv)
    if options.list_scenarios:
        sys.stdout.write("\n".join(map(_told, scenario.names())) + "\n")
        return 0
    try:
        sandbox = _sandbox(options)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # The server passes the signal on when it is done; it has been asked to stop, and it stopped: that is success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {options.host}:{options.port}: {error.strerror}. Choose another --port.\n")
        return 2
    with listener:
        host, port = listener.getsockname()[:2]
        now = sandbox.core.clock.now().isoformat()
        sys.stdout.write(json.dumps({"host": host, "port": port, "now": now}) + "\n")
        sys.stdout.flush()
        uvicorn.Server(server_config(sandbox.app)).run(sockets=[listener])
    return 0


def _sandbox(options: argparse.Namespace) -> Sandbox:
    """The world of the state file, or a new one, with the scenario in force. Raises ValueError for what cannot be."""
    asked = _asked(options)
    chosen = scenario.load(options.scenario).in_world(**asked) if options.scenario else None
    saved = state.load(options.state) if options.state else None
    config, clock = saved or _new_world(options, chosen, asked)

    def save() -> None:
        if options.state:
            state.save(options.state, config, clock)

    sandbox = Sandbox(config, clock, changed=save)
    if chosen:
        stage(sandbox.core, sandbox.vendors, chosen)
    save()
    return sandbox


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of WorldConfig that the options set."""
    given = {name: getattr(options, name) for name in _SIZES}
    return {field: given[name] for name, set_by in _SIZES.items() if given[name] is not None for field in set_by}


def _new_world(
    options: argparse.Namespace, chosen: Scenario | None, asked: dict[str, Any]
) -> tuple[WorldConfig, Clock]:
    if chosen:
        config = chosen.config()
        return config, Clock(options.now or chosen.now(config), speed=options.speed)
    now = options.now or datetime.now(UTC)
    usual = {"start": (now - timedelta(days=_DAYS_PAST)).date(), "days": _DAYS}
    return WorldConfig(**{**usual, **asked}), Clock(now, speed=options.speed)


def _told(name: str) -> str:
    """A scenario for the list."""
    told = scenario.load(name)
    return f"{name}: {told.title}\n" + textwrap.indent(textwrap.fill(told.description, _TEXT_WIDTH), "    ")


def _parser() -> argparse.ArgumentParser:
    default = WorldConfig()
    parser = argparse.ArgumentParser(prog="python -m dataflow_assets.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8900, help="0 takes a free one")
    parser.add_argument(
        "--state", type=Path, help="file that keeps world and clock; what it holds wins over the other options"
    )
    parser.add_argument(
        "--scenario", metavar="NAME", help="a situation: world, time, faults, limits; options win over it"
    )
    parser.add_argument("--list-scenarios", action="store_true", help="tell all scenarios and end")
    parser.add_argument("--now", type=_instant, help="world time as ISO 8601 (default: real time)")
    parser.add_argument("--speed", type=float, default=1.0, help="world seconds per real second; 0 stands still")
    parser.add_argument("--start", type=date.fromisoformat, help=f"first day (default: {_DAYS_PAST} days before now)")
    parser.add_argument(
        "--days", type=int, help=f"days over which things happen to campaigns and ads (default: {_DAYS})"
    )
    parser.add_argument("--seed", type=int, help=f"another world of the same size (default: {default.seed})")
    platforms = (default.meta_accounts, default.google_accounts, default.linkedin_accounts)
    accounts = "of each ad platform (default: {} of Meta, {} of Google, {} of LinkedIn)".format(*platforms)
    parser.add_argument("--accounts", type=int, help=accounts)
    parser.add_argument("--campaigns", type=int, help=f"per account (default: {default.campaigns_per_account})")
    parser.add_argument("--ad-sets", type=int, help=f"per campaign (default: {default.ad_sets_per_campaign})")
    parser.add_argument("--ads", type=int, help=f"per ad set (default: {default.ads_per_ad_set})")
    parser.add_argument("--customers", type=int, help=f"per day, on average (default: {default.customers_per_day})")
    return parser


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
