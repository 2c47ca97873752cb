"""Which providers of connections have series in a server, by its index of metric names."""

from collections.abc import Sequence

from app.history.samples import STEPS_PER_HOUR, StepRange
from app.sources.connections.conversation import ConnectionProvider
from app.sources.prometheus_api import PrometheusApi


class ProviderDetection:
    """Asks for the names of metrics; again after an hour, and at every call while none is known.

    So a server without any of *providers* gets one short request per cycle, and one that is installed later
    is found.
    """

    def __init__(self, api: PrometheusApi, providers: Sequence[ConnectionProvider]) -> None:
        self._api, self._providers = api, tuple(providers)
        self._present: tuple[ConnectionProvider, ...] | None = ()
        self._asked_at_step = 0

    async def present(self, steps: StepRange) -> tuple[ConnectionProvider, ...] | None:
        """Those with series in *steps*; None if the server does not show them."""
        is_old = abs(steps.last - self._asked_at_step) >= STEPS_PER_HOUR
        if is_old or not self._present:
            self._present, self._asked_at_step = await self._ask(steps), steps.last
        return self._present

    async def _ask(self, steps: StepRange) -> tuple[ConnectionProvider, ...] | None:
        metrics = [metric for provider in self._providers for metric in provider.metrics]
        selector = f'{{__name__=~"{"|".join(metrics)}"}}'
        names = await self._api.label_values("__name__", selector, steps)
        if names is None:
            return None
        return tuple(provider for provider in self._providers if {*provider.metrics} & {*names})
