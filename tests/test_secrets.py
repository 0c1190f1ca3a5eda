"""Law 13: secrets appear in no log, event, metadata, table, file, URL, alert, exception or repr.

The pipeline runs with secrets of its own, well and ill, in processes of their own and in this one; then everything it
has written is searched for them.
"""

import asyncio
import hashlib
import hmac
import io
import json
import logging
import sys
import threading
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import psycopg
import pytest
from dataflow_command import Dataflow
from installation import Installation, installation
from psycopg import sql
from slack_receiver import Slack, slack_receiver

from dataflow_assets.automation.alerts import build_alert_sensors
from dataflow_assets.cli.instance import use_instance
from dataflow_assets.connectors import connector
from dataflow_assets.embedded import Endpoints
from dataflow_assets.partitions import range_tags
from dataflow_assets.raw.factory import build_raw_assets
from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.dbt import DBT_DIR
from dataflow_assets.sandbox.meta_ads import auth
from dataflow_assets.sandbox.testing import run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

META = connector("meta_ads")
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
WORLD = WorldConfig(meta_accounts=2, campaigns_per_account=2, ad_sets_per_campaign=1, ads_per_ad_set=1)
TOKEN = "EAAB3secret5token7f1e"
APP_SECRET = "9a1b7secret4app0c2d"
HOOK_SECRET = "T0SECRET/B0SECRET/hook5secret8e6f"
DAYS = DayWindow(date(2026, 5, 18), date(2026, 5, 20))
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


def proof() -> str:
    return hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()


