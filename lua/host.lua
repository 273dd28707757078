-- Questions to the host, and the errors it answers with.

local import = ...
local ports, jobs, wire = import.ports, import("jobs"), import("wire")

local pcall, error, setmetatable, tostring, type, select = pcall, error, setmetatable, tostring, type, select
local next, rawget = next, rawget
local call, limit = ports.call, ports.limit

local host = { where = jobs.where }

-- Calls that may take long: the host may run others while one waits.
local SLOW = {}
for name in ports.slow:gmatch("%S+") do
  SLOW[name] = true
end

-- What a failed call raises: reads like its message; the host recognises it when nobody catches it.
local Fault = { __name = "error", __metatable = false }
local marks = setmetatable({}, { __mode = "k" })

function Fault.__tostring(fault)
  return fault.message
end

function Fault.__concat(a, b)
  return tostring(a) .. tostring(b)
end

local function raise(message, hint, mark)
  local fault = setmetatable({ message = message, hint = hint }, Fault)
  marks[fault] = { mark = mark, where = jobs.where(3) }
  error(fault, 0)
end

local function answer(ok, ...)
  if ok then
    return ...
  end
  return raise(...)
end

local function call_now(name, payload)
  local fine, reply = pcall(call, name, payload)
  limit(true)
  if not fine or #reply == 1 then
    jobs.interrupt() -- an answer of no values: the host goes down, or a signal arrived
  end
  return reply
end

local function ask(lenient, name, ...)
  local payload = wire.encode_values(name .. ": argument", lenient, select("#", ...), ...)
  if SLOW[name] and jobs.can_ask() then
    return answer(wire.decode_values(jobs.ask(name, payload)))
  end
  return answer(wire.decode_values(call_now(name, payload)))
end

-- Calls the host function `name`; what it cannot do is raised.
function host.call(name, ...)
  return ask(false, name, ...)
end

-- The same for text that may be anything, such as a line of a log.
function host.call_lenient(name, ...)
  return ask(true, name, ...)
end

-- Raises an error that names the line of the script.
function host.fail(message, hint)
  local where = jobs.where(3)
  if hint then
    message = message .. " (" .. hint .. ")"
  end
  error(where and where .. ": " .. message or message, 0)
end

-- A table whose unknown keys are errors: `kind` names it ("gitops"), `noun` what it has ("function").
function host.strict(t, kind, noun, allowed)
  return setmetatable(t, {
    __metatable = false,
    __index = function(_, key)
      if allowed and allowed[key] then
        return nil
      end
      local names = {}
      for name in next, t do
        names[#names + 1] = name
      end
      for name in next, allowed or {} do
        names[#names + 1] = name
      end
      host.fail(kind .. " has no " .. noun .. " '" .. tostring(key) .. "'", host.call("suggest", tostring(key), names))
    end,
  })
end

-- An error value as the host shall see it: a fault by its mark, anything else by its text.
function host.describe(value, job)
  local kind = type(value)
  local seen = { frames = wire.mark_list(job.frames or {}), kind = kind }
  if kind == "table" and marks[value] then
    seen.mark, seen.where = marks[value].mark, marks[value].where
    seen.message = value.message
  elseif kind == "string" then
    seen.message = value
  elseif kind == "table" then
    local message = rawget(value, "message")
    seen.message = type(message) == "string" and message or nil
  elseif kind == "number" or kind == "boolean" then
    seen.message = tostring(value)
  end
  return seen
end

return host
