"""What a person types. Each command reads its settings, calls one function below, and prints.

Commands import what they need when they run: `serve --role webhook` must not load numpy.
"""
