"""Tests of the pure domain: identities, names, annotations, custom resources."""
