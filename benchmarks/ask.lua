-- What each thread of wrk asks; benchmarks/wrk.py writes the table that says what, and reads the line that comes out.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  load = dofile(args[1])
  math.randomseed(load.seed + number)
  asked, first, last = 0, 1, 0
  mine = {} -- the tokens that this thread trades; no other has them
  for index, token in ipairs(load.tokens) do
    if load.trades == nil or index % load.threads == number then
      last = last + 1
      mine[last] = token
    end
  end
  if load.trades == nil then response = nil end -- wrk parses bodies only for whoever wants them
  if load.pause == 0 then delay = nil end
end

local function network()
  return string.format("10.%d.%d.%d", math.random(0, 255), math.random(0, 255), math.random(1, 254))
end

-- Each placeholder of a body stands for something else at each request.
local function filled(body)
  if body == nil then return nil end
  asked = asked + 1
  local values = {
    NEW = string.format("%s%d%06d", load.name, number, asked),
    KNOWN = string.format("%d", math.random(0, load.people - 1)),
    TOKEN = mine[first],
  }
  return (body:gsub("@(%u+)@", values))
end

function request()
  local headers = { ["X-Forwarded-For"] = network() }
  for name, value in pairs(load.headers) do headers[name] = value end
  local body = filled(load.body)
  if load.trades then
    mine[first], first = nil, first + 1
  elseif last > 0 then
    headers[load.token_header] = load.token_prefix .. mine[math.random(1, last)]
  end
  return wrk.format(load.method, load.path, headers, body)
end

function delay()
  return load.pause
end

function response(status, headers, body)
  local token = body:match(load.trades)
  if token == nil then return end
  last = last + 1
  mine[last] = token
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "longest": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    latency.max / 1000, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
