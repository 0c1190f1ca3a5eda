"""Law 13: secrets appear in no log, event, metadata, table, file, URL, alert, exception or repr.

The pipeline runs with secrets of its own, well and ill, in processes of their own and in this one; then everything it
has written is searched for them.
"""

import asyncio
import json
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import psycopg
import pytest
from installation import Installation, installation
from psycopg import sql
from slack_receiver import Slack, slack_receiver

from dataflow_assets.automation.alerts import build_alert_sensors
from dataflow_assets.connectors import connector
from dataflow_assets.embedded import Endpoints
from dataflow_assets.partitions import range_tags
from dataflow_assets.raw.factory import build_raw_assets
from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.dbt import DBT_DIR
from dataflow_assets.resources.platform import get_platform
from dataflow_assets.sandbox.meta_ads import auth
from dataflow_assets.sandbox.testing import run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import get_settings
from dataflow_assets.windows import DayWindow

META = connector("meta_ads")
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
WORLD = WorldConfig(meta_accounts=2, campaigns_per_account=2, ad_sets_per_campaign=1, ads_per_ad_set=1)
TOKEN = "EAAB3secret5token7f1e"
APP_SECRET = "9a1b7secret4app0c2d"
HOOK_SECRET = "T0SECRET/B0SECRET/hook5secret8e6f"
DAYS = DayWindow(datetime(2026, 5, 18).date(), datetime(2026, 5, 20).date())  # noqa: DTZ001  only the days
NOWHERE = "127.0.0.1:9"
pytestmark = pytest.mark.timeout(600)


@dataclass
class Echo:
    """A vendor that lists one account and answers everything else with an error that repeats the request."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)


@contextmanager
def echoing_vendor() -> Iterator[Echo]:
    echo = Echo()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            echo.paths.append(self.path)
            echo.authorizations.add(self.headers["authorization"])
            if "/me/adaccounts" in self.path:
                account = {"account_id": "7", "name": "Echo", "currency": "EUR", "timezone_name": "Europe/Berlin"}
                self.answer(200, {"data": [account]})
                return
            said = f"Cannot {self.path} with {dict(self.headers)} access_token={TOKEN}&x client_secret={APP_SECRET}"
            self.answer(400, {"error": {"code": 100, "message": said, "type": "OAuthException", "fbtrace_id": "A1"}})

        def answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name in the base class
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    echo.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="echo", daemon=True)
    thread.start()
    try:
        yield echo
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Lived:
    """An installation after good and bad days, and what was said on the way."""

    installed: Installation
    secrets: dict[str, str]
    said: dict[str, str]
    slack: Slack
    echo: Echo


@pytest.fixture(scope="module")
def lived(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Live mode against the sandbox, which for once knows our token."""
    secrets = {
        "token": TOKEN,
        "app secret": APP_SECRET,
        "webhook": HOOK_SECRET,
        "database password": urlsplit(servers.database_url).password or "",
        "redis password": urlsplit(servers.redis_url).password or "",
    }
    settings = {
        "DATAFLOW_META_ADS__ACCESS_TOKEN": TOKEN,
        "DATAFLOW_META_ADS__APP_SECRET": APP_SECRET,
        "DATAFLOW_META_ADS__INITIAL_HISTORY_DAYS": "3",
        "DATAFLOW_META_ADS__LOOKBACK_DAYS": "3",
    }
    with (
        pytest.MonkeyPatch.context() as patch,
        run_sandbox(WORLD, now=NOON) as sandbox,
        slack_receiver(HOOK_SECRET) as slack,
        echoing_vendor() as echo,
        installation(servers, tmp_path_factory.mktemp("secrets"), sandbox, settings) as installed,
    ):
        patch.setattr(auth, "TOKEN", TOKEN)
        patch.setattr(auth, "APP_SECRET", APP_SECRET)
        installed.settings["DATAFLOW_META_ADS__BASE_URL"] = sandbox.meta_url
        installed.settings["DATAFLOW_SLACK_WEBHOOK_URL"] = slack.url
        yield Lived(installed, secrets, said_by(installed, echo), slack, echo)


def said_by(installed: Installation, echo: Echo) -> dict[str, str]:
    """What commands and logs said: a sync that lands rows and rejects some, and every way to fail."""
    said = {}
    sandbox = installed.sandbox
    sandbox.fault("bad_row", times=3)
    sandbox.fault("unknown_field")
    said["sync"] = text(installed.dataflow("sync"))
    sandbox.clear_faults()
    sandbox.fault("expired_token", endpoint="insights")
    days = f"{DAYS}"
    command = ["asset", "materialize", "--select", "key:raw/meta_ads/insights_campaign", "--partition-range", days]
    said["native"] = text(
        installed.run(sys.executable, "-m", "dagster", *command, "-m", "dataflow_assets.definitions")
    )
    sandbox.clear_faults()
    sandbox.fault("expired_token")
    said["refused"] = text(installed.dataflow("sync"))
    sandbox.clear_faults()
    said["echo"] = failed_run_with_alert(installed, DATAFLOW_META_ADS__BASE_URL=echo.url)
    for name in ("doctor", "status", "quarantine"):
        said[name] = text(installed.dataflow(name, *(["list"] if name == "quarantine" else [])))
    bad_password = installed.database_url.replace("@", "x@")
    password = urlsplit(installed.database_url).password
    for name, changes in {
        "database away": {"DATABASE_URL": f"postgresql://u:{password}@{NOWHERE}/d"},
        "database refuses": {"DATABASE_URL": bad_password},
        "redis away": {"REDIS_URL": f"redis://:{password}@{NOWHERE}/0"},
        "redis refuses": {"REDIS_URL": installed.redis_url.replace("@", "x@")},
    }.items():
        said[name] = text(installed.dataflow("doctor", **changes))
    return said


def text(done: Any) -> str:
    return f"{done.stdout}\n{done.stderr}"
