"""Commands and their options.

Exit codes: 0 done, 1 something failed and is named, 2 wrong use or settings, 3 a server is missing or was written by a
newer version, 130 interrupted.
"""

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

OK, FAILED, WRONG_USE, NO_SERVER, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="dataflow",
    help="A marketing and revenue warehouse you run yourself and can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
Accounts = Annotated[list[str] | None, typer.Option("--account", help="Only this account; may be repeated.")]


@app.command()
def demo() -> None:
    """Run the whole pipeline on the sandbox: 90 days, then a day later only what changed; end with a summary."""
    with _servers_starting():
        from dataflow_assets.cli.demo import run_demo  # noqa: PLC0415

    raise typer.Exit(run_demo())


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Keep everything up: Dagster UI and daemon, private servers, sandbox. Ctrl-C stops it all."""
    from dataflow_assets.cli.dev import run_dev  # noqa: PLC0415

    raise typer.Exit(run_dev(port))


@app.command()
def sync(
    account: Accounts = None,
    full: Annotated[bool, typer.Option(help="List every entity instead of what changed.")] = False,
    newer: Annotated[bool, typer.Option(help="Ask first what is newer than the watermarks; read only that.")] = False,
    as_json: Json = False,
) -> None:
    """Bring everything up to date: days that may still change, changed entities, then facts and aggregates."""
    with _servers_starting():
        from dataflow_assets.cli.sync import run_sync  # noqa: PLC0415

    raise typer.Exit(run_sync(accounts=account or [], full=full, newer=newer, as_json=as_json))


@app.command()
def backfill(
    select: Annotated[
        str, typer.Argument(help="A vendor (meta_ads), one stream (meta_ads/insights_ad), or a Dagster selection.")
    ],
    start: Annotated[str, typer.Option("--from", help="First report day, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option("--to", help="Last report day, YYYY-MM-DD.")],
    account: Accounts = None,
    dry_run: Annotated[bool, typer.Option(help="Show partitions, assets and expected requests; run nothing.")] = False,
    downstream: Annotated[bool, typer.Option(help="Build facts and aggregates of these days too.")] = True,
    as_json: Json = False,
) -> None:
    """Read past report days again, in one run, without a daemon. Watermarks and live syncs are not disturbed."""
    from dataflow_assets.cli.backfill import run_backfill  # noqa: PLC0415

    raise typer.Exit(
        run_backfill(
            select,
            _day(start, "--from"),
            _day(end, "--to"),
            accounts=account or [],
            dry_run=dry_run,
            downstream=downstream,
            as_json=as_json,
        )
    )


@app.command()
def transform(
    start: Annotated[str | None, typer.Option("--from", help="First report day, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last report day, YYYY-MM-DD.")] = None,
    rebuild: Annotated[
        str | None,
        typer.Option(metavar="FACT", help="Build this fact and what is made from it again: all days, or those given."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Rebuild without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Build facts and aggregates from whatever lies in the raw tables; without a range, the days that changed.

    Reads no vendor and starts no sandbox. Facts are replaced range by range and never dropped.
    """
    from dataflow_assets.cli.transform import run_rebuild, run_transform  # noqa: PLC0415

    first, last = _day(start, "--from") if start else None, _day(end, "--to") if end else None
    if rebuild is None:
        raise typer.Exit(run_transform(first, last, as_json=as_json))
    raise typer.Exit(run_rebuild(rebuild, first, last, confirmed=yes, as_json=as_json))


@app.command()
def status(as_json: Json = False) -> None:
    """What is known, how far it is settled, what waits, what is in quarantine, and what was wrong last."""
    from dataflow_assets.cli.status import run_status  # noqa: PLC0415

    raise typer.Exit(run_status(as_json=as_json))


