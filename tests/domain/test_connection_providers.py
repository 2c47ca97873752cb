"""Names of providers of connections, and which counts are added up."""

import pytest

from app.domain.connection_providers import MESHES, Provider


def test_names_are_those_of_settings() -> None:
    """Words are joined by hyphens; names that are stored are read back, unknown ones count for nothing."""
    assert [name for flag in Provider for name in flag.names] == [
        *("linkerd", "istio", "netobserv", "obi", "beyla", "service-graph", "hubble"),
    ]
    assert Provider.named("linkerd, service-graph, pigeons") == Provider.LINKERD | Provider.SERVICE_GRAPH
    assert Provider.named("") == Provider(0)


@pytest.mark.parametrize("provider", [Provider.LINKERD, Provider.ISTIO, MESHES, Provider(0)])
def test_counts_of_meshes_are_added_up(provider: Provider) -> None:
    """A Pod has the proxy of one mesh; what is not known was counted by a mesh."""
    assert provider.counted_together == MESHES
    assert Provider.OBI.counted_together == Provider.OBI
