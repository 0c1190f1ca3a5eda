"""What Airbyte's sources of Google Ads, HubSpot and Stripe would emit, made from what the sandbox answers.

By their published schemas and manifests of 2025 and 2026: names of streams and fields, and the types they turn values
into.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from dataflow_assets.connectors import connector
from dataflow_assets.connectors.google_ads.landing import custom_query
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.sandbox.google_ads.auth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from dataflow_assets.sandbox.google_ads.ids import MANAGER_ID
from dataflow_assets.sandbox.hubspot.auth import private_token
from dataflow_assets.sandbox.stripe.auth import secret_key
from dataflow_assets.sandbox.stripe.versions import OLD
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.settings import PROJECT_ROOT
from dataflow_assets.windows import ONE_DAY, DayWindow

Json = dict[str, Any]
Tables = Mapping[str, list[Json]]
GOOGLE, HUBSPOT, STRIPE = connector("google_ads"), connector("hubspot"), connector("stripe")
_CAPITAL = re.compile(r"[A-Z]")


@dataclass(frozen=True)
class Source:
    """A source of Airbyte's: the rows of its tables, the types of their columns, the account of its connection."""

    emitted: Callable[[RunningSandbox, DayWindow], Tables]
    types: Mapping[str, str]
    # What is not ours to compare: Airbyte does not tell it, or tells it in a way of its own.
    not_told: Mapping[str, frozenset[str]]


# ------------------------------------------------------------------ Google Ads


