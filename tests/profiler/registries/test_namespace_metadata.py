"""Registry of policies and labels of namespaces."""

from app.domain.annotations import POLICY_PREFIX, VPA_LABEL
from app.domain.policy_annotations import read_policy
from app.domain.policy_rule import PolicySource
from app.profiler.registries.namespace_metadata import NamespaceMetadata, NamespaceMetadataRegistry

LOW = read_policy({f"{POLICY_PREFIX}risk": "low"}, PolicySource.NAMESPACE)
OFF = ((VPA_LABEL, "Off"),)


def test_a_new_list_replaces_the_old_one() -> None:
    """After an outage, a namespace that was deleted meanwhile is gone, and a policy that was removed."""
    registry = NamespaceMetadataRegistry()
    receiver = registry.new_receiver()
    receiver.replace([NamespaceMetadata("shop", LOW, OFF), NamespaceMetadata("lab", LOW)])
    receiver.replace([NamespaceMetadata("lab")])

    assert (registry.policies(), registry.vpa_labels()) == ({}, {"lab": ()})


def test_watches_by_name_are_joined() -> None:
    """The namespace whose watch has no list, since it may not be read, is not known; the other one is."""
    registry = NamespaceMetadataRegistry()
    shop, _ = registry.new_receiver("shop"), registry.new_receiver("lab")
    shop.replace([NamespaceMetadata("shop", LOW, OFF)])

    assert (registry.policies(), registry.vpa_labels()) == ({"shop": LOW}, {"shop": OFF})
    assert [registry.known().covers(name) for name in ("shop", "lab", "bank")] == [True, False, False]
