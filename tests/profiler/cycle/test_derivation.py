"""What a cycle derives beside profiles that are stored."""

from app.domain.profiles import ProfileKind
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import Scenario


async def test_a_connection_that_stays_is_derived_without_a_profile() -> None:
    """All profiles are stored and none has changed: there is nothing to write, and none is stale."""
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()

    derived = scenario.derived()

    assert derived.profiles == []
    assert derived.newest_samples.keys() == {profile.identity for profile in scenario.profiles.catalogue}


async def test_a_connection_that_has_changed_has_a_profile() -> None:
    """Another writer doubled one stored value: this is the only one that is written."""
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    name, manifest = next(
        (name, manifest)
        for name, manifest in scenario.profiles.manifests.items()
        if name.startswith("connprofile-")
    )
    before = manifest["spec"]["bandwidth_requirement"]
    spec = manifest["spec"] | {"bandwidth_requirement": f"{2 * float(before):.2f}"}
    scenario.profiles.catalogue.upsert(ProfileKind.CONNECTION, manifest | {"spec": spec})

    [profile] = scenario.derived().profiles

    stored = scenario.profiles.catalogue.get(profile.identity)
    assert stored is not None
    assert (stored.name, profile.value) == (name, before)
