"""Checks of what a release is made of: known vulnerabilities, and the bill of materials of wheel and image.

Its programs run in `.venv/supply-chain`, which `make audit` and `make sbom` install. Nothing is shipped.
"""
