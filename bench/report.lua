-- Shared by the load scripts: the end of a run as one line of JSON, for bench/run. Times in us.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local overflows = 0
  for _, thread in ipairs(threads) do
    overflows = overflows + (thread:get("overflows") or 0)
  end
  io.write(string.format(
    '{"requests": %d, "duration": %d, "bytes": %d, "failed": %d, "refused": %d, ' ..
    '"overflows": %d, "p50": %d, "p90": %d, "p99": %d, "p99.9": %d}\n',
    summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status, overflows,
    latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9)))
end
