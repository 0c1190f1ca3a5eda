"""The properties of HubSpot's records: their definitions, and how each is read out of the world."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from dataflow_assets.sandbox.google_ads.ids import campaign_id as google_campaign_id
from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.hubspot.people import ENTERPRISE, STANDARD, home, stage_id
from dataflow_assets.sandbox.hubspot.spelling import Value, text
from dataflow_assets.sandbox.linkedin_ads.ids import number as linkedin_id
from dataflow_assets.sandbox.meta_ads.ids import campaign_id as meta_campaign_id
from dataflow_assets.sandbox.world import Ad
from dataflow_assets.sandbox.world.accounts import Market
from dataflow_assets.sandbox.world.chance import between, draws, salt
from dataflow_assets.sandbox.world.crm import Kind, Lifecycle, Portal, Record
from dataflow_assets.sandbox.world.customers import Stage, markets

_BIG = 250  # from so many employees on a deal goes another way


@dataclass(frozen=True, slots=True)
class View:
    """A record in one of its states. `state` is that of the record's kind."""

    portal: Portal
    record: Record
    state: Any

    @property
    def subject(self) -> Any:
        """The person or company it is about."""
        return self.record.subject


@dataclass(frozen=True)
class Property:
    """A property as HubSpot defines it, and how the world fills it."""

    name: str
    label: str
    type: str
    read: Callable[[View], Value]
    options: tuple[str, ...] = ()

    def text(self, view: View) -> str | None:
        """The value on the wire."""
        return text(self.type, self.read(view))


@dataclass(frozen=True)
class _Channel:
    """How HubSpot tells where a click came from: its channel, the platform's names, the campaign's id and name."""

    source: str
    network: str | None
    utm_source: str
    utm_medium: str
    id_of: Callable[[Ad], object]
    name_of: Callable[[Ad, int], str]


def _name(ad: Ad, instant: int) -> str:
    campaign = ad.ad_set.campaign.life
    return (campaign.at(instant) or campaign.states[0]).name


def _linkedin_name(ad: Ad, instant: int) -> str:
    # What LinkedIn calls a campaign is an ad set elsewhere.
    campaign = ad.ad_set.life
    return (campaign.at(instant) or campaign.states[0]).name


_CHANNELS: Mapping[str, _Channel] = {
    "google_ads": _Channel(
        "PAID_SEARCH", None, "google", "cpc", lambda ad: google_campaign_id(ad.ad_set.campaign), _name
    ),
    "meta_ads": _Channel(
        "PAID_SOCIAL", "Facebook", "facebook", "paid_social", lambda ad: meta_campaign_id(ad.ad_set.campaign), _name
    ),
    "linkedin_ads": _Channel(
        "PAID_SOCIAL", "LinkedIn", "linkedin", "paid_social", lambda ad: linkedin_id(ad.ad_set), _linkedin_name
    ),
}
_SOURCES = (
    "ORGANIC_SEARCH",
    "PAID_SEARCH",
    "EMAIL_MARKETING",
    "SOCIAL_MEDIA",
    "REFERRALS",
    "OTHER_CAMPAIGNS",
    "DIRECT_TRAFFIC",
    "OFFLINE",
    "PAID_SOCIAL",
)
_BY_THEMSELVES = ("DIRECT_TRAFFIC", "ORGANIC_SEARCH", "REFERRALS")
_LIFECYCLES = {
    Lifecycle.SUBSCRIBER: "subscriber",
    Lifecycle.LEAD: "lead",
    Lifecycle.MARKETING_QUALIFIED: "marketingqualifiedlead",
    Lifecycle.SALES_QUALIFIED: "salesqualifiedlead",
    Lifecycle.OPPORTUNITY: "opportunity",
    Lifecycle.CUSTOMER: "customer",
}


def pipeline_of(view: View) -> str:
    """The pipeline a deal goes through."""
    return ENTERPRISE if view.subject.company.employees >= _BIG else STANDARD


def _channel(view: View) -> _Channel | None:
    # A duplicate is entered by hand: nothing is known of where its person came from.
    ad = view.subject.ad
    return None if ad is None or view.record.copy else _CHANNELS[ad.account.platform]


