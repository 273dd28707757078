-- Jobs: every piece of a script runs as a coroutine with an instruction budget that it cannot leave.
--
-- A count hook counts instructions. Once a job is stopped, the hook raises at every instruction, so that no pcall
-- outlives it. The ways around a hook are closed one by one:
--   * a coroutine does not inherit the hook:     ours set it, and pay one interval so that many small ones count
--   * a message handler may run inside the hook: only ours does; xpcall calls the script's after unwinding
--   * a coroutine that died inside the hook runs __close without hooks: each body runs inside a pcall
--   * __gc runs without hooks:                   setmetatable refuses it
--   * a C function runs no instructions:         guard.lua bounds their work and charges for it
--   * many pcalls inside one another take hours to unwind: their number is limited
--   * where the stack is full the hook fails:    that is an error, and whoever catches an error pays one interval

local import = ...
local ports = import.ports

local create, resume, yield, running = coroutine.create, coroutine.resume, coroutine.yield, coroutine.running
local status, close, isyieldable = coroutine.status, coroutine.close, coroutine.isyieldable
local sethook, getinfo, clock = debug.sethook, debug.getinfo, os.clock
local pcall, xpcall, error, type, sub = pcall, xpcall, error, type, string.sub
local setmetatable, rawget, getmetatable = setmetatable, rawget, getmetatable

local STEP = 1000 -- instructions between two looks at the budget
local TICK = 0.02 -- seconds of processor time between two looks at the clock
local MAX_FRAMES = 12 -- of the script, in a report
local MAX_LEVELS = 1000 -- of the stack, ours among them
local MAX_CATCHERS = 190 -- pcalls inside one another: C's own limit, which does not hold inside a coroutine

local HOST = {} -- marks a yield that is a question to the host
local REASONS = { "time", "timeout", "cancelled" } -- what the host's tick may answer

local jobs = {}
local current -- the job that runs now
local owned = setmetatable({}, { __mode = "k" }) -- coroutines of the script: the function until started, then true
local waiting = setmetatable({}, { __mode = "k" }) -- those whose question to the host is open
local catchers = setmetatable({}, { __mode = "k" }) -- how many pcalls are open in each

local Stop = { __name = "stop", __metatable = false }
function Stop.__tostring()
  return "the script was stopped"
end

-- The name of a file as it was given. Lua shortens those of 60 bytes and more.
local function name_of(source)
  return sub(source, 2)
end

