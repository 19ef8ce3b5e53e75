-- GET /profile/me, each time with the next of the tokens.
dofile("common.lua")

local tokens = lines_of("ACCESS_TOKENS")
local requests, at = {}, 0

function init(args)
    for at = 1, #tokens do
        requests[at] = wrk.format("GET", "/profile/me", { ["Authorization"] = "Bearer " .. tokens[at] })
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end
