"""Where measurements come from; the only package that talks to Prometheus or reads recorded histories.

Query texts (`queries`), the reading of answers (`answers`) and their joining (`connections`) are pure;
`prometheus_api` is the wire. An exception of a library never leaves this package: a source that can't give a
whole answer raises SourceError, a file that can't be read HistoryFileError.
"""