def _source(view: View) -> str:
    if view.record.copy:
        return "OFFLINE"
    channel = _channel(view)
    if channel is not None:
        return channel.source
    chance, *_ = draws(salt(view.subject.salt.hex(), "source"), 0)
    return _BY_THEMSELVES[between(chance, 0, len(_BY_THEMSELVES) - 1)]


def _source_data(view: View, place: int) -> str | None:
    if view.record.copy:
        return ("CRM_UI", None)[place]
    channel = _channel(view)
    if channel is None:
        return None
    name = channel.name_of(view.subject.ad, view.subject.arrived)
    return (channel.network, name)[place] if channel.network else (name, None)[place]


def _utm(view: View, read: Callable[[_Channel], object]) -> str | None:
    channel = _channel(view)
    return None if channel is None else str(read(channel))


def _click(platform: str) -> Callable[[View], Value]:
    def read(view: View) -> Value:
        is_from = _channel(view) is not None and view.subject.ad.account.platform == platform
        return view.subject.click_id if is_from else None

    return read


def _owner(view: View) -> Value:
    owner = view.state.owner
    return None if owner is None else ids.owner_id(view.portal, owner)


def _became(stage: Lifecycle) -> Callable[[View], Value]:
    """When a contact came into a stage. One that it was never in has no date, not even when a later one was reached."""

    def read(view: View) -> Value:
        states = (state for state in view.record.states if state.at <= view.state.at)
        return next((state.at for state in states if getattr(state, "lifecycle", None) is stage), None)

    return read


def _merged(view: View) -> Value:
    kind, number = view.record.kind, view.record.number
    return ";".join(ids.record_id(view.portal, kind, number, copy) for copy in view.state.merged) or None


def _money(minor: int, market: Market) -> Decimal:
    return Decimal(minor).scaleb(-market.digits)


def _in_home_currency(view: View) -> Value:
    """By a rate that never changes: what things cost there and at home."""
    market, own = view.subject.market, home(view.portal)
    minor = Decimal(view.state.amount * own.price_level) / market.price_level
    return _money(int(minor.quantize(Decimal(1), ROUND_HALF_UP)), own)


def _always(cursor: str) -> tuple[Property, ...]:
    return (
        Property("createdate", "Create Date", "datetime", lambda view: view.record.created),
        Property(cursor, "Last Modified Date", "datetime", lambda view: view.state.at),
        Property("hs_object_id", "Record ID", "number", lambda view: int(ids.id_of(view.portal, view.record))),
    )


_OWNER = Property("hubspot_owner_id", "Owner", "enumeration", _owner)
_MERGED = Property("hs_merged_object_ids", "Merged record IDs", "enumeration", _merged)

