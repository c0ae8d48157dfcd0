-- Shared by the load scripts: who asks. 1,000,000 visitors, each of one pool of 64; a visitor
-- always comes with the same three context parameters, as one who goes from page to page does. The
-- draw is the same in every run, so that runs can be compared.

local sessions = {}

local kVisitors = 1000000
local kPools = 64

math.randomseed(20261121)

-- Fields of one request: pool, key, session, gclid; of a visitor of this pool, if given.
function sessions.draw(of_pool)
  local visitor = math.random(0, kVisitors - 1)
  if of_pool then visitor = visitor - visitor % kPools + of_pool end
  local pool = visitor % kPools
  return "pool-" .. pool, "key-" .. pool, "v-" .. visitor, "Cj0K" .. visitor
end

function sessions.draw_pool()
  return math.random(0, kPools - 1)
end

return sessions
