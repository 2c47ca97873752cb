"""Tests of `app.domain`: identities, names, annotations, custom resources."""
