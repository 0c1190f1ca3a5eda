"""Ends the servers that a killed supervisor left behind. Linux does so itself; elsewhere they would run on for ever."""

from dataflow_assets.embedded.layout import DataRoot, StateDir
from dataflow_assets.embedded.postgres import Postgres
from dataflow_assets.embedded.process import end_leftover
from dataflow_assets.embedded.redis import Redis
from dataflow_assets.embedded.sandbox_server import SandboxService


def end_leftovers(state: StateDir, data: DataRoot) -> None:
    """End all servers of an earlier start. Call it only while you own the state folder.

    Raises:
        EmbeddedError: one of them does not end.
    """
    end_leftover(SandboxService.name, state.sandbox_lock, SandboxService.stop_signals)
    end_leftover("Redis", data.redis_lock, Redis.stop_signals)
    end_leftover(Postgres.name, data.postgres_lock, Postgres.stop_signals)
