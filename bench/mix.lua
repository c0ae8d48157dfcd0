-- Three GET /numbers to one POST /numbers of forty.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"

dofile(here .. "bulk.lua")
local init_bulk, request_bulk = init, request
dofile(here .. "single.lua")
local init_single, request_single = init, request
local next_request = 0

function init()
  init_bulk()
  init_single()
end

function request()
  next_request = next_request % 4 + 1
  if next_request == 1 then return request_bulk() end
  return request_single()
end
