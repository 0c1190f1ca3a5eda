"""Serve a sandbox: `python -m dataflow_assets.sandbox --port 8900`. The first line on stdout is JSON and says where."""

import argparse
import json
import signal
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import uvicorn

from dataflow_assets.sandbox import state
from dataflow_assets.sandbox.server import Sandbox, listen, server_config
from dataflow_assets.sandbox.world import Clock, WorldConfig

# A fresh world has enough of a past for a first load of 90 days, and still something to happen in the next weeks.
_DAYS_PAST = 150
_DAYS = 200


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Exit code 0, or 2 for a state file that is none or a port that is taken."""
    options = _parser().parse_args(argv)
    try:
        saved = state.load(options.state) if options.state else None
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    config, clock = saved or _new_world(options)

    def save() -> None:
        if options.state:
            state.save(options.state, config, clock)

    save()
    sandbox = Sandbox(config, clock, changed=save)
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
        sys.stdout.write(json.dumps({"host": host, "port": port, "now": clock.now().isoformat()}) + "\n")
        sys.stdout.flush()
        uvicorn.Server(server_config(sandbox.app)).run(sockets=[listener])
    return 0


def _new_world(options: argparse.Namespace) -> tuple[WorldConfig, Clock]:
    now = options.now or datetime.now(UTC)
    config = WorldConfig(
        start=options.start or (now - timedelta(days=_DAYS_PAST)).date(),
        days=options.days,
        seed=options.seed,
        meta_accounts=options.accounts,
        campaigns_per_account=options.campaigns,
    )
    return config, Clock(now, speed=options.speed)


def _parser() -> argparse.ArgumentParser:
    default = WorldConfig()
    parser = argparse.ArgumentParser(prog="python -m dataflow_assets.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8900, help="0 takes a free one")
    parser.add_argument(
        "--state", type=Path, help="file that keeps world and clock; what it holds wins over the options"
    )
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--start", type=date.fromisoformat, help=f"first day (default: {_DAYS_PAST} days before now)")
    parser.add_argument("--days", type=int, default=_DAYS, help="days over which things happen to campaigns and ads")
    parser.add_argument("--now", type=_instant, help="world time as ISO 8601 (default: real time)")
    parser.add_argument("--speed", type=float, default=1.0, help="world seconds per real second; 0 stands still")
    parser.add_argument("--accounts", type=int, default=default.meta_accounts)
    parser.add_argument("--campaigns", type=int, default=default.campaigns_per_account, help="per account")
    return parser


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
