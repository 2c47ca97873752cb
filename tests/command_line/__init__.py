"""Tests of the command line: arguments, output and exit codes."""
