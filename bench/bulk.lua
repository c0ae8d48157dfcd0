-- POST /numbers: forty numbers at a time.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local batches = dofile(here .. "batches.lua")

batches.send("/numbers", function(row, pool, key, session, gclid)
  return string.format(
    '{"pool":"%s","key":"%s","session":"%s","request_id":"%d",' ..
    '"context":{"utm_source":"google","utm_medium":"cpc","gclid":"%s"}}',
    pool, key, session, row, gclid)
end)