-- A message that starts with the shortened name, with the whole one instead.
function jobs.with_whole_name(message, source)
  local name = name_of(source)
  local short = "..." .. sub(name, -56)
  if #name > 59 and sub(message, 1, #short) == short then
    return name .. sub(message, #short + 1)
  end
  return message
end

-- "sloth.lua:12" for the innermost frame of the script itself, or nil.
local function where(level)
  for i = level or 2, MAX_LEVELS do
    local info = getinfo(i, "Sl")
    if not info then
      return nil
    elseif sub(info.source, 1, 1) == "@" and info.currentline > 0 then
      return name_of(info.source) .. ":" .. info.currentline
    end
  end
end
jobs.where = where

local hook
local function halt(reason)
  if not current.stopped then
    current.stopped = setmetatable({ reason = reason }, Stop)
    current.where = where(3)
  end
  sethook(hook, "", 1)
end

-- One interval has passed: looks at the budget and at the clock.
local function look(job)
  if job.stopped then
    return
  end
  job.spent = job.spent + STEP
  local now = clock()
  if job.spent > job.budget then
    halt("budget")
  elseif now - job.ticked > TICK then
    job.ticked = now
    local fine, reason = pcall(ports.tick)
    if not fine then
      if type(reason) == "userdata" then -- a signal, and not that the stack is full
        halt("interrupt")
      end
    elseif reason then
      halt(REASONS[reason])
    end
  end
end

function hook()
  local job = current
  look(job)
  if job.stopped then
    sethook(hook, "", 1)
    error(job.stopped, 0)
  end
end

-- Adds the price of work that a C function is about to do.
function jobs.charge(cost)
  current.spent = current.spent + cost
end

-- A signal arrived while the host worked.
function jobs.interrupt()
  halt("interrupt")
end

-- Whether a question to the host may leave the coroutine, or must be answered on the spot: there is no way to yield
-- through table.sort or string.gsub.
function jobs.can_ask()
  return isyieldable() and not current.pinned
end

function jobs.ask(...)
  return yield(HOST, ...)
end

local go

local function settle(co, pinned, open, ok, first, ...)
  catchers[co] = current.catchers
  current.pinned, current.catchers = pinned, open
  if current.stopped then
    sethook(hook, "", 1)
  end
  if ok and first == HOST then
    waiting[co] = true
    return go(co, yield(HOST, ...))
  end
  waiting[co] = nil
  if not ok then
    look(current)
    return false, first
  elseif status(co) == "dead" then
    if not first then
      look(current)
    end
    return first, ... -- what the pcall around the body gave
  end
  return true, first, ...
end

function go(co, ...)
  local pinned, open = current.pinned, current.catchers
  current.pinned, current.catchers = pinned or not isyieldable(), catchers[co] or 0
  return settle(co, pinned, open, resume(co, ...))
end

local function is_ours(co, name)
  if type(co) ~= "thread" then
    error("bad argument #1 to '" .. name .. "' (coroutine expected, got " .. type(co) .. ")", 0)
  end
  return owned[co] ~= nil and not waiting[co]
end

local library = {}
jobs.coroutine = library

function library.create(f)
  if type(f) ~= "function" then
    error("bad argument #1 to 'create' (function expected, got " .. type(f) .. ")", 0)
  end
  jobs.charge(STEP)
  local co = create(pcall)
  sethook(co, hook, "", STEP)
  owned[co] = f
  return co
end

function library.resume(co, ...)
  if not is_ours(co, "resume") then
    return false, "cannot resume non-suspended coroutine"
  end
  local f = owned[co]
  if f ~= true then
    owned[co] = true
    return go(co, f, ...)
  elseif status(co) == "dead" then
    return false, "cannot resume dead coroutine"
  end
  return go(co, ...)
end

function library.close(co)
  if not is_ours(co, "close") then
    error("cannot close a running coroutine", 0)
  end
  return close(co)
end

function library.status(co)
  if is_ours(co, "status") then
    return status(co)
  end
  return co == running() and "running" or "normal"
end

local function unwrap(co, ok, ...)
  if ok then
    return ...
  end
  if status(co) ~= "running" and status(co) ~= "normal" then
    close(co)
  end
  error((...), 0)
end

function library.wrap(f)
  local co = library.create(f)
  return function(...)
    return unwrap(co, library.resume(co, ...))
  end
end

function library.yield(...)
  if not owned[running()] then
    error("attempt to yield from outside a coroutine", 0)
  end
  return yield(...)
end

function library.isyieldable()
  return owned[running()] ~= nil and isyieldable()
end

function library.running()
  local co = running()
  return co, owned[co] == nil
end

-- Replacements for basic functions that would open a way around the hook.
local basic = {}
jobs.basic = basic

local function caught(open, ok, ...)
  current.catchers = open
  if not ok then
    look(current)
  end
  return ok, ...
end

function basic.pcall(f, ...)
  local open = current.catchers
  if open == MAX_CATCHERS then
    error("too many pcalls inside one another", 0)
  end
  current.catchers = open + 1
  return caught(open, pcall(f, ...))
end

local function handled(handler, ok, ...)
  if ok then
    return true, ...
  end
  return false, handler(...)
end

function basic.xpcall(f, handler, ...)
  if type(handler) ~= "function" then
    error("bad argument #2 to 'xpcall' (function expected, got " .. type(handler) .. ")", 0)
  end
  return handled(handler, basic.pcall(f, ...))
end

function basic.setmetatable(t, metatable)
  if type(t) ~= "table" then
    error("bad argument #1 to 'setmetatable' (table expected, got " .. type(t) .. ")", 0)
  elseif type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("__gc is not available in a workflow file; use a local with <close>", 0)
  end
  return setmetatable(t, metatable)
end

-- Only tables and strings: no other value of a script has a metatable that is its own business.
function basic.getmetatable(value)
  if type(value) == "table" then
    return getmetatable(value)
  end
  return nil
end

-- The message handler of a job: where it was, outside in, before the stack unwinds.
local function trace(value)
  local frames = {}
  for level = 2, MAX_LEVELS do
    local info = getinfo(level, "Sl")
    if not info or #frames == MAX_FRAMES then
      break
    elseif sub(info.source, 1, 1) == "@" and info.currentline > 0 then
      frames[#frames + 1] = name_of(info.source) .. ":" .. info.currentline
      if type(value) == "string" then
        value = jobs.with_whole_name(value, info.source)
      end
    end
  end
  current.frames = frames
  return value
end

-- A new job. Run it with step().
function jobs.new(f, budget)
  local co = create(xpcall)
  sethook(co, hook, "", STEP)
  return { co = co, f = f, spent = 0, catchers = 0, ticked = clock(), budget = budget }
end

local function finish(job, ok, first, ...)
  current = nil
  if ok and first == HOST then
    return "host", ...
  elseif job.stopped then
    return "stopped", job.stopped.reason
  elseif ok and first then
    return "done", ...
  elseif ok then
    return "error", ...
  end
  return "error", first
end

-- Ends a job whose question will not be answered.
function jobs.drop(job)
  current = job
  job.stopped = setmetatable({ reason = "cancelled" }, Stop)
  sethook(job.co, hook, "", 1)
  close(job.co)
  current = nil
end

-- Runs a job until it asks the host, ends, fails or is stopped:
-- "host", name, payload | "done", value | "error", value | "stopped", reason.
function jobs.step(job, ...)
  current = job
  job.ticked = clock()
  local f = job.f
  if f then
    job.f = nil
    return finish(job, resume(job.co, f, trace, ...))
  end
  return finish(job, resume(job.co, ...))
end

return jobs