def documented_queries() -> dict[str, str]:
    """The custom queries that `docs/airbyte.md` says to give Airbyte, by table."""
    lines = (PROJECT_ROOT / "docs" / "airbyte.md").read_text("utf-8").splitlines()
    return dict(re.split(r"\s+", line, maxsplit=1) for line in lines if " SELECT " in line)  # type: ignore[misc]


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """Fields of a row of Google's, by path in the spelling of GAQL."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        spelled = _CAPITAL.sub(lambda m: f"_{m[0].lower()}", key)
        yield from _flat(inner, f"{name}.{spelled}" if name else spelled)


def _google(sandbox: RunningSandbox, window: DayWindow) -> Tables:
    with httpx.Client(base_url=sandbox.google_url, trust_env=False) as http:
        form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
        token = http.post("/token", data={**form, "grant_type": "refresh_token"}).json()["access_token"]
        headers = {"authorization": f"Bearer {token}", "login-customer-id": MANAGER_ID}

        def rows(query: str, customer: str) -> Iterable[Json]:
            path = f"/v26/customers/{customer}/googleAds:searchStream"
            answer = http.post(path, headers=headers, json={"query": query})
            assert answer.status_code == 200, answer.text
            for row in (row for piece in answer.json() for row in piece.get("results", ())):
                yield {name: _number(name, value) for name, value in _flat(row) if "resource_name" not in name}

        clients = [
            str(row["customer_client.id"])
            for row in rows(
                "SELECT customer_client.id FROM customer_client WHERE customer_client.status = 'ENABLED'", MANAGER_ID
            )
        ]
        found = defaultdict(list)
        for table, query in documented_queries().items():
            of_days = query
            if "segments.date" in query:
                of_days += f" WHERE segments.date BETWEEN '{window.start}' AND '{window.end - ONE_DAY}'"
            for client in clients:
                # A manager has no figures, and is asked for none.
                if not (client == MANAGER_ID and "metrics." in query):
                    found[table] += rows(of_days, client)
        return found


def _number(name: str, value: Any) -> Any:
    """Whole numbers come as text from Google and as numbers from Airbyte."""
    return int(value) if isinstance(value, str) and _GOOGLE_TYPES.get(name.replace(".", "_")) == "bigint" else value


def _google_types() -> dict[str, str]:
    by_type = {
        ColumnType.BIGINT: "bigint",
        ColumnType.NUMERIC: "numeric(38, 9)",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.DATE: "date",
        ColumnType.JSONB: "jsonb",
    }
    found = {}
    for stream in GOOGLE.streams:
        fields = re.findall(r"[a-z_]+(?:\.[a-z_]+)+", custom_query(stream).partition(" FROM ")[0])
        declared = {_spelled(column): by_type.get(column.type, "varchar") for column in stream.columns}
        for name in fields:
            is_id = name.endswith(".id")
            found[name.replace(".", "_")] = "bigint" if is_id else declared.get(name, "varchar")
    return found


def _spelled(column: Column) -> str:
    return _CAPITAL.sub(lambda m: f"_{m[0].lower()}", ".".join(column.source_path))


_GOOGLE_TYPES = _google_types()

# ------------------------------------------------------------------ HubSpot

# The kinds of HubSpot's own types of properties that Airbyte turns values into.
_OF_HUBSPOT = {
    ColumnType.NUMERIC: "numeric(38, 9)",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TIMESTAMPTZ: "timestamptz",
}
_HUBSPOT_TYPES = {
    f"properties_{column.source_path[1]}": _OF_HUBSPOT.get(column.type, "varchar")
    for stream in HUBSPOT.streams
    for column in stream.columns
    if column.source_path[0] == "properties"
}
_HUBSPOT_TYPES |= dict.fromkeys(("contacts", "companies", "stages", "teams"), "jsonb")
_HUBSPOT_TYPES |= dict.fromkeys(("archived", "active", "default"), "boolean")
_HUBSPOT_TYPES |= dict.fromkeys(("createdAt", "updatedAt", "archivedAt", "timestamp"), "timestamptz")
_HUBSPOT_TYPES |= dict.fromkeys(("deal_pipelines.createdAt", "deal_pipelines.updatedAt"), "bigint")
_HUBSPOT_TYPES |= dict.fromkeys(("displayOrder", "userId", "userIdIncludingInactive"), "bigint")
_HUBSPOT_TYPES |= {"updatedByUserId": "numeric(38, 9)", "dealId": "varchar"}


def _typed(name: str, value: str | None) -> Any:
    kind = _HUBSPOT_TYPES.get(f"properties_{name}")
    if not value or kind == "varchar":
        return value
    return {"numeric(38, 9)": float, "boolean": lambda told: told == "true"}.get(kind or "", str)(value)


def _hubspot(sandbox: RunningSandbox, _window: DayWindow) -> Tables:
    with httpx.Client(base_url=sandbox.hubspot_url, trust_env=False) as http:
        found: defaultdict[str, list[Json]] = defaultdict(list)
        links = _linked(sandbox)
        for kind in ("contacts", "companies", "deals", "owners"):
            for row in sandbox.truth("hubspot", kind):
                made = dict(row)
                if kind != "owners":
                    properties = {name: _typed(name, value) for name, value in row["properties"].items()}
                    made |= {f"properties_{name}": value for name, value in properties.items()}
                    made |= {"properties": properties, **links[kind, row["id"]]}
                found[f"{kind}_archived" if row["archived"] else kind].append(made)
        for pipeline in _listed(http, "crm/v3/pipelines/deals"):
            stages = [_pipeline_of_v1(stage, "stageId") for stage in pipeline.pop("stages")]
            found["deal_pipelines"].append(_pipeline_of_v1(pipeline, "pipelineId") | {"stages": stages})
        for archived in ("false", "true"):
            asked = {"propertiesWithHistory": "dealstage", "limit": "50", "archived": archived}
            for deal in _listed(http, "crm/v3/objects/deals", asked):
                entries = deal["propertiesWithHistory"]["dealstage"]
                found["deals_property_history"] += [
                    {**one, "dealId": deal["id"], "property": "dealstage"} for one in entries
                ]
                other = {"dealId": deal["id"], "property": "amount", "value": "1", "timestamp": entries[0]["timestamp"]}
                found["deals_property_history"].append(other)
        return found


def _linked(sandbox: RunningSandbox) -> Mapping[tuple[str, str], dict[str, list[str]]]:
    found: defaultdict[tuple[str, str], defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for table, parent, to in (
        ("deal_contacts", "deals", "contacts"),
        ("deal_companies", "deals", "companies"),
        ("contact_companies", "contacts", "companies"),
    ):
        for row in sandbox.truth("hubspot", table):
            found[parent, row["from_id"]][to].append(row["to_id"])
    return found  # type: ignore[return-value]


def _pipeline_of_v1(row: Json, name_of_id: str) -> Json:
    """A pipeline or stage as the oldest of HubSpot's APIs tells it, which Airbyte still asks."""
    times = {
        name: int(datetime.fromisoformat(row[name]).timestamp() * 1000)
        for name in ("createdAt", "updatedAt")
        if row.get(name)
    }
    kept = {name: value for name, value in row.items() if name in {"label", "displayOrder", "metadata"}}
    return {**kept, **times, name_of_id: row["id"], "active": True}


