-- wrk -s latency.lua URL -- FILE : posts FILE, and ends with one line of JSON
function init(args)
  local opened = assert(io.open(args[1], "rb"))
  wrk.body = opened:read("*all")
  opened:close()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end
function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
