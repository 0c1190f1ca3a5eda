"""What a row of an answer is about: a customer, or one of its campaigns, ad groups, ads, conversion actions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from dataflow_assets.sandbox.google_ads import ids
from dataflow_assets.sandbox.google_ads.customers import Customer
from dataflow_assets.sandbox.world import Ad, AdSet, Campaign, World
from dataflow_assets.sandbox.world.lifecycle import State, Status

# Every sixth campaign, and not the first: the smallest world has ads, and the steady story goes on delivering, so that
# the sums over ads stay below those over campaigns at any time.
_PERFORMANCE_MAX = 1
_ROUND = 6

_STATUS = {
    Status.ACTIVE: "ENABLED",
    Status.PAUSED: "PAUSED",
    Status.ARCHIVED: "REMOVED",
    Status.DELETED: "REMOVED",
}

Place = tuple[int, int, int]
"""Where a subject stands in its customer: numbers of campaign, ad group and ad, or a number of its own and zeros."""

Found = Iterator[tuple[Place, "Subject"]]
List = Callable[[World, Customer, int, Iterable[Campaign]], Found]


class Action(IntEnum):
    """The conversion actions that each client has, numbered."""

    PURCHASE = 0
    LEAD = 1


@dataclass(frozen=True, slots=True)
class Change:
    """The latest change of one thing. `status` is ADDED, CHANGED or REMOVED; `at` is in unix seconds."""

    kind: str
    status: str
    at: int


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing at an instant (unix seconds), with what it lives in.

    `client` is a Customer with its `level` below `customer`. What does not apply is None; the types say Any because
    the fields that are read of a subject are those of its resource.
    """

    customer: Customer
    instant: int
    campaign: Any = None
    ad_group: Any = None
    ad: Any = None
    client: Any = None
    level: int = 0
    action: Any = None
    change: Any = None


def has_ads(campaign: Campaign) -> bool:
    """Whether a campaign has ad groups and ads that Google shows; Performance Max has none."""
    return campaign.index % _ROUND != _PERFORMANCE_MAX


def status(node: Campaign | AdSet | Ad, instant: int) -> str:
    """What its owner set it to. Google does not take over the status of what it lives in."""
    return _STATUS[state(node, instant).status]


def state(node: Campaign | AdSet | Ad, instant: int) -> State:
    """Its state at an instant, or its first one."""
    return node.life.at(instant) or node.life.states[0]


def campaigns_of(world: World, customer: Customer, since: int = 0) -> Iterator[Campaign]:
    """Everything the customer ever has, from its campaign number `since`; nothing for a manager."""
    if customer.account is not None:
        for index in range(since, world.config.campaigns_per_account):
            yield world.campaign(customer.account, index)


def campaigns_with(world: World, customer: Customer, numbers: Iterable[int]) -> list[Campaign]:
    """The customer's campaigns with these ids, in their order."""
    if customer.account is None:
        return []
    found = (ids.campaign_of(world, customer.account, number) for number in set(numbers))
    return sorted((one for one in found if one is not None), key=lambda campaign: campaign.index)


def campaigns(_: World, customer: Customer, instant: int, among: Iterable[Campaign]) -> Found:
    """Those of the campaigns that exist, removed ones too."""
    for campaign in among:
        if campaign.life.at(instant):
            yield (campaign.index, 0, 0), Subject(customer, instant, campaign)


def ad_groups(world: World, customer: Customer, instant: int, among: Iterable[Campaign]) -> Found:
    """The ad groups of these campaigns."""
    for campaign in filter(has_ads, among):
        for ad_group in world.ad_sets(campaign):
            if ad_group.life.at(instant):
                yield (campaign.index, ad_group.index, 0), Subject(customer, instant, campaign, ad_group)


def ads(world: World, customer: Customer, instant: int, among: Iterable[Campaign]) -> Found:
    """The ads of these campaigns."""
    for campaign in filter(has_ads, among):
        for ad_group in world.ad_sets(campaign):
            for ad in world.ads(ad_group):
                if ad.life.at(instant):
                    place = (campaign.index, ad_group.index, ad.index)
                    yield place, Subject(customer, instant, campaign, ad_group, ad)


def itself(_: World, customer: Customer, instant: int, __: Iterable[Campaign]) -> Found:
    """The customer."""
    yield (0, 0, 0), Subject(customer, instant)


def actions(_: World, customer: Customer, instant: int, __: Iterable[Campaign]) -> Found:
    """The customer's conversion actions; a manager has none."""
    for action in Action if customer.account else ():
        yield (int(action), 0, 0), Subject(customer, instant, action=action)
