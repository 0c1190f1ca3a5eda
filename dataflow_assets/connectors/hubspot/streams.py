"""The tables of HubSpot."""

from datetime import timedelta
from typing import Any

from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.hubspot.values import figure, reference, when, words, yes
from dataflow_assets.connectors.records import Column, flag, instant, nested, number, text, whole

LATE = timedelta(minutes=10)  # how far the search index is taken to lag, at least
HISTORY_PAGE = 50  # HubSpot's own maximum where the history of a property is asked for
ONE = {"contacts": "contact", "companies": "company", "deals": "deal"}

_ID = text("id", "Id given by HubSpot.", required=True)
_OWNER = words("hubspot_owner_id", "Owner in charge: `owners.id`.")
_CREATED_DATE = when("createdate", "When it was created, as HubSpot shows it to people; can be edited.")
_MERGED = words("hs_merged_object_ids", "Ids of the records merged into this one, joined by semicolons.")
_CREATED = instant("created_at", "When HubSpot stored it.", path="createdAt")
_UPDATED = instant("updated_at", "When it was last changed.", path="updatedAt")
_ARCHIVED = flag("archived", "Whether it is in the recycle bin.", default=False)
_ARCHIVED_AT = instant("archived_at", "When it was put there.", path="archivedAt")


def _object(
    name: str, description: str, cursor: str, columns: tuple[Column, ...], event_days: tuple[str, ...] = ()
) -> Stream:
    moved = "Last change of a property; archiving and most changes of associations do not move it."
    return Stream(
        name=name,
        description=f"{description} Archived ones stay, marked, until HubSpot purges them after 90 days.",
        kind=Kind.ENTITY,
        endpoint=name,
        params={"cursor": cursor},
        key=("id",),
        cursor="updated_at",
        overlap=LATE,
        sweep_every=timedelta(days=7),
        by_day=True,
        event_days=event_days,
        ignored=(
            "updatedAt",
            "url",
            "objectWriteTraceId",
            "associations",
            "propertiesWithHistory",
            "properties.hs_object_id",
        ),
        columns=(
            _ID,
            *columns,
            _MERGED,
            _OWNER,
            _CREATED_DATE,
            when("updated_at", moved, path=f"properties.{cursor}"),
            _CREATED,
            _ARCHIVED,
            _ARCHIVED_AT,
        ),
    )


# Not hs_lastmodifieddate: on contacts that one is accepted and silently finds the wrong records.
CONTACTS = _object(
    "contacts",
    "People, with where they came from.",
    "lastmodifieddate",
    (
        words("email", "Main e-mail address."),
        words("firstname", "First name."),
        words("lastname", "Last name."),
        words("company", "Company as written on the contact; the linked ones are in contact_companies."),
        words("country", "Country, as written."),
        words("lifecyclestage", "Internal name of the lifecycle stage: subscriber, lead, customer and the like."),
        when(
            "hs_lifecyclestage_marketingqualifiedlead_date",
            "When it became a marketing qualified lead; null when it never was one.",
        ),
        words("hs_analytics_source", "Original source: PAID_SEARCH, ORGANIC_SEARCH and the like."),
        words("hs_analytics_source_data_1", "First detail of the source; for ads often the campaign."),
        words("hs_analytics_source_data_2", "Second detail of the source; for ads often the keyword."),
        words("utm_source", "UTM source; null where the portal has no such property."),
        words("utm_medium", "UTM medium; null where the portal has no such property."),
        words("utm_campaign", "UTM campaign; null where the portal has no such property."),
        words("hs_google_click_id", "Google click id (gclid)."),
        words("hs_facebook_click_id", "Facebook click id (fbclid)."),
        words("li_fat_id", "LinkedIn click id; null where the portal has no such property."),
    ),
    event_days=("createdate",),
)

COMPANIES = _object(
    "companies",
    "Companies.",
    "hs_lastmodifieddate",
    (
        words("name", "Name."),
        words("domain", "Main domain."),
        words("country", "Country, as written."),
        figure("numberofemployees", "Number of employees."),
    ),
)

DEALS = _object(
    "deals",
    "Deals with stage and amount.",
    "hs_lastmodifieddate",
    (
        words("dealname", "Name."),
        figure("amount", "Amount in major units of the deal's currency."),
        words("deal_currency_code", "ISO 4217 currency of the amount; null where the portal has one currency."),
        figure("amount_in_home_currency", "Amount in the portal's currency, converted by HubSpot."),
        words("dealstage", "Stage it is in: `pipeline_stages.id`."),
        words("pipeline", "Pipeline it is in: `pipelines.id`."),
        words("dealtype", "newbusiness, existingbusiness, or a name of the portal's own."),
        when("closedate", "When it was closed or is expected to."),
        yes("hs_is_closed", "Whether its stage is a closed one."),
        yes("hs_is_closed_won", "Whether its stage is a won one."),
    ),
    event_days=("createdate", "closedate"),
)


def _listing(name: str, description: str, columns: tuple[Column, ...], **options: Any) -> Stream:
    return Stream(
        name=name,
        description=description,
        kind=Kind.ENTITY,
        columns=columns,
        sweep_every=timedelta(hours=20),  # daily, even when a schedule is a little early
        **options,
    )


