"""Watch of VerticalPodAutoscalers, in clusters that have them; their CRD may come and go."""

from collections.abc import Sequence

from app.errors import NotFoundError
from app.kubernetes.client import ClusterClient
from app.kubernetes.reflector import Reflector, run_reflectors
from app.kubernetes.vertical_autoscalers import autoscaler_selection
from app.profiler.registries.vertical_autoscalers import AutoscalerRegistry
from app.vpa.autoscaler import VerticalAutoscaler, read_autoscaler


class AutoscalerWatches:
    """Keeps `registry` in sync while `run` runs."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str]) -> None:
        self.registry = AutoscalerRegistry()
        self.reflectors: list[Reflector[VerticalAutoscaler]] = [
            Reflector(
                client,
                autoscaler_selection(namespace),
                self.registry.new_receiver(),
                transform=read_autoscaler,
                absent_if=(NotFoundError,),
            )
            for namespace in namespaces or (None,)
        ]

    @property
    def are_served(self) -> bool:
        """True unless the API server does not know the resource."""
        return not any(reflector.is_absent for reflector in self.reflectors)

    def know(self, namespace: str) -> bool:
        """True if all objects of *namespace* are known now."""
        return any(
            reflector.is_synced and reflector.fault is None
            for reflector in self.reflectors
            if reflector.selection.namespace in {"", namespace}
        )

    async def run(self) -> None:
        """Watch until cancelled."""
        await run_reflectors(self.reflectors)
