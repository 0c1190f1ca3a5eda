"""Sandboxes for the tests of the sandbox."""

from collections.abc import Iterator

import httpx
import pytest

from dataflow_assets.sandbox.testing import TOKEN, RunningSandbox, run_sandbox


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    """One sandbox for a module."""
    with run_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: RunningSandbox) -> Iterator[RunningSandbox]:
    """The module's sandbox, as if it were new: no faults, default limits, counts at zero, and its first time."""
    start = shared.clock.now()
    shared.reset_requests()
    yield shared
    shared.clear_faults()
    shared.reset_limits()
    shared.clock.set(start)


class Graph:
    """A bare client of Meta's API."""

    def __init__(self, sandbox: RunningSandbox, client: httpx.Client) -> None:
        self._base = f"{sandbox.meta_url}/v26.0"
        self._client = client

    def get(self, path: str, **params: object) -> httpx.Response:
        url = path if path.startswith("http") else f"{self._base}/{path}"
        asked = {"access_token": TOKEN, **{name: str(value) for name, value in params.items()}}
        return self._client.get(url, params=None if path.startswith("http") else asked)

    def post(self, path: str, **form: object) -> httpx.Response:
        data = {name: str(value) for name, value in form.items()}
        return self._client.post(f"{self._base}/{path}", params={"access_token": TOKEN}, data=data)

    def rows(self, path: str, **params: object) -> list[dict[str, object]]:
        """All rows of all pages."""
        found: list[dict[str, object]] = []
        answer = self.get(path, **params)
        while True:
            assert answer.status_code == httpx.codes.OK, answer.text
            body = answer.json()
            found += body["data"]
            following = body.get("paging", {}).get("next")
            if following is None:
                return found
            answer = self.get(following)


@pytest.fixture
def graph(sandbox: RunningSandbox) -> Iterator[Graph]:
    with httpx.Client() as client:
        yield Graph(sandbox, client)


@pytest.fixture
def account(sandbox: RunningSandbox) -> str:
    """The node of the account in Berlin."""
    return str(sandbox.truth("meta_ads", "ad_accounts")[0]["id"])
