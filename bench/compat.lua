-- POST bulk.json as Invoca's clients do: forty numbers at a time. The context is the visitor.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local batches = dofile(here .. "batches.lua")

batches.send("/api/2013-07-01/bulk.json", function(row, pool, key, session, gclid)
  return string.format(
    '{"api_suffix":"%s/allocate_number.json?ring_pool_key=%s&utm_source=google&utm_medium=cpc' ..
    '&gclid=%s","request_id":"%d"}',
    pool, key, gclid, row)
end)
