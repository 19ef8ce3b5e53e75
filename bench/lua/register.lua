-- POST /register: a new name each time.
dofile("common.lua")

local made = 0

function request()
    made = made + 1
    local name = "n" .. os.getenv("RUN") .. "." .. number .. "." .. made
    return wrk.format("POST", "/register", { ["Content-Type"] = "application/json" },
        '{"username": "' .. name .. '", "email": "' .. name .. '@example.com", "password": "'
        .. os.getenv("PASSWORD") .. '"}')
end
