"""What a portal has besides records: its settings, owners, pipelines and stages, in HubSpot's shape."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.hubspot.spelling import instant_text
from dataflow_assets.sandbox.world.accounts import MARKETS, Market
from dataflow_assets.sandbox.world.config import WorldConfig
from dataflow_assets.sandbox.world.crm import Portal
from dataflow_assets.sandbox.world.crm.histories import LEAVING, leaves_at
from dataflow_assets.sandbox.world.customers import SALES_PEOPLE, Stage, markets

Json = dict[str, Any]

_NAMES = (("Sam", "Ito"), ("Noor", "Haddad"), ("Piet", "de Vries"), ("Rosa", "Muñoz"), ("Tove", "Åberg"))
_TEAMS = ((311, "EMEA"), (312, "Americas"))
_DAY_MILLIS = 86_400_000

STANDARD, ENTERPRISE = "default", "813344052"
_LABELS = {STANDARD: "Sales", ENTERPRISE: "Enterprise"}
# Custom stages have numbers, those that come with a portal have words. Label and probability are of both.
_STAGES: Mapping[Stage, tuple[str, str, str, str]] = {
    Stage.APPOINTMENT: ("appointmentscheduled", "1229183701", "Appointment scheduled", "0.2"),
    Stage.QUALIFIED: ("qualifiedtobuy", "1229183702", "Qualified to buy", "0.4"),
    Stage.PRESENTATION: ("presentationscheduled", "1229183703", "Presentation scheduled", "0.6"),
    Stage.CONTRACT: ("contractsent", "1229183704", "Contract sent", "0.9"),
    Stage.WON: ("closedwon", "1229183705", "Closed won", "1.0"),
    Stage.LOST: ("closedlost", "1229183706", "Closed lost", "0.0"),
}
_RENAMED, _NEW_LABEL = Stage.CONTRACT, "Offer sent"


def home(portal: Portal) -> Market:
    """Currency and time zone of the portal; the first one is in Berlin and counts in euros."""
    return MARKETS[portal.index % len(MARKETS)]


def details(portal: Portal, now: datetime) -> Json:
    """What `account-info` tells of the portal."""
    market = home(portal)
    offset = now.astimezone(ZoneInfo(market.zone)).utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    in_europe = market.zone.startswith("Europe/")
    return {
        "portalId": ids.portal_id(portal.index),
        "accountType": "STANDARD",
        "timeZone": market.zone,
        "companyCurrency": market.currency,
        "additionalCurrencies": sorted({one.currency for one in markets()} - {market.currency}),
        "utcOffset": f"{sign}{size // 60:02}:{size % 60:02}",
        "utcOffsetMilliseconds": minutes * 60_000,
        "uiDomain": "app-eu1.hubspot.com" if in_europe else "app.hubspot.com",
        "dataHostingLocation": "eu1" if in_europe else "na1",
    }


def owners(portal: Portal, instant: int, *, archived: bool) -> Iterator[Json]:
    """The owners that are in charge, or those who have left, ordered by id."""
    left = leaves_at(portal.config)
    for index in range(SALES_PEOPLE):
        is_gone = index == LEAVING and instant >= left
        if is_gone is not archived:
            continue
        first, last = _NAMES[index]
        login = ids.user_id(portal, index)
        created = _before_start(portal.config, 300 - index * 20)
        updated = left if is_gone else created + (index + 1) * 7 * _DAY_MILLIS
        number, team = _TEAMS[index % len(_TEAMS)]
        yield {
            "id": ids.owner_id(portal, index),
            "email": f"{first}@vendor.example".lower(),
            "type": "PERSON",
            "firstName": first,
            "lastName": last,
            # Who has left has no login any more; deals name the owner nevertheless.
            **({} if is_gone else {"userId": login}),
            "userIdIncludingInactive": login,
            "createdAt": instant_text(created),
            "updatedAt": instant_text(updated),
            "archived": is_gone,
            "teams": [{"id": str(number), "name": team, "primary": True}],
        }


def pipelines(portal: Portal, instant: int) -> list[Json]:
    """The pipelines of deals. One stage gets another name half-way through the world's days."""
    created, renamed = _before_start(portal.config, 365), leaves_at(portal.config) + 3_600_000
    is_renamed = instant >= renamed
    found = []
    for order, (pipeline, label) in enumerate(_LABELS.items()):
        stages = []
        for place, (stage, (_, _, name, probability)) in enumerate(_STAGES.items()):
            changed = is_renamed and stage is _RENAMED
            stages.append(
                {
                    "id": stage_id(pipeline, stage),
                    "label": _NEW_LABEL if changed else name,
                    "displayOrder": place,
                    "metadata": {
                        "probability": probability,
                        "isClosed": "true" if stage in (Stage.WON, Stage.LOST) else "false",
                    },
                    "createdAt": instant_text(created),
                    "updatedAt": instant_text(renamed if changed else created),
                    "archived": False,
                }
            )
        found.append(
            {
                "id": pipeline,
                "label": label,
                "displayOrder": order,
                "stages": stages,
                "createdAt": instant_text(created),
                "updatedAt": instant_text(renamed if is_renamed else created),
                "archived": False,
            }
        )
    return found


def stage_id(pipeline: str, stage: Stage) -> str:
    """The id of a stage, which is another in each pipeline."""
    word, number, *_ = _STAGES[stage]
    return word if pipeline == STANDARD else number


def _before_start(config: WorldConfig, days: int) -> int:
    start = datetime.combine(config.start, time(8), UTC) - timedelta(days=days)
    return int(start.timestamp()) * 1_000
