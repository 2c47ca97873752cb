"""Fixtures of the fake and the real API server, and of their clients."""

from tests.kubernetes.clients import client, patient_client, server
from tests.kubernetes.real_api_server import cluster, namespace

__all__ = ["client", "cluster", "namespace", "patient_client", "server"]
