"""HTTP/1.1 listeners on uvicorn: connection limits, client time-outs, client names, coalesced writes."""
