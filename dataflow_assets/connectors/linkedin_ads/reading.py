"""How LinkedIn is asked: credentials and budgets, Rest.li queries, pages, and reports in parts."""

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import inf
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from pydantic import SecretStr

from dataflow_assets.connectors.base import Account, Page, Probe, Stream, Window
from dataflow_assets.connectors.linkedin_ads.answers import ANALYTICS, GIVE_ACCESS, classify, resource
from dataflow_assets.connectors.linkedin_ads.streams import ACCOUNT_STATUSES, NAME, URN_OF, number_among
from dataflow_assets.resources.auth import Auth, RefreshToken, bearer
from dataflow_assets.resources.budget import Limit
from dataflow_assets.resources.failures import Fatal, Retryable, Scope, TooMuchData
from dataflow_assets.resources.http import Caller, Reply, Request, VendorApi
from dataflow_assets.settings import Settings
from dataflow_assets.windows import ONE_DAY, DayWindow

log = logging.getLogger(__name__)

# --------------------------------------------------------------------------- credentials and budgets

WARN_BEFORE = timedelta(days=30)
NEW_TOKEN_SECONDS = 60.0  # LinkedIn refuses a token for some seconds after it gave it


@dataclass
class _Renewals:
    """What the token endpoint says beside the token."""

    fetched_at: float = -inf
    lasts: timedelta | None = None

    def heard(self, answer: Mapping[str, Any]) -> None:
        """Warn a month before the refresh token ends: renewing never prolongs it, a person must log in again."""
        self.fetched_at = time.monotonic()
        left = answer.get("refresh_token_expires_in")
        self.lasts = timedelta(seconds=left) if isinstance(left, int) else None
        if self.lasts is not None and self.lasts < WARN_BEFORE:
            log.warning(
                f"LinkedIn's refresh token ends in {self.lasts.days} days. Log in again and set "
                "DATAFLOW_LINKEDIN_ADS__REFRESH_TOKEN."
            )

    @property
    def is_new_token(self) -> bool:
        """Whether the token in use is seconds old."""
        return time.monotonic() - self.fetched_at < NEW_TOKEN_SECONDS


def api(settings: Settings) -> VendorApi:
    """The versioned Marketing API, with a refresh token where one is set, else with the access token."""
    linkedin = settings.linkedin_ads
    secrets = tuple(linkedin.secrets)
    renewals = _Renewals()
    auth: Auth = bearer(_plain(linkedin.access_token))
    if linkedin.refresh_token:
        form = {
            "refresh_token": _plain(linkedin.refresh_token),
            "client_id": linkedin.client_id,
            "client_secret": _plain(linkedin.client_secret),
        }
        hint = "A refresh token ends a year after the login: log in again and set DATAFLOW_LINKEDIN_ADS__REFRESH_TOKEN."
        auth = RefreshToken(NAME, linkedin.token_url, form, hint, on_fetched=renewals.heard)

    def limits(account: str | None, path: str) -> dict[Scope, Limit]:
        del account  # LinkedIn counts per resource, whichever account it is about
        app = f"{NAME}:{linkedin.client_id or 'app'}"
        ours = Limit(app, requests=linkedin.requests_per_minute, seconds=60, burst=30)
        return {"vendor": ours, "endpoint": replace(ours, key=f"{app}:{resource(path)}")}

    return VendorApi(
        name=NAME,
        base_url=f"{linkedin.base_url.rstrip('/')}/",
        auths=(auth,),
        headers={"LinkedIn-Version": linkedin.api_version, "X-Restli-Protocol-Version": "2.0.0"},
        classify=lambda reply: classify(reply, secrets, is_new_token=renewals.is_new_token),
        usage=lambda _reply: {},  # LinkedIn tells nothing of what is used
        limits=limits,
        credential_lasts=lambda: renewals.lasts,
    )


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


# --------------------------------------------------------------------------- asking

LONGEST_QUERY = 4_000  # above, LinkedIn answers 414


def encoded(value: Any) -> str:
    """A value in Rest.li 2.0: marks of structure as they are, everything inside a value percent-encoded."""
    if isinstance(value, Mapping):
        return f"({','.join(f'{name}:{encoded(inner)}' for name, inner in value.items())})"
    if isinstance(value, list | tuple):
        return f"List({','.join(map(encoded, value))})"
    return quote(str(value), safe="") or "''"


