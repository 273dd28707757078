-- What a script finds: log, print, sleep, json, yaml, env, exec, http, io, os, require, task, workflow, gitops.

local import = ...
local host, jobs, wire = import("host"), import("jobs"), import("wire")

local clock, date, difftime, time = os.clock, os.date, os.difftime, os.time
local select, tostring, type, error, concat = select, tostring, type, error, table.concat

local modules = {}

local function line(separator, ...)
  local parts = {}
  for i = 1, select("#", ...) do
    parts[i] = tostring((select(i, ...)))
  end
  return concat(parts, separator)
end

modules.log = host.strict({}, "log", "function")
for _, level in ipairs({ "debug", "info", "warn", "error" }) do
  modules.log[level] = function(...)
    host.call_lenient("log", level, line(" ", ...))
  end
end

function modules.print(...)
  host.call_lenient("log", "info", line("\t", ...))
end

function modules.sleep(duration)
  host.call("sleep", duration)
end

-- What the host has under the same name.
local function forward(name, functions)
  local module = {}
  for _, key in ipairs(functions) do
    local full = name .. "." .. key
    module[key] = function(...)
      return host.call(full, ...)
    end
  end
  return host.strict(module, name, "function")
end

modules.json = forward("json", { "encode", "decode" })
modules.json.array = function(t)
  if type(t) ~= "table" then
    host.fail("json.array: expected a table, got " .. type(t))
  end
  return wire.mark_list(t)
end
modules.yaml = forward("yaml", { "encode", "decode" })
modules.env = forward("env", { "get" })
modules.exec = forward("exec", { "run" })
modules.http = forward("http", { "get" })

modules.io = host.strict({}, "io", "function")
function modules.io.read()
  return host.call("io.read")
end

modules.os = host.strict({
  clock = clock,
  date = date,
  difftime = difftime,
  time = time,
  getenv = modules.env.get,
}, "os", "function")

modules.task = import("task")
modules.workflow = import("workflow")
modules.gitops = import("gitops")

-- require: our modules, and .lua files beside the workflow file.
local known = { coroutine = import.env.coroutine, math = import.env.math, string = import.env.string,
  table = import.env.table, utf8 = import.env.utf8 }
for name, module in pairs(modules) do
  known[name] = module
end
known.print, known.sleep = nil, nil

local loading, order = {}, {}

local function load_file(name)
  if loading[name] then
    host.fail("require: " .. concat(order, " → ") .. " → " .. name .. " is a circle")
  end
  local chunk_name, text = host.call("require", name)
  local chunk, problem = import.compile(chunk_name, text)
  if not chunk then
    error(problem, 0)
  end
  loading[name], order[#order + 1] = true, name
  local value
  if chunk_name:sub(1, 1) == "=" then
    value = chunk(name, host.call) -- a module of ours
  else
    value = chunk(name)
  end
  loading[name], order[#order] = nil, nil
  return value == nil and true or value
end

function modules.require(name)
  if type(name) ~= "string" then
    host.fail("require: expected the name of a module, got " .. type(name))
  end
  if known[name] == nil then
    known[name] = load_file(name)
  end
  return known[name]
end

return modules
