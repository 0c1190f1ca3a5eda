"""A bare client of the sandbox's Stripe API, for the tests of the sandbox."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from dataflow_assets.sandbox.stripe.auth import secret_key
from dataflow_assets.sandbox.stripe.versions import CURRENT
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.sandbox.world import WorldConfig

# The first account's default version was raised on 16 April, so its events of May come in two shapes.
CONFIG = WorldConfig(days=150, customers_per_day=8, stripe_accounts=2)
NOW = datetime(2026, 5, 11, 12, tzinfo=UTC)
# Per list: the parameters that list everything.
LISTS: dict[str, dict[str, Any]] = {
    "customers": {},
    "products": {},
    "prices": {},
    "coupons": {},
    "subscriptions": {"status": "all"},
    "invoices": {},
    "invoice_payments": {},
    "charges": {},
    "payment_intents": {},
    "refunds": {},
    "disputes": {},
    "balance_transactions": {},
    "events": {},
}


class Api:
    """Speaks for the first account in the current version, unless told otherwise."""

    def __init__(self, sandbox: RunningSandbox, http: httpx.Client) -> None:
        self.base = f"{sandbox.stripe_url}/v1"
        self.http = http
        self.headers: dict[str, str] = {"Authorization": f"Bearer {secret_key(0)}", "Stripe-Version": CURRENT}

    def get(self, path: str, params: Any = None, **headers: str) -> httpx.Response:
        """One answer. Underscores in the names of `headers` stand for hyphens."""
        changes = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(f"{self.base}/{path}", params=params, headers={**self.headers, **changes})

    def body(self, path: str, params: Any = None, **headers: str) -> Any:
        """The JSON of an answer that is none of an error."""
        answer = self.get(path, params, **headers)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def rows(self, path: str, params: Mapping[str, Any] | None = None, **headers: str) -> list[dict[str, Any]]:
        """All rows of all pages."""
        found: list[dict[str, Any]] = []
        asked = {"limit": 100, **(params or {})}
        while True:
            page = self.body(path, asked, **headers)
            found += page["data"]
            if not page["has_more"]:
                return found
            asked["starting_after"] = found[-1]["id"]


def account_ids(sandbox: RunningSandbox) -> list[str]:
    """The ids of all accounts."""
    keys = [secret_key(number) for number in range(sandbox.config.stripe_accounts)]
    url = f"{sandbox.stripe_url}/v1/account"
    return [httpx.get(url, headers={"Authorization": f"Bearer {key}"}).json()["id"] for key in keys]


def code(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    """Status, code and parameter of an error."""
    error = answer.json()["error"]
    return answer.status_code, error.get("code"), error.get("param")


def by_id(rows: Any) -> dict[str, Any]:
    """Rows by id; each id once."""
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found