OWNERS = _listing(
    "owners",
    "People who own records; those who have left too, or their deals would lose the name.",
    (
        _ID,
        text("email", "E-mail address."),
        text("first_name", "First name.", path="firstName"),
        text("last_name", "Last name.", path="lastName"),
        text("type", "PERSON or QUEUE."),
        reference("user_id", "HubSpot user; null once the user has left. Records name the owner's id.", path="userId"),
        reference("user_id_including_inactive", "HubSpot user, also of who has left.", path="userIdIncludingInactive"),
        nested("teams", "Teams, a list of id, name and whether it is the main one."),
        _CREATED,
        _UPDATED,
        _ARCHIVED,
    ),
    key=("id",),
    endpoint="owners",
)

_LABEL = text("label", "Name as people see it.")
_ORDER = whole("display_order", "Position.", path="displayOrder")

PIPELINES = _listing(
    "pipelines",
    "Pipelines of deals.",
    (_ID, _LABEL, _ORDER, _CREATED, _UPDATED, _ARCHIVED, _ARCHIVED_AT),
    key=("id",),
    endpoint="pipelines",
    ignored=("stages",),
)

PIPELINE_STAGES = _listing(
    "pipeline_stages",
    "Stages of the pipelines of deals.",
    (
        text("pipeline_id", "Pipeline it belongs to.", path="pipelineId", required=True),
        _ID,
        _LABEL,
        _ORDER,
        number("probability", "Chance to win, from 0 to 1.", path="metadata.probability"),
        yes("is_closed", "Whether deals in it are closed.", path="metadata.isClosed"),
        _CREATED,
        _UPDATED,
        _ARCHIVED,
        _ARCHIVED_AT,
    ),
    key=("pipeline_id", "id"),
    endpoint="pipelines",
    ignored=("writePermissions",),
)


_CURSOR = {stream.name: stream.params["cursor"] for stream in (CONTACTS, COMPANIES, DEALS)}


def _links(parent: str, to: str) -> Stream:
    # HubSpot keeps no time of change for a link. All are listed once a day, which takes away those that are gone; in
    # between those of changed parents are read, which brings most new ones sooner. Hence the parent's change as cursor.
    one, other = ONE[parent], ONE[to]
    return _listing(
        f"{one}_{to}",
        f"Links from {parent} to {to}; a pair stands there once for each kind of link it has. Read with one call per "
        f"1,000 {parent} instead of one each.",
        (
            text(f"{one}_id", f"Id of the {one}.", path="fromObjectId", required=True),
            reference(f"{other}_id", f"Id of the {other}.", path="toObjectId", required=True),
            reference("association_type_id", "Kind of link, unique within its category.", path="typeId", required=True),
            text(
                "category",
                "HUBSPOT_DEFINED, USER_DEFINED for labels of the portal, or INTEGRATOR_DEFINED.",
                required=True,
            ),
            text("label", "Label people gave the link."),
            when(f"{one}_updated_at", f"Last change of the {one} when the link was read.", path="fromUpdatedAt"),
        ),
        # With the category: a kind of the portal's own may have the number of one of HubSpot's.
        key=(f"{one}_id", f"{other}_id", "association_type_id", "category"),
        endpoint=parent,
        params={"cursor": _CURSOR[parent], "to": to},
        cursor=f"{one}_updated_at",
        overlap=LATE,
    )


DEAL_CONTACTS, DEAL_COMPANIES = _links("deals", "contacts"), _links("deals", "companies")
CONTACT_COMPANIES = _links("contacts", "companies")

DEAL_STAGE_HISTORY = Stream(
    name="deal_stage_history",
    description="Each time a deal entered a stage. Read 50 deals a call instead of one, for deals that changed.",
    kind=Kind.EVENT,
    endpoint="deals",
    params={"cursor": "hs_lastmodifieddate", "history": "dealstage"},
    key=("deal_id", "stage_id", "entered_at"),
    page_size=HISTORY_PAGE,
    cursor="deal_updated_at",
    overlap=LATE,
    sweep_every=timedelta(days=7),
    event_days=("entered_at",),
    columns=(
        text("deal_id", "Deal.", path="dealId", required=True),
        text("stage_id", "Stage it entered: `pipeline_stages.id`.", path="value", required=True),
        when("entered_at", "When.", path="timestamp", required=True),
        text("source_type", "What moved it: CRM_UI, API, AUTOMATION_PLATFORM and the like.", path="sourceType"),
        text("source_id", "Which one of those.", path="sourceId"),
        text("source_label", "The same for people.", path="sourceLabel"),
        reference("updated_by_user_id", "HubSpot user who moved it.", path="updatedByUserId"),
        when("deal_updated_at", "Last change of the deal when this was first read.", path="dealUpdatedAt"),
    ),
)

OBJECTS = (CONTACTS, COMPANIES, DEALS)
LINKS = (DEAL_CONTACTS, DEAL_COMPANIES, CONTACT_COMPANIES)
STREAMS = (*OBJECTS, OWNERS, PIPELINES, PIPELINE_STAGES, *LINKS, DEAL_STAGE_HISTORY)