@app.command()
def verify(
    start: Annotated[
        str | None, typer.Option("--from", help="First day, YYYY-MM-DD. Left out: DATAFLOW_STORAGE__SWEEP_DAYS back.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare every aggregate with its facts, repair what differs, and say what did. Ends with 1 if any still does."""
    from dataflow_assets.cli.verify import run_verify  # noqa: PLC0415

    raise typer.Exit(run_verify(_day(start, "--from") if start else None, as_json=as_json))


@app.command()
def doctor(
    connect: Annotated[bool, typer.Option(help="Also reach for the servers and vendors.")] = True,
    as_json: Json = False,
) -> None:
    """Show effective settings, secrets masked, and name each that is broken."""
    from dataflow_assets.cli.doctor import run_doctor  # noqa: PLC0415

    raise typer.Exit(run_doctor(connect=connect, as_json=as_json))


quarantine = typer.Typer(no_args_is_help=True, help="Records that broke their stream's contract.")
app.add_typer(quarantine, name="quarantine")


@quarantine.command("list")
def quarantine_list(as_json: Json = False) -> None:
    """Show what is set aside, and why."""
    from dataflow_assets.cli.quarantine import run_list  # noqa: PLC0415

    raise typer.Exit(run_list(as_json=as_json))


@quarantine.command("replay")
def quarantine_replay(as_json: Json = False) -> None:
    """Judge every record again by the present contract and land those that keep it."""
    from dataflow_assets.cli.quarantine import run_replay  # noqa: PLC0415

    raise typer.Exit(run_replay(as_json=as_json))


@app.command()
def env() -> None:
    """Print the variables plain `dagster` commands need: eval "$(dataflow env)"."""
    from dataflow_assets.cli.instance import print_environment  # noqa: PLC0415

    raise typer.Exit(print_environment())


class _ServesByDefault(TyperGroup):
    """`dataflow sandbox --port 8900` serves, as `dataflow sandbox serve --port 8900` does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["serve", *args]
        return super().parse_args(ctx, args)


sandbox = typer.Typer(
    cls=_ServesByDefault, help="The vendors' local twins: serve them, or tell what their world holds."
)
app.add_typer(sandbox, name="sandbox")


@sandbox.command(
    "serve", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False
)
def sandbox_serve(context: typer.Context) -> None:
    """Serve the sandbox by hand, also without this word; its options are listed by `dataflow sandbox serve --help`."""
    from dataflow_assets.cli.sandbox import run_server  # noqa: PLC0415

    raise typer.Exit(run_server(context.args))


@sandbox.command("truth")
def sandbox_truth(
    stream: Annotated[str, typer.Argument(metavar="VENDOR/STREAM", help="For instance meta_ads/insights_ad.")],
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="First report day, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last report day, YYYY-MM-DD.")] = None,
    url: Annotated[str | None, typer.Option(help="Of a running sandbox; the private one if left out.")] = None,
    state: Annotated[Path | None, typer.Option(help="A state file in its place: nothing has to run.")] = None,
) -> None:
    """Print the rows of a stream as its vendor should give them now, one JSON object a line. Starts nothing."""
    from dataflow_assets.cli.sandbox import run_truth  # noqa: PLC0415

    if url is not None and state is not None:
        raise typer.BadParameter("The truth comes from --url or from --state, not from both.")
    first, last = _day(start, "--from") if start else None, _day(end, "--to") if end else None
    raise typer.Exit(run_truth(stream, account=account, first=first, last=last, url=url, state=state))


@contextmanager
def _servers_starting() -> Iterator[None]:
    """Private servers come up while Dagster is loaded, which takes as long."""
    from dataflow_assets.resources.platform import get_platform  # noqa: PLC0415

    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(get_platform)
        yield
    started.result()


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day like 2026-01-31.", param_hint=option) from None


def main() -> None:
    """Entry point: run a command and turn known errors into one clear message and an exit code."""
    # Told once per asset, before the answer. It is Dagster's only way to fill a range in one run.
    warnings.filterwarnings("ignore", message="Parameter `backfill_policy` of function `asset` is currently in beta")
    try:
        app()
    except SystemExit as ended:  # which is what typer makes of Ctrl-C
        if ended.code == INTERRUPTED:
            sys.stderr.write("Interrupted. What was committed is kept; run the command again to go on.\n")
        raise
    except Exception as error:  # the last place to make an error readable
        code = _exit_code(error)
        if code is None:
            raise
        sys.stderr.write(f"{error}\n")
        raise SystemExit(code) from None


def _exit_code(error: Exception) -> int | None:
    from dataflow_assets.aggregates.backends import FaultyServer  # noqa: PLC0415
    from dataflow_assets.aggregates.making import HistoryAtRisk  # noqa: PLC0415
    from dataflow_assets.aggregates.policies import PolicyRefused  # noqa: PLC0415
    from dataflow_assets.embedded import EmbeddedError  # noqa: PLC0415
    from dataflow_assets.resources.failures import VendorError  # noqa: PLC0415
    from dataflow_assets.resources.warehouse import WarehouseError  # noqa: PLC0415
    from dataflow_assets.settings import SettingsError  # noqa: PLC0415

    if isinstance(error, (SettingsError, PolicyRefused)):
        return WRONG_USE
    if isinstance(error, (WarehouseError, EmbeddedError, FaultyServer)):
        return NO_SERVER
    return FAILED if isinstance(error, (VendorError, HistoryAtRisk)) else None


if __name__ == "__main__":
    main()
