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
from dataflow_assets.sandbox.world.chance import between
from dataflow_assets.sandbox.world.config import WorldConfig
from dataflow_assets.sandbox.world.customers import (
    DAY_SECONDS,
    Customer,
    arrival,
    build_company,
    build_customer,
    founder,
    numbers_of_day,
    sources,
)
from dataflow_assets.sandbox.world.performance import Counts, Moment, ad_day

_SETTLED_SECONDS = 40 * DAY_SECONDS  # after it a day's figures are final
_UNIX_EPOCH_ORDINAL = 719_163
_CACHED = 20_000  # entities; a bigger world builds the others again when asked


class World:
    """Everything that exists under one configuration. Safe to use from several threads."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        numbers = {
            "meta_ads": config.meta_accounts,
            "google_ads": config.google_accounts,
            "linkedin_ads": config.linkedin_accounts,
        }
        self._accounts = {
            platform: tuple(build_account(config, platform, index) for index in range(number))
            for platform, number in numbers.items()
        }
        self.campaign: Callable[[Account, int], Campaign] = lru_cache(_CACHED)(
            lambda account, index: build_campaign(config, account, index)
        )
        self.ad_set: Callable[[Campaign, int], AdSet] = lru_cache(_CACHED)(
            lambda campaign, index: build_ad_set(config, campaign, index)
        )
        self.ad: Callable[[AdSet, int], Ad] = lru_cache(_CACHED)(lambda ad_set, index: build_ad(config, ad_set, index))
        self.customer: Callable[[int], Customer] = lru_cache(_CACHED)(self._customer)

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

    def customers(self, until: int, since: int = 0) -> Iterator[Customer]:
        """Everybody who arrived in [since, until), two instants in unix seconds, in order of arrival."""
        first = max(self.config.start.toordinal(), _ordinal(since))
        for day in range(first, _ordinal(until) + 1):
            for number in numbers_of_day(self.config, day):
                if since <= arrival(self.config, number) < until:
                    yield self.customer(number)

    def _customer(self, number: int) -> Customer:
        first = founder(self.config, number)
        ad = self._clicked(number)
        brought_first = ad if first == number else self._clicked(first)
        company = build_company(self.config, first, brought_first.account if brought_first else None)
        return build_customer(self.config, number, ad, company)

    def _clicked(self, number: int) -> Ad | None:
        """The ad whose click brought a person: one that had clicks on the day they came."""
        platform, where = sources(self.config, number)
        if platform is None:
            return None
        accounts = self.accounts(platform)
        account = accounts[between(where[0], 0, len(accounts) - 1)]
        moment = Moment.of(account, arrival(self.config, number) + _SETTLED_SECONDS)
        day = account.local(arrival(self.config, number)).date().toordinal()
        for draw in where[1:]:
            ad = self._any_ad(account, draw)
            if any(begin <= day < end for begin, end in ad.life.spans):
                counts = ad_day(ad, day, moment)
                if counts is not None and counts.link_clicks:
                    return ad
        return None

    def _any_ad(self, account: Account, draw: int) -> Ad:
        config = self.config
        position = between(
            draw, 0, config.campaigns_per_account * config.ad_sets_per_campaign * config.ads_per_ad_set - 1
        )
        position, ad = divmod(position, config.ads_per_ad_set)
        campaign, ad_set = divmod(position, config.ad_sets_per_campaign)
        return self.ad(self.ad_set(self.campaign(account, campaign), ad_set), ad)


def _ordinal(instant: int) -> int:
    return instant // DAY_SECONDS + _UNIX_EPOCH_ORDINAL
