"""Tests of the webhook: reviews, patches and requests over the wire."""
