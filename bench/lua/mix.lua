-- Of a hundred requests 80 read, 10 refresh, 5 change the profile, 5 log in. One user for each thread.
dofile("common.lua")

local access_tokens, refresh_tokens, users = lines_of("ACCESS_TOKENS"), lines_of("REFRESH_TOKENS"), lines_of("USERNAMES")
local access, refresh, kind = nil, nil, nil
local JSON = { ["Content-Type"] = "application/json" }

local function choose()
    local dice = math.random(100)
    if dice <= 80 then return "read" end
    if dice <= 90 then return "refresh" end
    if dice <= 95 then return "update" end
    return "login"
end

function init(args)
    math.randomseed(number + 1)
    access, refresh = access_tokens[number + 1], refresh_tokens[number + 1]
end

function request()
    kind = choose()
    if kind == "refresh" then
        return wrk.format("POST", "/token/refresh", JSON, '{"old_refresh_token": "' .. refresh .. '"}')
    end
    if kind == "login" then
        return wrk.format("POST", "/token", JSON,
            '{"username": "' .. users[number % #users + 1] .. '", "password": "' .. os.getenv("PASSWORD") .. '"}')
    end
    local headers = { ["Authorization"] = "Bearer " .. access, ["Content-Type"] = "application/json" }
    if kind == "update" then return wrk.format("PUT", "/profile", headers, '{"name": "Ada King"}') end
    return wrk.format("GET", "/profile/me", headers)
end

function response(status, headers, body)
    if note(status, body) and kind == "refresh" then
        access = string.match(body, '"access_token":"([^"]+)"')
        refresh = string.match(body, '"refresh_token":"([^"]+)"')
    end
end
