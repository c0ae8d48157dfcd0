-- GET /numbers: one number at a time. Targets are made before the run.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(here .. "report.lua")
local sessions = dofile(here .. "sessions.lua")

local kTargets = 100000
local requests = {}
local next_request = 0

function init()
  for i = 1, kTargets do
    requests[i] = wrk.format("GET", string.format(
      "/numbers?pool=%s&key=%s&session=%s&utm_source=google&utm_medium=cpc&gclid=%s",
      sessions.draw()))
  end
end

function request()
  next_request = next_request % kTargets + 1
  return requests[next_request]
end
