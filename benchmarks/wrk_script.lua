-- The requests of each wrk thread. benchmarks/wrk.py writes the table of parameters and reads the JSON line at the end.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  load = dofile(args[1])
  math.randomseed(load.seed + number)
  request_count, first, last = 0, 1, 0
  own_tokens = {} -- single-use tokens are divided among the threads
  for index, token in ipairs(load.tokens) do
    if load.next_token_pattern == nil or index % load.threads == number then
      last = last + 1
      own_tokens[last] = token
    end
  end
  if load.next_token_pattern == nil then response = nil end -- without this callback, wrk does not parse bodies
  if load.pause_ms == 0 then delay = nil end
end

local function network()
  return string.format("10.%d.%d.%d", math.random(0, 255), math.random(0, 255), math.random(1, 254))
end

-- Replace the placeholders of the body with new values for each request.
local function fill_placeholders(body)
  if body == nil then return nil end
  request_count = request_count + 1
  local values = {
    NEW = string.format("%s%d%06d", load.name, number, request_count),
    KNOWN = string.format("%d", math.random(1, load.user_count)),
    TOKEN = own_tokens[first],
  }
  return (body:gsub("@(%u+)@", values))
end

function request()
  local headers = { ["X-Forwarded-For"] = network() }
  for name, value in pairs(load.headers) do headers[name] = value end
  local body = fill_placeholders(load.body)
  if load.next_token_pattern then
    own_tokens[first], first = nil, first + 1
  elseif last > 0 then
    headers[load.token_header] = load.token_prefix .. own_tokens[math.random(1, last)]
  end
  return wrk.format(load.method, load.path, headers, body)
end

-- Random, so that the connections do not send at the same moment, and then all pause.
function delay()
  return math.random(0, 2 * load.pause_ms)
end

function response(status, headers, body)
  local token = body:match(load.next_token_pattern)
  if token == nil then return end
  last = last + 1
  own_tokens[last] = token
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "max_ms": %f, "error_responses": %d, "socket_errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    latency.max / 1000, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
