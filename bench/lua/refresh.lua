-- POST /token/refresh: a chain for each thread, every token spent once.
dofile("common.lua")

local tokens = lines_of("REFRESH_TOKENS")
local token = nil

function request()
    token = token or tokens[number + 1]
    return wrk.format("POST", "/token/refresh", { ["Content-Type"] = "application/json" },
        '{"old_refresh_token": "' .. token .. '"}')
end

function response(status, headers, body)
    if note(status, body) then token = string.match(body, '"refresh_token":"([^"]+)"') end
end
