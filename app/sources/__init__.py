"""Sources of usage samples: Prometheus-compatible servers and recorded history files.

No other package queries Prometheus or reads history files. Query texts (`queries`, `pressure`, `owners`), the
decoding of responses (`answers`) and the providers of connections (`connections`) are pure; `prometheus_api`
sends HTTP requests. No exception of a library leaves this package: a source without a complete result raises
SourceError, an unreadable file HistoryFileError.
"""
