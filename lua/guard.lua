-- string and table functions that know their price. A C function runs no instructions that the budget could count,
-- so its work is bounded first and charged to the job.

local import = ...
local jobs = import("jobs")

local charge = jobs.charge
local type, error, rawlen, getmetatable, rawget = type, error, rawlen, getmetatable, rawget
-- As fields, so that the errors of C know the function's name: these modules carry no names of locals.
local S, T = string, table
local select, tostring = select, tostring

local MAX_STRING = 64 * 1024 * 1024
local MAX_RANGE = 10000000
local PER_INSTRUCTION = 16 -- bytes that C handles in about the time of one instruction; of elements it is one

local guard = {}

local string_library = {}
for _, name in ipairs({ "byte", "char", "format", "len", "pack", "packsize", "sub", "unpack" }) do
  string_library[name] = string[name]
end
guard.string = string_library

for _, name in ipairs({ "lower", "reverse", "upper" }) do
  string_library[name] = function(s)
    if type(s) == "string" then
      charge(#s // PER_INSTRUCTION)
    end
    return S[name](s)
  end
end

-- A pattern can take C longer than anybody waits, and no budget sees it: the watchdog of the host ends that. The length
-- of the text is charged here.
local function read(s)
  if type(s) == "string" then
    charge(#s // PER_INSTRUCTION)
  end
end

function string_library.find(s, ...)
  read(s)
  return S.find(s, ...)
end

function string_library.match(s, ...)
  read(s)
  return S.match(s, ...)
end

function string_library.gmatch(s, ...)
  read(s)
  return S.gmatch(s, ...)
end

function string_library.gsub(s, ...)
  read(s)
  return S.gsub(s, ...)
end

function string_library.rep(s, count, separator)
  if (type(s) == "string" or type(s) == "number") and type(count) == "number" and count > 0 then
    local size = (#tostring(s) + (type(separator) == "string" and #separator or 0)) * count
    if size > MAX_STRING then
      error("string.rep: the result would be longer than 64 MiB", 0)
    end
    charge(size // PER_INSTRUCTION)
  end
  return S.rep(s, count, separator)
end

local table_library = { pack = table.pack, unpack = table.unpack }
guard.table = table_library

-- The length of a list, once; a table that computes its own length could give C another one.
local function length(t, name)
  if type(t) ~= "table" then
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. (t == nil and "no value" or type(t)) .. ")", 0)
  end
  local metatable = getmetatable(t)
  if type(metatable) == "table" and rawget(metatable, "__len") ~= nil then
    error("table." .. name .. ": not for a table with __len", 0)
  end
  return rawlen(t)
end

function table_library.insert(t, ...)
  local n = length(t, "insert")
  if select("#", ...) > 1 then
    charge(n)
  end
  return T.insert(t, ...)
end

function table_library.remove(t, ...)
  local n = length(t, "remove")
  if select("#", ...) > 0 then
    charge(n)
  end
  return T.remove(t, ...)
end

local function bounded(first, last, name)
  if type(first) == "number" and type(last) == "number" then
    if last - first > MAX_RANGE then
      error("table." .. name .. ": too many elements", 0)
    elseif last > first then
      charge(last - first)
    end
  end
end

function table_library.concat(t, separator, first, last)
  first, last = first or 1, last or length(t, "concat")
  bounded(first, last, "concat")
  return T.concat(t, separator, first, last)
end

function table_library.move(a, first, last, at, b)
  bounded(first, last, "move")
  if b == nil then
    return T.move(a, first, last, at)
  end
  return T.move(a, first, last, at, b)
end

local function less(a, b)
  return a < b
end

-- Always with a comparison in Lua: that is where the budget is looked at.
function table_library.sort(t, before)
  length(t, "sort")
  return T.sort(t, before or less)
end

return guard