def _listed(http: httpx.Client, path: str, query: Mapping[str, str] | None = None) -> list[Json]:
    rows: list[Json] = []
    after: dict[str, str] = {}
    while True:
        headers = {"Authorization": f"Bearer {private_token(0)}"}
        answer = http.get(f"/{path}", params={**(query or {}), **after}, headers=headers)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        rows += body["results"]
        if "paging" not in body:
            return rows
        after = {"after": body["paging"]["next"]["after"]}


# ------------------------------------------------------------------ Stripe

_STRIPE_PATHS = {
    **{stream.name: stream.endpoint for stream in STRIPE.streams},
    "invoice_lines": "",
    "subscription_items": "",
}


def _stripe(sandbox: RunningSandbox, _window: DayWindow) -> Tables:
    with httpx.Client(base_url=sandbox.stripe_url, trust_env=False) as http:

        def rows(path: str, **query: Any) -> list[Json]:
            found: list[Json] = []
            while True:
                after = {"starting_after": found[-1]["id"]} if found else {}
                headers = {"Authorization": f"Bearer {secret_key(0)}", "Stripe-Version": OLD}
                answer = http.get(f"/v1/{path}", params={"limit": 100, **query, **after}, headers=headers)
                assert answer.status_code == 200, answer.text
                found += answer.json()["data"]
                if not answer.json()["has_more"]:
                    return found

        found: dict[str, list[Json]] = {}
        for stream in STRIPE.streams:
            path = _STRIPE_PATHS[stream.name]
            if path and stream.name != "invoice_payments":
                query = {"status": "all"} if path == "subscriptions" else {}
                found[stream.name] = [
                    row if path in {"events", "balance_transactions"} else _listing(row) for row in rows(path, **query)
                ]
        found["invoice_line_items"] = [
            {**line, "invoice_id": invoice["id"], "updated": invoice["created"]}
            for invoice in found["invoices"]
            for line in rows(f"invoices/{invoice['id']}/lines")
        ]
        found["subscription_items"] = [
            {**item, "subscription_updated": subscription["created"]}
            for subscription in found["subscriptions"]
            for item in rows("subscription_items", subscription=subscription["id"])
        ]
        return found


def _listing(row: Json) -> Json:
    return {**row, "updated": row["created"], "is_deleted": False}


def _stripe_types() -> dict[str, str]:
    by_type = {
        ColumnType.BIGINT: "bigint",
        ColumnType.NUMERIC: "varchar",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.JSONB: "jsonb",
        ColumnType.TIMESTAMPTZ: "bigint",
    }
    found: dict[str, str] = {}
    for stream in STRIPE.streams:
        for column in stream.columns:
            head, *rest = column.source_path
            found.setdefault(head, "jsonb" if rest else by_type.get(column.type, "varchar"))
    found |= {
        "updated": "bigint",
        "is_deleted": "boolean",
        "subscription_updated": "bigint",
        "percent_off": "numeric(38, 9)",
    }
    return found | {"payment_method_details": "jsonb", "exchange_rate": "numeric(38, 9)"}


# ------------------------------------------------------------------

_NO_KIND = frozenset({"association_type_id", "category", "label"})
SOURCES: Mapping[str, Source] = {
    "google_ads": Source(_google, _GOOGLE_TYPES, {}),
    "hubspot": Source(
        _hubspot,
        _HUBSPOT_TYPES,
        {
            "deal_contacts": _NO_KIND | {"deal_updated_at"},
            "deal_companies": _NO_KIND | {"deal_updated_at"},
            "contact_companies": _NO_KIND | {"contact_updated_at"},
            "deal_stage_history": frozenset({"deal_updated_at"}),
        },
    ),
    "stripe": Source(
        _stripe,
        _stripe_types(),
        # A product's own time of change gives way to that of the event.
        {s.name: frozenset({"updated_at"}) for s in STRIPE.streams}
        | {"products": frozenset({"updated_at", "updated"}), "subscriptions": frozenset({"updated_at", "discounts"})},
    ),
}