@pytest.fixture(scope="module")
def lived(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Live mode against the sandbox, which for once knows our token."""
    secrets = {
        "token": TOKEN,
        "app secret": APP_SECRET,
        "appsecret_proof": proof(),
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
        patch.setattr(auth, "_PROOF", proof())
        installed.settings["DATAFLOW_META_ADS__BASE_URL"] = sandbox.meta_url
        installed.settings["DATAFLOW_SLACK_WEBHOOK_URL"] = slack.url
        yield Lived(installed, secrets, said_by(installed, echo), slack, echo)


def said_by(installed: Installation, echo: Echo) -> dict[str, str]:
    """What commands and logs said: a sync that lands rows and rejects some, and every way to fail."""
    sandbox, said = installed.sandbox, {}

    def here(*command: str, **changes: str) -> str:
        answer = Dataflow(replace(installed, settings={**installed.settings}))(*command, **changes)
        return answer.out + answer.err

    sandbox.fault("bad_row", endpoint="insights", times=3)
    sandbox.fault("unknown_field")
    said["sync"] = text(installed.dataflow("sync"))
    sandbox.clear_faults()
    sandbox.fault("expired_token", endpoint="insights")
    said["native command"] = text(materialize(installed))
    sandbox.clear_faults()
    sandbox.fault("expired_token")
    said["refused token"] = here("sync")
    sandbox.clear_faults()
    said["echoed request"] = run_and_alert(installed, DATAFLOW_META_ADS__BASE_URL=echo.url)
    for command in (["doctor"], ["status"], ["quarantine", "list"]):
        said[command[0]] = here(*command)
    for name, changes in unreachable(installed).items():
        said[name] = here("doctor", **changes)
    return said


def unreachable(installed: Installation) -> dict[str, dict[str, str]]:
    """Servers that are away or refuse, at addresses that hold a real password."""
    password = urlsplit(installed.database_url).password
    return {
        "database away": {"DATABASE_URL": f"postgresql://someone:{password}@{NOWHERE}/warehouse"},
        "database refuses": {"DATABASE_URL": installed.database_url.replace("//dataflow:", "//nobody_known:")},
        "redis away": {"REDIS_URL": f"redis://:{password}@{NOWHERE}/0"},
        "redis refuses": {"REDIS_URL": installed.redis_url.replace("//:", "//nobody_known:")},
    }


def materialize(installed: Installation) -> Any:
    command = ["asset", "materialize", "--select", "key:raw/meta_ads/insights_campaign", "--partition-range", f"{DAYS}"]
    return installed.run(sys.executable, "-m", "dagster", *command, "-m", "dataflow_assets.definitions")


def text(done: Any) -> str:
    return f"{done.stdout}\n{done.stderr}"


def run_and_alert(installed: Installation, **changes: str) -> str:
    """A run that fails in this process, its alert, and all that any logger said, at every level."""
    heard = io.StringIO()
    listener, root = logging.StreamHandler(heard), logging.getLogger()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        with replace(installed, settings={**installed.settings, **changes}).here() as platform:
            use_instance(platform)
            asset = build_raw_assets([META])[-1]
            with dg.DagsterInstance.get() as instance:
                result = dg.materialize(
                    [asset],
                    instance=instance,
                    resources={"platform": PlatformResource()},
                    tags=range_tags(DAYS),
                    raise_on_error=False,
                )
                context = dg.build_run_status_sensor_context(
                    sensor_name="alert",
                    dagster_instance=instance,
                    dagster_run=result.dagster_run,
                    dagster_event=result.get_run_failure_event(),
                    resources={"platform": PlatformResource()},
                )
                (alert,) = (sensor for sensor in build_alert_sensors() if sensor.name == "alert_on_failed_run")
                alert(context.for_run_failure())
    finally:
        root.setLevel(level)
        root.removeHandler(listener)
    return heard.getvalue()


# --------------------------------------------------------------------------- where to look


def found_in(text: str | bytes, secrets: dict[str, str]) -> list[str]:
    """Names of the secrets that a text holds."""
    data = text.encode() if isinstance(text, str) else text
    return [name for name, secret in secrets.items() if secret.encode() in data]


def tables(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    return connection.execute(
        """
        select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')
        """
    ).fetchall()


def found_in_database(installed: Installation, secrets: dict[str, str]) -> list[str]:
    """Every table that holds a secret; packed columns are unpacked."""
    found = []
    with psycopg.connect(installed.database_url) as connection:
        for schema, name in tables(connection):
            for row in connection.execute(sql.SQL("select * from {}").format(sql.Identifier(schema, name))):
                for value in row:
                    packed = isinstance(value, bytes) and value[:1] == b"x"
                    plain = zlib.decompress(value) if packed else value
                    shown = plain if isinstance(plain, bytes) else str(plain)
                    found += [f"{schema}.{name} holds the {secret}" for secret in found_in(shown, secrets)]
    return sorted(set(found))


def found_in_files(folders: list[Path], secrets: dict[str, str]) -> list[str]:
    return [
        f"{path} holds the {secret}"
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for secret in found_in(path.read_bytes(), secrets)
    ]


# --------------------------------------------------------------------------- the tests


def test_the_pipeline_has_run_well_and_ill_with_these_secrets(lived: Lived) -> None:
    # Otherwise the tests below find nothing because there is nothing.
    installed, said = lived.installed, lived.said
    assert installed.value("select count(*) from marts.fct_campaign_performance") > 0
    assert installed.value("select count(*) from dataflow.quarantine") == 3
    assert installed.value("select count(*) from dataflow.notices") > 0
    assert installed.value("select count(*) from dataflow.sync_ledger where error like '%%190/463%%'") > 0
    assert "mode live" in said["sync"]
    assert "190/463" in said["native command"]
    assert "Make a new token" in said["refused token"]
    assert "BAD warehouse" in said["database away"]
    assert "BAD warehouse" in said["database refuses"]
    assert "BAD redis" in said["redis away"]
    assert "BAD redis" in said["redis refuses"]
    assert lived.echo.authorizations == {f"Bearer {TOKEN}"}
    assert installed.value("select error from dataflow.sync_ledger where account_id = '7'").count("***") > 2


def test_law_13_no_table_holds_a_secret(lived: Lived) -> None:
    assert found_in_database(lived.installed, lived.secrets) == []


def test_the_search_of_the_tables_finds_what_is_there(lived: Lived) -> None:
    lived.installed.rows("insert into dataflow.notices values ('a', 'b', 'c', %s)", f"x {TOKEN} y")
    try:
        assert found_in_database(lived.installed, lived.secrets) == ["dataflow.notices holds the token"]
    finally:
        lived.installed.rows("delete from dataflow.notices where connector = 'a'")


def test_law_13_no_file_left_behind_holds_a_secret(lived: Lived) -> None:
    # Dagster's home with its logs, our logs, dbt's manifest, logs and compiled models.
    folders = [lived.installed.state_dir, DBT_DIR / "logs"]
    assert (lived.installed.state_dir / "log" / "dbt.log").stat().st_size > 0
    assert found_in_files(folders, lived.secrets) == []


def test_law_13_no_command_and_no_log_shows_a_secret(lived: Lived) -> None:
    shown = {name: found for name, text in lived.said.items() if (found := found_in(text, lived.secrets))}
    assert shown == {}


def test_law_13_no_alert_holds_a_secret(lived: Lived) -> None:
    (message,) = lived.slack.messages
    assert "meta_ads, account 7" in message
    assert found_in(json.dumps(lived.slack.requests), lived.secrets) == []


def test_law_13_no_url_holds_the_token_or_the_app_secret(lived: Lived) -> None:
    # Meta takes the proof in the query; it opens nothing without the token, which goes in a header.
    in_headers = {name: lived.secrets[name] for name in ("token", "app secret")}
    assert any("insights" in path for path in lived.echo.paths)
    assert found_in(" ".join(lived.echo.paths), in_headers) == []


@pytest.mark.parametrize("name", ["database away", "database refuses", "redis away", "redis refuses"])
def test_law_13_no_exception_of_an_unreachable_server_holds_a_secret(lived: Lived, name: str) -> None:
    changed = replace(lived.installed, settings={**lived.installed.settings, **unreachable(lived.installed)[name]})
    raised: BaseException | None = None
    with changed.here() as platform:
        try:
            platform.redis().ping()
            platform.warehouse.connect()
        except Exception as error:  # noqa: BLE001  whatever it is, its text is looked at
            raised = error
    assert raised is not None
    assert found_in("".join(traceback.format_exception(raised)), lived.secrets) == []


def test_law_13_no_repr_holds_a_secret(lived: Lived) -> None:
    # What a debugger, a crash report or an f-string in a hurry would print.
    shown = {}
    with lived.installed.here() as platform:

        async def look() -> None:
            async with open_sync(platform, META) as sync:
                caller = sync.client.caller("1")
                for thing in (sync, sync.client, sync.client.api, caller):
                    shown[type(thing).__name__] = repr(thing)

        asyncio.run(look())
        shown |= {
            "Platform": repr(platform),
            "Settings": repr(platform.settings),
            "Warehouse": repr(platform.warehouse),
        }
    assert {name: found for name, text in shown.items() if (found := found_in(text, lived.secrets))} == {}
