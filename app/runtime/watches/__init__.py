"""Watches of both roles: each connects the Reflector of a resource to a registry or index."""
