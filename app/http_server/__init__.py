"""HTTP/1.1 listeners on uvicorn: client time-outs, client names, coalesced writes."""