async def _find(caller: Caller, path: str, params: Mapping[str, Any], fields: Sequence[str] = ()) -> Reply:
    query = "&".join(f"{name}={encoded(value)}" for name, value in params.items())
    query += f"&fields={','.join(fields)}" if fields else ""
    headers = {"X-RestLi-Method": "FINDER"}
    if len(query) <= LONGEST_QUERY:
        return await caller.get(f"{path}?{query}", headers=headers)
    headers |= {"X-HTTP-Method-Override": "GET", "Content-Type": "application/x-www-form-urlencoded"}
    return await caller.send(Request(method="POST", path=path, content=query, headers=headers))


class _Metadata(msgspec.Struct):
    nextPageToken: str | None = None  # noqa: N815  LinkedIn's name


class _Listing(msgspec.Struct):
    # Required: an answer without it is no empty listing, which would declare everything gone.
    elements: list[msgspec.Raw]
    metadata: _Metadata | None = None


_decode_listing = msgspec.json.Decoder(_Listing).decode


def _listing(reply: Reply) -> _Listing:
    try:
        return _decode_listing(reply.body)
    except msgspec.DecodeError:
        raise Retryable("the answer is not a list.", vendor=NAME, account=reply.account) from None


def _page(records: Sequence[msgspec.Raw]) -> Page:
    return Page(msgspec.Raw(b"[" + b",".join(map(bytes, records)) + b"]"))


async def _pages(
    caller: Caller, path: str, params: Mapping[str, Any], page_size: int
) -> AsyncIterator[list[msgspec.Raw]]:
    token: str | None = None
    while True:
        turn = {"pageSize": page_size, **({"pageToken": token} if token else {})}
        found = _listing(await _find(caller, path, {**params, **turn}))
        yield found.elements
        # A short or even empty page is not the end; only a missing token is.
        previous, token = token, found.metadata.nextPageToken if found.metadata else None
        if not token:
            return
        if token == previous:
            raise Retryable("paging does not move on.", vendor=NAME, account=caller.account)


# --------------------------------------------------------------------------- reading

UTC_ZONE = ZoneInfo("UTC")


class _AdAccount(msgspec.Struct):
    id: int
    name: str = ""
    currency: str = ""
    test: bool = False


_decode_account = msgspec.json.Decoder(_AdAccount, strict=False).decode


async def accounts(caller: Caller, settings: Settings) -> Sequence[Account]:
    """Every ad account the member can see. Test accounts, which never deliver, only when they are configured."""
    everything = {"q": "search", "search": {"status": {"values": ACCOUNT_STATUSES}}}
    try:
        pages = [page async for page in _pages(caller, "adAccounts", everything, page_size=500)]
    except Fatal as error:
        if error.scope == "vendor":
            raise
        # Other connectors have met accounts that refuse a page token together with `search`.
        pages = [page async for page in _pages(caller, "adAccounts", {"q": "search"}, page_size=500)]
    try:
        found = [_decode_account(row) for page in pages for row in page]
    except msgspec.DecodeError as error:
        raise Fatal(f"the list of accounts cannot be read: {error}.", vendor=NAME, scope="vendor") from None
    if not found:
        # A run over no accounts would be green, and empty for ever.
        raise Fatal("the token's member sees no ad account.", vendor=NAME, hint=f"{GIVE_ACCESS}.", scope="vendor")
    wanted = settings.linkedin_ads.account_ids
    return [
        # Report days are UTC for every account: LinkedIn has no time zones.
        Account(str(one.id), one.name, one.currency, UTC_ZONE)
        for one in found
        if not one.test or str(one.id) in wanted
    ]


def account_of(row: Mapping[str, Any]) -> Account:
    """The account a row of the table `ad_accounts` is about."""
    return Account(row["id"], row.get("name", ""), row.get("currency", ""), UTC_ZONE)