_CONTACT = (
    Property("email", "Email", "string", lambda view: view.state.email),
    Property("firstname", "First Name", "string", lambda view: view.state.first_name),
    Property("lastname", "Last Name", "string", lambda view: view.state.last_name),
    Property("company", "Company Name", "string", lambda view: view.state.company),
    Property("country", "Country/Region", "string", lambda view: view.state.country),
    Property(
        "lifecyclestage",
        "Lifecycle Stage",
        "enumeration",
        lambda view: _LIFECYCLES[view.state.lifecycle],
        (*_LIFECYCLES.values(), "evangelist", "other"),
    ),
    Property(
        "hs_lifecyclestage_marketingqualifiedlead_date",
        "Became a Marketing Qualified Lead Date",
        "datetime",
        _became(Lifecycle.MARKETING_QUALIFIED),
    ),
    Property(
        "hs_analytics_source",
        "Original Traffic Source",
        "enumeration",
        _source,
        _SOURCES,
    ),
    Property("hs_analytics_source_data_1", "Source Drill-Down 1", "string", lambda view: _source_data(view, 0)),
    Property("hs_analytics_source_data_2", "Source Drill-Down 2", "string", lambda view: _source_data(view, 1)),
    Property("utm_source", "UTM Source", "string", lambda view: _utm(view, lambda one: one.utm_source)),
    Property("utm_medium", "UTM Medium", "string", lambda view: _utm(view, lambda one: one.utm_medium)),
    Property("utm_campaign", "UTM Campaign", "string", lambda view: _utm(view, lambda one: one.id_of(view.subject.ad))),
    Property("hs_google_click_id", "Google click id", "string", _click("google_ads")),
    Property("hs_facebook_click_id", "Facebook click id", "string", _click("meta_ads")),
    Property("li_fat_id", "LinkedIn click id", "string", _click("linkedin_ads")),
    _OWNER,
    _MERGED,
    *_always("lastmodifieddate"),
    # Contacts have this one as well, and it does not move: whoever filters by it gets wrong rows and no error.
    Property("hs_lastmodifieddate", "Object last modified", "datetime", lambda view: view.record.created),
)
_COMPANY = (
    Property("name", "Company name", "string", lambda view: view.state.name),
    Property("domain", "Company Domain Name", "string", lambda view: view.subject.domain),
    Property("country", "Country/Region", "string", lambda view: view.subject.market.country),
    Property("numberofemployees", "Number of Employees", "number", lambda view: view.state.employees),
    _OWNER,
    *_always("hs_lastmodifieddate"),
)
_DEAL = (
    Property("dealname", "Deal Name", "string", lambda view: view.state.name),
    Property("amount", "Amount", "number", lambda view: _money(view.state.amount, view.subject.market)),
    Property(
        "deal_currency_code",
        "Currency",
        "enumeration",
        lambda view: view.subject.deal.currency,
        tuple(sorted({market.currency for market in markets()})),
    ),
    Property("amount_in_home_currency", "Amount in company currency", "number", _in_home_currency),
    Property(
        "dealstage",
        "Deal Stage",
        "enumeration",
        lambda view: stage_id(pipeline_of(view), view.state.stage),
        tuple(stage_id(pipeline, stage) for pipeline in (STANDARD, ENTERPRISE) for stage in Stage),
    ),
    Property("pipeline", "Pipeline", "enumeration", pipeline_of, (STANDARD, ENTERPRISE)),
    Property(
        "dealtype",
        "Deal Type",
        "enumeration",
        lambda view: "newbusiness" if view.subject.company.number == view.record.number else "existingbusiness",
        ("newbusiness", "existingbusiness"),
    ),
    Property("closedate", "Close Date", "datetime", lambda view: view.state.closes),
    Property("hs_is_closed", "Is Deal Closed?", "bool", lambda view: view.state.is_closed),
    Property("hs_is_closed_won", "Is Closed Won", "bool", lambda view: view.state.stage is Stage.WON),
    _OWNER,
    _MERGED,
    *_always("hs_lastmodifieddate"),
)

PROPERTIES: Mapping[Kind, Mapping[str, Property]] = {
    kind: {one.name: one for one in properties}
    for kind, properties in ((Kind.CONTACT, _CONTACT), (Kind.COMPANY, _COMPANY), (Kind.DEAL, _DEAL))
}
MODIFIED = {
    Kind.CONTACT: "lastmodifieddate",
    Kind.COMPANY: "hs_lastmodifieddate",
    Kind.DEAL: "hs_lastmodifieddate",
}
"""The property that moves with every change."""

ALWAYS = {kind: ("createdate", name, "hs_object_id") for kind, name in MODIFIED.items()}
"""What every answer has, asked for or not."""

DEFAULTS: Mapping[Kind, tuple[str, ...]] = {
    Kind.CONTACT: ("email", "firstname", "lastname"),
    Kind.COMPANY: ("domain", "name"),
    Kind.DEAL: ("amount", "closedate", "dealname", "dealstage", "pipeline"),
}
"""What an answer has besides when nothing is asked for."""

_NOT_TOLD = frozenset({"hs_object_id"})
TOLD: Mapping[Kind, tuple[str, ...]] = {
    kind: tuple(
        name
        for name in properties
        if name not in _NOT_TOLD and not (kind is Kind.CONTACT and name == "hs_lastmodifieddate")
    )
    for kind, properties in PROPERTIES.items()
}
"""The properties of the rows of truth."""

SEARCHED: Mapping[Kind, tuple[str, ...]] = {
    Kind.CONTACT: ("email", "firstname", "lastname", "company"),
    Kind.COMPANY: ("name", "domain"),
    Kind.DEAL: ("dealname",),
}
"""Where the `query` of a search looks."""
