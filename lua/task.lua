-- task("name"):description("..."):command(function(params, deps) ... end):build()

local import = ...
local host = import("host")

local type, tostring, select, rawget, setmetatable = type, tostring, select, rawget, setmetatable

-- The host knows a built task, and one that somebody forgot to build, by these keys.
local MARK, BUILDER = "\0task", "\0builder"

local methods = {}
local Builder = { __metatable = false, __name = "task" }

local names = {}

function Builder.__index(builder, key)
  if methods[key] then
    return methods[key]
  end
  host.fail("task '" .. builder[BUILDER].name .. "' has no method '" .. tostring(key) .. "'",
    host.call("suggest", tostring(key), names))
end

function Builder.__newindex(builder, key)
  host.fail("task '" .. builder[BUILDER].name .. "': set '" .. tostring(key) .. "' by calling :" .. tostring(key) .. "(...)")
end

local function describe(value)
  return value == nil and "nil" or "a " .. type(value)
end

-- A method that stores its argument under `key` if it is of one of the types.
local function setter(method, key, wanted, ...)
  local types = { ... }
  methods[method] = function(builder, value)
    for _, kind in ipairs(types) do
      if type(value) == kind then
        builder[BUILDER][key] = value
        return builder
      end
    end
    host.fail("task '" .. builder[BUILDER].name .. "': " .. method .. " takes " .. wanted .. ", got " .. describe(value))
  end
end

setter("description", "description", "a string", "string")
setter("command", "command", "a function or a shell command", "function", "string")
setter("run", "command", "a function or a shell command", "function", "string")
setter("timeout", "timeout", 'a duration such as "5m" or a number of seconds', "string", "number")
setter("workdir", "workdir", "a path", "string")
setter("run_if", "run_if", "a function or a shell command", "function", "string")
setter("abort_if", "abort_if", "a function or a shell command", "function", "string")
setter("on_success", "on_success", "a function", "function")
setter("on_failure", "on_failure", "a function", "function")
setter("params", "params", "a table", "table")

-- A method that takes one string, several, or a list of them.
local function list_setter(method)
  methods[method] = function(builder, ...)
    local list = builder[BUILDER][method] or {}
    local values = select("#", ...) == 1 and type((...)) == "table" and ... or { ... }
    for i = 1, #values do
      if type(values[i]) ~= "string" then
        host.fail("task '" .. builder[BUILDER].name .. "': " .. method .. " takes strings, got " .. describe(values[i]))
      end
      list[#list + 1] = values[i]
    end
    if #values == 0 and select("#", ...) > 0 and type((...)) ~= "table" then
      host.fail("task '" .. builder[BUILDER].name .. "': " .. method .. " takes strings, got nil")
    end
    builder[BUILDER][method] = list
    return builder
  end
end

list_setter("depends_on")
list_setter("artifacts")

-- retries(3), retries(3, "linear"), retries(3, "fixed", "2s")
function methods.retries(builder, limit, backoff, delay)
  builder[BUILDER].retries = { limit = limit, backoff = backoff, delay = delay }
  return builder
end

local Task = { __metatable = false, __name = "task" }

function Task.__newindex(built)
  host.fail("task '" .. built[MARK] .. "' is built; it cannot be changed any more")
end

function methods.build(builder)
  local t = builder[BUILDER]
  host.call("task.build", t, host.where() or "")
  return setmetatable({ [MARK] = t.name, name = t.name, description = t.description }, Task)
end

for name in pairs(methods) do
  names[#names + 1] = name
end

return function(name)
  if type(name) ~= "string" or name == "" then
    host.fail("task: expected a name, got " .. (name == "" and "an empty string" or describe(name)))
  end
  return setmetatable({ [BUILDER] = { name = name } }, Builder)
end
