"""Tests of the webhook's certificate: issuing, renewal, trust, and the change while it is served."""
