"""`change_status`: of each campaign, budget, ad group and ad its latest change, read from the lives of the world."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from dataflow_assets.sandbox.google_ads.customers import Customer
from dataflow_assets.sandbox.google_ads.subjects import Change, Found, Subject, ad_groups, ads, campaigns, status
from dataflow_assets.sandbox.world import Ad, AdSet, Campaign, World
from dataflow_assets.sandbox.world.lifecycle import State


def changes(world: World, customer: Customer, instant: int, among: Iterable[Campaign]) -> Found:
    """The latest change of everything that exists below these campaigns, as known at an instant."""
    for number, of in enumerate(_all(world, customer, instant, list(among))):
        yield (number, 0, 0), of


def _all(world: World, customer: Customer, instant: int, among: list[Campaign]) -> Iterator[Subject]:
    for _, of in campaigns(world, customer, instant, among):
        yield _changed(of, "CAMPAIGN", of.campaign, lambda state: (state.name, state.status))
        yield _changed(of, "CAMPAIGN_BUDGET", of.campaign, lambda state: state.daily_budget)
    for _, of in ad_groups(world, customer, instant, among):
        yield _changed(of, "AD_GROUP", of.ad_group, lambda state: (state.name, state.status, state.daily_budget))
    for _, of in ads(world, customer, instant, among):
        yield _changed(of, "AD_GROUP_AD", of.ad, lambda state: (state.name, state.status))


def _changed(of: Subject, kind: str, node: Campaign | AdSet | Ad, look: Callable[[State], object]) -> Subject:
    """The subject with the last change of what `look` sees of the node."""
    known = [state for state in node.life.states if state.updated <= of.instant]
    last, what = known[0], "ADDED"
    for before, after in pairwise(known):
        if look(before) != look(after):
            last, what = after, "CHANGED"
    if kind != "CAMPAIGN_BUDGET" and status(node, of.instant) == "REMOVED":
        what = "REMOVED"
    return Subject(of.customer, of.instant, of.campaign, of.ad_group, of.ad, change=Change(kind, what, last.updated))
