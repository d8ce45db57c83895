-- For wrk: rewards one piece of gold to one of 10,000 players, one job a request (or ARRAY jobs, if given), each with an
-- idempotency key of its own if KEYS is given.
local token = os.getenv("TOKEN")
local array = tonumber(os.getenv("ARRAY") or "0")

wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer " .. token
wrk.headers["Content-Type"] = "application/json"

local keys = os.getenv("KEYS") ~= nil
local run, count = "", 0

local function job()
  local key = ""
  if keys then
    count = count + 1
    key = string.format(',"idempotencyKey":"%s-%d"', run, count)
  end
  return string.format(
    '{"type":"reward_inventory_item","userId":"u%d","items":[{"itemId":"gold","quantity":1}]%s}', math.random(10000), key)
end

function init()
  math.randomseed(os.time())
  run = tostring(os.time())
end

function request()
  if array == 0 then return wrk.format(nil, nil, nil, job()) end
  local jobs = {}
  for i = 1, array do jobs[i] = job() end
  return wrk.format(nil, nil, nil, "[" .. table.concat(jobs, ",") .. "]")
end

function done(summary)
  io.write(string.format("answers other than 2xx: %d, timeouts: %d\n", summary.errors.status, summary.errors.timeout))
end