async def read(caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
    """Pages of one account's records in a window, in no promised order."""
    node = f"adAccounts/{account.id}"
    if not stream.endpoint:
        yield Page(msgspec.Raw(b"[" + (await caller.get(node)).body + b"]"))
        return
    if isinstance(window, DayWindow):
        pages = _report(_Question(caller, stream, window), stream.params["pivots"], "ACCOUNT", (account.id,))
    else:
        pages = _pages(caller, f"{node}/{stream.endpoint}", stream.params, stream.page_size)
    found = 0
    async for records in pages:
        found += len(records)
        yield _page(records)
    if not found:
        # Without access LinkedIn finds nothing, too. Believed, it would empty what is stored.
        await caller.get(node)


async def newer(caller: Caller, probes: Sequence[Probe]) -> Sequence[Probe]:
    """None: LinkedIn cannot be asked for less than everything."""
    del caller, probes
    return ()


# From the widest to the narrowest, with the parameter that names some of them.
FACETS = {"ACCOUNT": "accounts", "CAMPAIGN_GROUP": "campaignGroups", "CAMPAIGN": "campaigns", "CREATIVE": "creatives"}


@dataclass(frozen=True)
class _Question:
    """What is asked of adAnalytics, but for whom and by what."""

    caller: Caller
    stream: Stream
    window: DayWindow

    async def ask(self, pivots: Sequence[str], facet: str, ids: Sequence[str]) -> list[msgspec.Raw] | None:
        """The rows by `pivots` of the things of kind `facet`, cut off at the page size; None: that takes too long."""
        last = self.window.end - ONE_DAY  # both ends count
        alone = len(pivots) == 1
        params: dict[str, Any] = {
            "q": "analytics" if alone else "statistics",
            **({"pivot": pivots[0]} if alone else {"pivots": pivots}),
            "timeGranularity": "DAILY",
            "dateRange": {"start": _parts(self.window.start), "end": _parts(last)},
            FACETS[facet]: [URN_OF[facet] + one for one in ids],
        }
        # `dateRange` and `pivotValues` come only when they are asked for.
        fields = list(dict.fromkeys(column.source_path[0] for column in self.stream.columns))
        try:
            return _listing(await _find(self.caller, ANALYTICS, params, fields)).elements
        except TooMuchData:
            return None


def _parts(one: date) -> dict[str, int]:
    return {"year": one.year, "month": one.month, "day": one.day}


async def _report(
    question: _Question, pivots: Sequence[str], facet: str, ids: Sequence[str]
) -> AsyncIterator[list[msgspec.Raw]]:
    """All rows of a question. A day that is too large is asked for in parts: half of the `ids`, then what is in them.

    What is in them is asked of adAnalytics too, since the listings do not show all that has figures.

    Raises:
        TooMuchData: there are several days to split first, or nothing is left to split.
        Retryable: the parts hold less than was seen of the whole.
        Fatal: a row does not say what it is about.
    """
    whole = await question.ask(pivots, facet, ids)
    most, account = question.stream.page_size, question.caller.account
    if whole is not None and len(whole) < most:
        yield whole
        return
    levels = list(FACETS)
    below = levels[levels.index(facet) + 1]
    if len(question.window.days) > 1 or (len(ids) == 1 and below == pivots[-1]):
        raise TooMuchData(
            f"adAnalytics has {most} rows or more of {question.window}, or takes too long.",
            vendor=NAME,
            account=account,
        )
    if len(ids) == 1:
        rows = [row async for page in _report(question, (below,), facet, ids) for row in page]
        facet, ids = below, [_thing(row, below, account) for row in rows]
    middle, found = len(ids) // 2 or 1, 0
    for half in (ids[:middle], ids[middle:]):
        if half:
            async for part in _report(question, pivots, facet, half):
                found += len(part)
                yield part
    if whole is not None and found < len(whole):
        # Access lost in between, or figures of nothing that can be named: published, the missing rows would be deleted.
        raise Retryable(
            f"adAnalytics gave {found} rows of {question.window} in parts, of which it has {len(whole)} or more.",
            vendor=NAME,
            account=account,
        )


class _Row(msgspec.Struct):
    pivotValues: list[str] = []  # noqa: N815  LinkedIn's name


_decode_row = msgspec.json.Decoder(_Row).decode


def _thing(row: msgspec.Raw, kind: str, account: str | None) -> str:
    try:
        return number_among(_decode_row(row).pivotValues, kind=kind)
    except ValueError as error:  # msgspec's errors are ones
        raise Fatal(
            f"adAnalytics has a row that cannot be told by {kind}: {error}.", vendor=NAME, account=account
        ) from None
