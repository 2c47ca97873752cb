"""Tests of the webhook's certificates: issuing, renewal, rotation, trust, and serving."""
