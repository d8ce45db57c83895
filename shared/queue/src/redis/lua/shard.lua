-- What the scripts share. They run on the keys of one shard:
-- KEYS: 1 normal stream, 2 high stream, 3 delayed (sorted set), 4 delayed jobs (hash).

-- Redis before 7 repeats a script's effects and not its words only if told so.
if redis.replicate_commands then
  redis.replicate_commands()
end

-- The server's clock, in milliseconds and as 16 digits of microseconds.
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000),
    string.format('%010d%06d', tonumber(time[1]), tonumber(time[2]))
end

-- The id of the last normal entry that there ever was.
local function last_normal()
  local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
  if info.err then
    if string.find(info.err, 'no such key', 1, true) then
      return '0-0'
    end
    error(info.err)
  end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      return info[i + 1]
    end
  end
  error('XINFO STREAM does not tell last-generated-id')
end

-- Appends a job to the stream of its class; a high one with the normal entry that it came after.
local function append(class, version, body, mac)
  if class == 'high' then
    redis.call('XADD', KEYS[2], '*', 'v', version, 'body', body, 'mac', mac, 'after', last_normal())
  else
    redis.call('XADD', KEYS[1], '*', 'v', version, 'body', body, 'mac', mac)
  end
end
