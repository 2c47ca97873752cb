"""Fixtures of the fake API server and its clients."""

from tests.kubernetes.clients import client, patient_client, server

__all__ = ["client", "patient_client", "server"]
