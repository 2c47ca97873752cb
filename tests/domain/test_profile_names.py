"""Names of profiles: the contract's formula, and collisions."""

import pytest

from app.domain.profile_names import allocate_names, contract_name, separated_name
from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Connection, Workload

WEB = Workload("emojivoto", "web")


def connection(source: str, destination: str, destination_namespace: str = "emojivoto") -> Identity:
    ends = Workload("emojivoto", source), Workload(destination_namespace, destination)
    return Identity(ProfileKind.CONNECTION, Connection(*ends))


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        pytest.param(
            Identity(ProfileKind.CPU, WEB), "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f", id="cpu"
        ),
        pytest.param(
            Identity(ProfileKind.MEMORY, WEB),
            "memprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f",
            id="memory",
        ),
        pytest.param(
            connection("web", "emoji"), "connprofile-fc09272092ec5b7073153c9134d0156117451784", id="web-emoji"
        ),
        pytest.param(
            connection("web", "voting"),
            "connprofile-b2d1d9faa4282ddf04a37d45d30192f1d6bbdb33",
            id="web-voting",
        ),
        pytest.param(
            connection("vote-bot", "web"),
            "connprofile-d4cb52bc5247b3dd31773292d8853db6eb96466b",
            id="bot-web",
        ),
    ],
)
def test_emojivoto_has_the_names_of_the_contract(identity: Identity, name: str) -> None:
    """The product's description lists exactly these names in the annotations of `web`."""
    assert contract_name(identity) == name


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param(Identity(ProfileKind.CPU, Workload("emojivoto", "web", "StatefulSet")), id="other-kind"),
        pytest.param(connection("web", "db", "storage"), id="cross-namespace"),
    ],
)
def test_the_formula_serves_only_deployments_of_one_namespace(identity: Identity) -> None:
    """For other identities the formula is ambiguous: it omits kinds and the second namespace."""
    assert contract_name(identity) is None
    assert list(allocate_names([identity], {}, [])) == [identity]


def test_two_identities_whose_formula_collides_get_two_names() -> None:
    """Job "ab" in "c" and job "a" in "bc" both hash "abc": the first in sorted order gets that name."""
    first, second = (
        Identity(ProfileKind.CPU, Workload("bc", "a")),
        Identity(ProfileKind.CPU, Workload("c", "ab")),
    )
    assert contract_name(first) == contract_name(second)

    names = allocate_names([second, first], {}, [])

    assert names == {first: contract_name(first), second: separated_name(second)}


def test_a_stored_object_keeps_its_name_even_in_a_collision() -> None:
    """The new identity gets the separated name, whatever the order of the identities."""
    first, second = (
        Identity(ProfileKind.CPU, Workload("bc", "a")),
        Identity(ProfileKind.CPU, Workload("c", "ab")),
    )
    stored: dict[Identity, str] = {second: contract_name(second) or ""}

    names = allocate_names([first, second], stored, stored.values())

    assert names == {first: separated_name(first), second: contract_name(second)}


def test_a_name_of_a_foreign_object_is_never_allocated() -> None:
    """An object without an identity is not overwritten; if both names are taken, there is no name."""
    identity: Identity = Identity(ProfileKind.CPU, WEB)
    formula, separated = contract_name(identity) or "", separated_name(identity)

    assert allocate_names([identity], {}, [formula]) == {identity: separated}
    assert allocate_names([identity], {}, [formula, separated]) == {}
