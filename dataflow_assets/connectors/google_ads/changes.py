"""Asking whether anything is newer, by `change_status`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import msgspec

from dataflow_assets.connectors.base import Probe
from dataflow_assets.connectors.google_ads.queries import rows_of
from dataflow_assets.resources.failures import VendorError
from dataflow_assets.resources.http import Caller

CHANGED: Mapping[str, tuple[str, ...]] = {
    "campaigns": ("CAMPAIGN", "CAMPAIGN_BUDGET"),
    "ad_groups": ("AD_GROUP",),
    "ads": ("AD_GROUP_AD",),
}
"""The kinds of things in `change_status` that a stream shows. Accounts and conversion actions are not in it."""

_CHANGES_GO_BACK = timedelta(days=89)  # 90, less a day of slack
_MOST_CHANGES = 10_000
_CLOCKS_GO_BACK = timedelta(hours=1)


class _Change(msgspec.Struct, rename="camel"):
    resource_type: str
    last_change_date_time: datetime


class _ChangeRow(msgspec.Struct, rename="camel"):
    change_status: _Change


_changes = msgspec.json.Decoder(list[_ChangeRow])


async def newer(caller: Caller, probes: Sequence[Probe]) -> Sequence[Probe]:
    """Which of the probes see something changed after their watermark: one operation per account for all its streams.

    An account that cannot be asked does not silence the others, unless none can: that is raised.
    """
    found: list[Probe] = []
    failures: list[VendorError] = []
    asked = 0
    wanted = [probe for probe in probes if probe.stream.name in CHANGED and not probe.account.problem]
    for _, group in groupby(sorted(wanted, key=lambda probe: probe.account.id), key=lambda probe: probe.account.id):
        asked += 1
        try:
            found += await _changed(caller, list(group))
        except VendorError as error:
            if getattr(error, "scope", "") == "vendor":
                raise
            failures.append(error)
    if failures and len(failures) == asked:
        raise failures[0]
    return found


async def _changed(caller: Caller, probes: list[Probe]) -> list[Probe]:
    """Those probes of one account that see a change."""
    account, now = probes[0].account, caller.now()
    asked = [probe for probe in probes if now - probe.watermark < _CHANGES_GO_BACK]
    # What Google no longer tells the changes of has to be looked at.
    found = [probe for probe in probes if probe not in asked]
    if not asked:
        return found
    kinds = ", ".join(f"'{kind}'" for probe in asked for kind in CHANGED[probe.stream.name])
    # Times are those of the account's clocks. In autumn an hour comes twice: what is later may be written as earlier.
    since = min(now, *(probe.watermark for probe in asked)) - _CLOCKS_GO_BACK
    time = "change_status.last_change_date_time"
    query = (
        f"SELECT change_status.resource_type, {time} FROM change_status "  # noqa: S608  GAQL, of our own names
        f"WHERE {time} >= '{_local(since, account.zone)}' AND {time} <= '{_local(now, account.zone)}' "
        f"AND change_status.resource_type IN ({kinds}) ORDER BY {time} DESC LIMIT {_MOST_CHANGES}"
    )
    own = replace(caller, account=account.id, credential=account.credential, headers=account.headers)
    changes = [row.change_status async for row in rows_of(own, account.id, query, _changes)]
    # At the limit the older changes are cut off, and those of a stream may be among them.
    if len(changes) >= _MOST_CHANGES:
        return probes
    latest: dict[str, datetime] = {}
    for change in changes:  # newest first
        # Of an hour that comes twice the second is meant: a look in vain costs less than a change not seen.
        at = change.last_change_date_time.replace(tzinfo=account.zone, fold=1)
        latest.setdefault(change.resource_type, at.astimezone(UTC))
    for probe in asked:
        moments = [latest[kind] for kind in CHANGED[probe.stream.name] if kind in latest]
        found += [probe] if any(moment > probe.watermark for moment in moments) else []
    return found


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
