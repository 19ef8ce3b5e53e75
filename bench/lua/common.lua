-- What every script shares: a line of JSON at the end, numbers for threads, tokens from files.

local threads = 0
local first_problem = nil

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function lines_of(name)
    local lines = {}
    for line in io.lines(os.getenv(name)) do lines[#lines + 1] = line end
    return lines
end

-- A refusal is worth seeing: the first one of each thread is printed.
function note(status, body)
    if status < 200 or status > 299 then
        if first_problem == nil then
            first_problem = status
            print("Answered " .. status .. ": " .. string.sub(body, 1, 300))
        end
        return false
    end
    return true
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "errors": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
