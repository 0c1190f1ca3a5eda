"""The world: finds its accounts, campaigns and ads, and sums up what they did."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from dataflow_assets.sandbox.world.accounts import Account, build_account
from dataflow_assets.sandbox.world.campaigns import (
    Ad,
    AdSet,
    Campaign,
    build_ad,
    build_ad_set,
    build_campaign,
)
from dataflow_assets.sandbox.world.config import WorldConfig
from dataflow_assets.sandbox.world.performance import Counts, Moment, ad_day

_CACHED = 20_000  # entities; a bigger world builds the others again when asked


class World:
    """Everything that exists under one configuration. Safe to use from several threads."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self._accounts = {
            "meta_ads": tuple(build_account(config, "meta_ads", index) for index in range(config.meta_accounts)),
        }
        self.campaign: Callable[[Account, int], Campaign] = lru_cache(_CACHED)(
            lambda account, index: build_campaign(config, account, index)
        )
        self.ad_set: Callable[[Campaign, int], AdSet] = lru_cache(_CACHED)(
            lambda campaign, index: build_ad_set(config, campaign, index)
        )
        self.ad: Callable[[AdSet, int], Ad] = lru_cache(_CACHED)(lambda ad_set, index: build_ad(config, ad_set, index))

    def accounts(self, platform: str) -> tuple[Account, ...]:
        """Every account of a platform, oldest number first."""
        return self._accounts[platform]

    def campaigns(self, account: Account) -> Iterator[Campaign]:
        """Every campaign the account ever has, also future and deleted ones: ask its life whether it exists yet."""
        return (self.campaign(account, index) for index in range(self.config.campaigns_per_account))

    def ad_sets(self, campaign: Campaign) -> Iterator[AdSet]:
        """Every ad set the campaign ever has."""
        return (self.ad_set(campaign, index) for index in range(self.config.ad_sets_per_campaign))

    def ads(self, ad_set: AdSet) -> Iterator[Ad]:
        """Every ad the ad set ever has."""
        return (self.ad(ad_set, index) for index in range(self.config.ads_per_ad_set))

    def ads_under(self, node: Account | Campaign | AdSet | Ad) -> Iterator[Ad]:
        """Every ad anywhere below (or the ad itself)."""
        if isinstance(node, Ad):
            yield node
        elif isinstance(node, AdSet):
            yield from self.ads(node)
        elif isinstance(node, Campaign):
            for ad_set in self.ad_sets(node):
                yield from self.ads(ad_set)
        else:
            for campaign in self.campaigns(node):
                yield from self.ads_under(campaign)

    def delivered(self, ads: Iterable[Ad], first: int, last: int, moment: Moment) -> Iterator[Counts]:
        """The ad-days with delivery between two days (ordinals, both included), as known at the moment."""
        last = min(last, moment.today)
        for ad in ads:
            for begin, end in ad.life.spans:
                for day in range(max(begin, first), min(end, last + 1)):
                    counts = ad_day(ad, day, moment)
                    if counts is not None:
                        yield counts
