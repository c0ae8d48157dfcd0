-- Shared by the load scripts: who asks. 1,000,000 visitors, each of one pool of 64; a visitor
-- always comes with the same three context parameters, as one who goes from page to page does. The
-- draw is the same in every run, so that runs can be compared.

local sessions = {}

local kVisitors = 1000000
local kPools = 64

math.randomseed(20261121)

-- Fields of one request: pool, key, session, gclid.
function sessions.draw()
  local visitor = math.random(0, kVisitors - 1)
  local pool = visitor % kPools
  return "pool-" .. pool, "key-" .. pool, "v-" .. visitor, "Cj0K" .. visitor
end

return sessions
