"""The watches of each role: a list-watch per resource, and the registry or index that it feeds."""
