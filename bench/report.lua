-- Shared by the load scripts: the end of a run as one line of JSON, for bench/run. Times in us.
--
-- BENCH_PAUSE_MS  how long a connection pauses before each request, on average: at random, so that
--                 the requests of many come like those of people who know nothing of each other

local threads = {}
local pause_ms = tonumber(os.getenv("BENCH_PAUSE_MS"))

if pause_ms then
  function delay()  -- whole milliseconds
    return math.floor(0.5 - pause_ms * math.log(1 - math.random()))
  end
end

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
    '"overflows": %d, "mean": %d, "p50": %d, "p90": %d, "p99": %d, "p99.9": %d}\n',
    summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status, overflows,
    latency.mean, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9)))
end
