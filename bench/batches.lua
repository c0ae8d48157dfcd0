-- Shared by the load scripts that ask for forty numbers at a time. Bodies of some 5 KB, made before
-- the run.
--
-- BENCH_POOL     "each": the rows of one body are of one pool, as those of a page are; "7": all rows
--                of all bodies are of that pool; else they are of all pools
-- BENCH_BODIES   how many different bodies, 10,000 by default: 400,000 draws of a visitor
-- BENCH_FILL=1   sends each body once, counts the overflow numbers in the answers, says "filled"
--                and sends no more (wrk itself goes on to the end of its time, or to SIGINT)

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(here .. "report.lua")
local sessions = dofile(here .. "sessions.lua")

local batches = {}

local kBodies = tonumber(os.getenv("BENCH_BODIES") or 10000)
local kPool = os.getenv("BENCH_POOL") or ""
local kRows = 40
local requests = {}
local next_request = 0

-- Makes wrk send POST requests to `path`. format_row(row, pool, key, session, gclid) is one row.
function batches.send(path, format_row)
  function init()
    for i = 1, kBodies do
      local rows = {}
      local pool = kPool == "each" and sessions.draw_pool() or tonumber(kPool)
      for row = 1, kRows do
        rows[row] = format_row(row, sessions.draw(pool))
      end
      requests[i] = wrk.format("POST", path, {["Content-Type"] = "application/json"},
        '{"requests":[' .. table.concat(rows, ",") .. "]}")
    end
  end

  function request()
    next_request = next_request % kBodies + 1
    return requests[next_request]
  end

  if not os.getenv("BENCH_FILL") then return end
  local answered = 0
  overflows = 0

  function response(status, headers, body)
    overflows = overflows + select(2, body:gsub('"overflow":true', ""))
    answered = answered + 1
    if answered == kBodies then
      print("filled")
      io.flush()
      wrk.thread:stop()
    end
  end
end

return batches
