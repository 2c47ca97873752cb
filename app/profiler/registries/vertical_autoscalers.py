"""Registry of VerticalPodAutoscalers, fed by one watch, or by one for each namespace."""

from collections.abc import Iterable, Iterator
from itertools import chain

from app.vpa.autoscaler import VerticalAutoscaler


class ListedAutoscalers:
    """The objects of one watch."""

    def __init__(self) -> None:
        self.by_key: dict[tuple[str, str], VerticalAutoscaler] = {}

    def replace(self, autoscalers: Iterable[VerticalAutoscaler], /) -> None:
        """Replace all."""
        self.by_key = {autoscaler.key: autoscaler for autoscaler in autoscalers}

    def upsert(self, autoscaler: VerticalAutoscaler, /) -> None:
        """Store an added or modified object."""
        self.by_key[autoscaler.key] = autoscaler

    def delete(self, autoscaler: VerticalAutoscaler, /) -> None:
        """Remove a deleted object."""
        self.by_key.pop(autoscaler.key, None)


class AutoscalerRegistry:
    """All objects that the watches know."""

    def __init__(self) -> None:
        self._receivers: list[ListedAutoscalers] = []

    def new_receiver(self) -> ListedAutoscalers:
        """The sink for another watch."""
        self._receivers.append(ListedAutoscalers())
        return self._receivers[-1]

    def __iter__(self) -> Iterator[VerticalAutoscaler]:
        return chain.from_iterable(list(receiver.by_key.values()) for receiver in self._receivers)
