"""Every name of the program that the tests of its public surface use, in one place."""

import app as root_package
from app.command_line.root import program as typer_program
from app.domain.profiles import (
    Basis,
    ChosenRule,
    ConnectionProfile,
    ContainerNeed,
    NeedReason,
    NeedSignal,
    Resource,
    ResourceProfile,
    RiskLevel,
    SlotNeed,
    StatedRisk,
    StoredProfile,
)
from app.domain.resources import from_manifest, to_manifest, to_status
from app.domain.workloads import Connection, Workload
from app.estimation.checkpoint import AskedNamespaces, Checkpoint, decode, encode
from app.estimation.connection_rows import ConnectionRows
from app.estimation.key_ranges import KeyRange, key_of, range_of
from app.estimation.pieces import Learned
from app.estimation.samples import (
    ConnectionSamples,
    ContainerSamples,
    NeedSamples,
    PodContainer,
    StepRange,
)
from app.estimation.usage_history import UsageHistory
from app.kubernetes.checkpoints import CheckpointMaps
from app.kubernetes.client import ClusterClient, open_cluster
from app.profiler.aging import stale_condition
from app.profiler.report import build_report
from app.settings import Settings, read_settings
from app.sources.history_file import (
    RecordedContainer,
    RecordedEdge,
    SeriesTable,
    read_history_file,
    write_history_file,
)

__all__ = [
    "AskedNamespaces",
    "Basis",
    "Checkpoint",
    "CheckpointMaps",
    "ChosenRule",
    "ClusterClient",
    "Connection",
    "ConnectionProfile",
    "ConnectionRows",
    "ConnectionSamples",
    "ContainerNeed",
    "ContainerSamples",
    "KeyRange",
    "Learned",
    "NeedReason",
    "NeedSamples",
    "NeedSignal",
    "PodContainer",
    "RecordedContainer",
    "RecordedEdge",
    "Resource",
    "ResourceProfile",
    "RiskLevel",
    "SeriesTable",
    "Settings",
    "SlotNeed",
    "StatedRisk",
    "StepRange",
    "StoredProfile",
    "UsageHistory",
    "Workload",
    "build_report",
    "decode",
    "encode",
    "from_manifest",
    "key_of",
    "open_cluster",
    "range_of",
    "read_history_file",
    "read_settings",
    "root_package",
    "stale_condition",
    "to_manifest",
    "to_status",
    "typer_program",
    "write_history_file",
]
