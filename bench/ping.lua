-- GET /ping: what the server costs without any work of its own.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(here .. "report.lua")

wrk.path = "/ping"
