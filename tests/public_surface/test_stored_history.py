"""A recorded history of an older release is read correctly; `making_stored` states its content."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.public_surface import commands, making_stored, settled
from tests.public_surface.application import read_history_file
from tests.public_surface.making_stored import MIB, MIDNIGHT, STEPS_PER_DAY, STORED

HISTORY = STORED / "history.npz"
SAMPLES = 3 * STEPS_PER_DAY
FIRST, LAST = (MIDNIGHT + 1) * 300.0, (MIDNIGHT + SAMPLES) * 300.0


def test_the_arrays_have_the_names_and_types_that_they_had() -> None:
    """Two containers and one edge with 864 samples each, in the order of `docs/pages/history-format.md`."""
    with np.load(HISTORY, allow_pickle=False) as arrays:
        arrays_by_name = {
            name: (array.dtype.kind + str(array.dtype.itemsize), array.shape)
            for name, array in arrays.items()
        }

    names = {name: shape for name, (kind, shape) in arrays_by_name.items() if kind.startswith("U")}
    assert names == {"names": (2,), "workloads": (2,), "edge_names": (1,)}
    assert {name: array for name, array in arrays_by_name.items() if name not in names} == {
        "offsets": ("u4", (3,)),
        "timestamps": ("u4", (2 * SAMPLES,)),
        "cpu_cores": ("f4", (2 * SAMPLES,)),
        "memory_bytes": ("f4", (2 * SAMPLES,)),
        "cpu_request_cores": ("f4", (2,)),
        "memory_request_bytes": ("f4", (2,)),
        "edge_offsets": ("u4", (2,)),
        "edge_timestamps": ("u4", (SAMPLES,)),
        "edge_requests_per_second": ("f4", (SAMPLES,)),
        "edge_responses_per_second": ("f4", (SAMPLES,)),
    }


def test_containers_and_edges_come_out() -> None:
    """Each series has 864 samples, with the maxima; 0.4 and 0.05 are the nearest single-precision numbers."""
    containers, edges = read_history_file(HISTORY)

    assert settled.series(containers) == {
        "shop/web-1/app": (SAMPLES, FIRST, LAST, float(np.float32(0.4)), 200e6),
        "redis": (SAMPLES, FIRST, LAST, float(np.float32(0.05)), 50e6),
    }
    assert settled.series(edges) == {"shop/web>shop/db": (SAMPLES, FIRST, LAST, 3.0, 2.75)}


def test_workloads_and_requests_come_out() -> None:
    """The container of web-1 requests half a core and 512 MiB; redis has neither workload nor requests."""
    containers, _ = read_history_file(HISTORY)

    workloads, (cpu, memory) = settled.facts(containers)
    assert workloads == ("Deployment/shop/web", "")
    assert (cpu[0], memory[0]) == (0.5, 512 * MIB)
    assert np.isnan([cpu[1], memory[1]]).all()


def test_the_same_history_is_still_the_same_bytes(tmp_path: Path) -> None:
    """The file is not compressed, so its bytes do not depend on a library."""
    making_stored.write_history(tmp_path / "history.npz")

    assert (tmp_path / "history.npz").read_bytes() == HISTORY.read_bytes()


def test_the_program_profiles_it(tmp_path: Path) -> None:
    """There are profiles of web's and redis' CPU and memory, and of the edge: (3 + 2.75) * 60 = 345."""
    done = commands.run(tmp_path, ("profile", "--history", str(HISTORY), "--output=json"))

    assert done.returncode == 0, done.stderr
    items = json.loads(done.stdout)["items"]
    assert sorted((item["kind"], item["status"]["samples"]) for item in items) == [
        ("CPUProfile", SAMPLES),
        ("CPUProfile", SAMPLES),
        ("ConnectionProfile", STEPS_PER_DAY),
        ("MemoryProfile", SAMPLES),
        ("MemoryProfile", SAMPLES),
    ]
    (edge,) = (item["spec"] for item in items if item["kind"] == "ConnectionProfile")
    assert (edge["source_job"], edge["destination_job"]) == ("web", "db")
    assert float(edge["bandwidth_requirement"]) == pytest.approx(345)
