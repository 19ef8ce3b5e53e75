-- PUT /profile: everybody's name, again and again.
dofile("common.lua")

local tokens = lines_of("ACCESS_TOKENS")
local at = 0

function request()
    at = at + 1
    return wrk.format("PUT", "/profile", {
        ["Authorization"] = "Bearer " .. tokens[at % #tokens + 1],
        ["Content-Type"] = "application/json",
    }, '{"name": "Ada Lovelace ' .. at .. '"}')
end
