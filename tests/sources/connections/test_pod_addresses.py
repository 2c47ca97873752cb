"""The Pods that had an address, by step."""

import numpy as np

from app.sources.connections.pod_addresses import PodAddresses, addresses_query
from app.sources.queries import Scope
from app.sources.query_result import SeriesMatrix
from tests.sources.wire import STEPS

NAN = np.nan
END, BEFORE = 1.0, 0.0  # at the end of a step, and in it before
WEB, CART, LIAR = ("shop", "web-0"), ("shop", "cart-0"), ("tenant", "liar")


def steps_of(**rows: tuple[tuple[str, str], list[float]]) -> dict[tuple[str, str], list[bool]]:
    """The steps in which each Pod has the address 10.0.0.7."""
    keys = tuple(("10.0.0.7", *pod) for pod, _ in rows.values())
    values = np.array([values for _, values in rows.values()])
    addresses = PodAddresses.of(SeriesMatrix(keys, values))
    return {pod: flags.tolist() for pod, flags in addresses.of_address("10.0.0.7").items()}


def test_an_address_that_moves() -> None:
    """`web` ends in the second step, in which `cart` gets its address: the step is that of `cart`."""
    assert steps_of(web=(WEB, [END, BEFORE, NAN, NAN]), cart=(CART, [NAN, END, END, END])) == {
        WEB: [True, False, False, False],
        CART: [False, True, True, True],
    }


def test_an_address_that_nobody_has_at_the_end() -> None:
    """A Pod that ended in the step had it; of two that did, neither."""
    assert steps_of(web=(WEB, [BEFORE, BEFORE, NAN, NAN]), cart=(CART, [NAN, BEFORE, NAN, NAN])) == {
        WEB: [True, False, False, False],
        CART: [False, False, False, False],
    }


def test_an_address_that_two_pods_claim() -> None:
    """That of no Pod, as long as both claim it."""
    assert steps_of(web=(WEB, [END] * 4), liar=(LIAR, [NAN, END, END, NAN])) == {
        WEB: [True, False, False, True],
        LIAR: [False, False, False, False],
    }


def test_an_unknown_address() -> None:
    """No Pod has it."""
    assert PodAddresses.of(SeriesMatrix((), np.empty((0, 4)))).of_address("10.0.0.9") == {}


def test_query() -> None:
    """Of Pods in all namespaces, with addresses of their own, that have not ended."""
    batch = addresses_query(Scope(included=("shop",), excluded=("kube-system",)), STEPS)

    others = 'exported_namespace=""'
    info = f'kube_pod_info{{pod_ip!="",host_network!="true",{others}}}'
    phase = f'kube_pod_status_phase{{phase=~"Succeeded|Failed",{others}}}'
    present = [
        f"max by (pod_ip,namespace,pod)(max_over_time({info}[{window}])"
        f" unless on (namespace,pod) (min_over_time({phase}[5m]) == 1))"
        for window in ("2m", "5m")
    ]
    assert batch.query == f"{present[0]} or 0 * {present[1]}"
    assert (batch.steps, batch.is_of_pods) == (STEPS, True)
