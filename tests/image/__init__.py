"""The image: built from the Dockerfile by buildah, and run as its user with a read-only root file system.

There is no registry: the base is a Debian with Python made by mmdebstrap. Everything needs root.
"""
