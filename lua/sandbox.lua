-- Builds the world of a script and runs pieces of it for the host.
--
-- Called once with the host's three functions and the sources of the modules beside this file. Returns the one
-- function through which the host enters: enter(action, id, ...) -> status, payload, job number.
-- Everything in here that a script can touch is a plain Lua function, table, string, number or boolean.

local ports = { call = ..., tick = select(2, ...), limit = select(3, ...), slow = select(4, ...), budget = select(5, ...) }

local native_load, dump = load, string.dump

local sources = {}
for i = 6, select("#", ...), 2 do
  sources[select(i, ...)] = select(i + 1, ...)
end

-- Modules of this folder are compiled without debug information: an error of a C function that one of them calls for
-- the script then carries no position inside this folder.
local loaded = {}
local import = setmetatable({ ports = ports }, {
  __call = function(self, name)
    if loaded[name] == nil then
      local chunk = assert(native_load(sources[name], "=" .. name .. ".lua", "t"))
      loaded[name] = native_load(dump(chunk, true), "=sloth", "b")(self)
    end
    return loaded[name]
  end,
})

local wire, jobs, guard, host = import("wire"), import("jobs"), import("guard"), import("host")

local env = {
  _VERSION = _VERSION,
  assert = assert,
  error = error,
  ipairs = ipairs,
  next = next,
  pairs = pairs,
  rawequal = rawequal,
  rawget = rawget,
  rawlen = rawlen,
  rawset = rawset,
  select = select,
  tonumber = tonumber,
  tostring = tostring,
  type = type,
  pcall = jobs.basic.pcall,
  xpcall = jobs.basic.xpcall,
  setmetatable = jobs.basic.setmetatable,
  getmetatable = jobs.basic.getmetatable,
  coroutine = jobs.coroutine,
  string = guard.string,
  table = guard.table,
  math = {},
  utf8 = {},
}
env._G = env
for _, name in ipairs({ "math", "utf8" }) do
  for key, value in pairs(_G[name]) do
    env[name][key] = value
  end
end
import.env = env

function env.collectgarbage(option)
  if option == "count" then
    return collectgarbage("count")
  end
  return 0 -- the collector runs by itself
end

function env.load(text, name, mode, scope)
  if type(text) ~= "string" then
    error("load: only text can be loaded", 2)
  elseif mode and not mode:find("t", 1, true) then
    error("load: only text can be loaded, not bytecode", 2)
  end
  return native_load(text, name or "=(load)", "t", scope == nil and env or scope)
end

getmetatable("").__index = guard.string
getmetatable("").__metatable = false

-- `name` as Lua wants it: "@file.lua" is code of the user, anything else is ours.
function import.compile(name, text)
  local chunk, problem = native_load(text, name, "t", env)
  return chunk, problem and jobs.with_whole_name(problem, name)
end

for name, value in pairs(import("modules")) do
  env[name] = value
end

-- Nothing of this is for a script; lupa would find debug.traceback among the globals.
debug, package, io, os, python, require, dofile, loadfile = nil, nil, nil, nil, nil, nil, nil, nil

local running = {}
local last = 0

local function report(number, job, status, first, second)
  if status == "host" then
    return status, first, number, second
  end
  running[number] = nil
  if status == "done" then
    return status, first, number
  end
  local seen
  if status == "stopped" then
    seen = { reason = first, frames = wire.mark_list(job.frames or {}), where = job.where }
  else
    seen = host.describe(first, job)
  end
  return status, wire.encode(seen, "error", true), number
end

local function start(f)
  last = last + 1
  local job = jobs.new(f, ports.budget)
  running[last] = job
  return report(last, job, jobs.step(job))
end

local function results(...)
  return wire.encode_values("result", false, select("#", ...), ...)
end

local actions = {}

-- Runs the text of a file.
function actions.chunk(_, name, text)
  local f, problem = import.compile(name, text)
  if not f then
    return "error", wire.encode({ kind = "syntax", message = problem, frames = wire.mark_list({}) }, "error", true), 0
  end
  return start(function()
    return results(f())
  end)
end

-- Calls the function with this number.
function actions.call(number, payload)
  local f = wire.function_of(number)
  return start(function()
    return results(f(wire.decode_values(payload)))
  end)
end

-- Goes on with a job that asked the host.
function actions.resume(number, reply)
  return report(number, running[number], jobs.step(running[number], reply))
end

-- Forgets a job that asked the host and gets no answer.
function actions.drop(number)
  jobs.drop(running[number])
  running[number] = nil
  return "done", "\x90", 0
end

-- Sets a global of the script.
function actions.global(_, name, payload)
  env[name] = (wire.decode_values(payload))
  return "done", "\x90", 0
end

-- The budget and the memory limit hold from here on, and are off again before the host takes over: a host function that
-- meets the limit could not be unwound.
return function(action, number, first, second)
  ports.limit(true)
  local fine, status, payload, job, extra = pcall(actions[action], number, first, second)
  ports.limit(false)
  if not fine then
    payload = wire.encode({ kind = "string", message = tostring(status), frames = wire.mark_list({}) }, "error", true)
    return "error", payload, 0, nil
  end
  return status, payload, job, extra
end
