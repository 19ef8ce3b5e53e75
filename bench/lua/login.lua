-- POST /token with the right password, each time as the next user.
dofile("common.lua")

local users = lines_of("USERNAMES")
local at = 0

function request()
    at = at + 1
    return wrk.format("POST", "/token", { ["Content-Type"] = "application/json" },
        '{"username": "' .. users[at % #users + 1] .. '", "password": "' .. os.getenv("PASSWORD") .. '"}')
end
