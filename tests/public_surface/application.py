"""All names of `app` that the tests of the public surface use."""

import app as root_package
from app.command_line.root import program as typer_program
from app.domain.custom_resources import from_manifest, stale_condition, to_manifest, to_status
from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import (
    Basis,
    ChosenRule,
    ConnectionProfile,
    ContainerNeed,
    Identity,
    Pressure,
    PressureSignal,
    ProfileKind,
    Resource,
    ResourceProfile,
    RiskLevel,
    SlotNeed,
    StatedRisk,
    StoredProfile,
)
from app.domain.workloads import Connection, Workload
from app.history.checkpoint.codec import Checkpoint, decode, encode
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.key_ranges import KeyRange, key_of, range_of
from app.history.samples import (
    ConnectionSamples,
    ContainerSamples,
    PodContainer,
    PressureSamples,
    StepRange,
)
from app.history.usage_history import UsageHistory
from app.kubernetes.checkpoint_maps import CheckpointMaps
from app.kubernetes.client import ClusterClient, open_cluster
from app.profiler.cycle.status_report import build_report
from app.settings.environment import Settings, read_settings
from app.sources.history_file import (
    RecordedContainer,
    RecordedEdge,
    RecordedSeries,
    read_history_file,
    write_history_file,
)

__all__ = [
    "Basis",
    "Checkpoint",
    "CheckpointMaps",
    "ChosenRule",
    "ClusterClient",
    "Connection",
    "ConnectionHistory",
    "ConnectionProfile",
    "ConnectionSamples",
    "ContainerNeed",
    "ContainerSamples",
    "Identity",
    "KeyRange",
    "LearnedState",
    "NamespaceSelection",
    "PodContainer",
    "Pressure",
    "PressureSamples",
    "PressureSignal",
    "ProfileKind",
    "RecordedContainer",
    "RecordedEdge",
    "RecordedSeries",
    "Resource",
    "ResourceProfile",
    "RiskLevel",
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
