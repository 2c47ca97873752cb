"""The command line: each command reads its settings, calls one function of a lower layer, and prints.

Commands import their modules when they run, because `serve --role webhook` must not load numpy.
"""
