-- MessagePack between Lua and the host. Only bytes cross the border, never an object of either side, so there is
-- nothing on it to reach through. A function crosses as a number that means it.

local pack, unpack = string.pack, string.unpack
local byte, char, sub = string.byte, string.char, string.sub
local concat, rawlen, next, type = table.concat, rawlen, next, type
local mathtype, utf8len = math.type, utf8.len
local error, setmetatable, tostring = error, setmetatable, tostring
local unpack_list = table.unpack

local MAX_DEPTH = 128
local MAX_BYTES = 32 * 1024 * 1024
local MAX_PATH = 12 -- keys that an error shows
local FUNCTION = 1 -- the extension type of a function

local wire = {}

local functions, numbers = {}, setmetatable({}, { __mode = "k" })
-- Tables that were a list on the other side, or that the script calls one: an empty table does not say so itself.
local lists = setmetatable({}, { __mode = "k" })

function wire.mark_list(t)
  lists[t] = true
  return t
end

function wire.function_number(f)
  local number = numbers[f]
  if not number then
    number = #functions + 1
    functions[number], numbers[f] = f, number
  end
  return number
end

function wire.function_of(number)
  return functions[number]
end

local function header(count, small, small_limit, wide16, wide32)
  if count < small_limit then
    return char(small + count)
  elseif count < 0x10000 then
    return pack(">BI2", wide16, count)
  end
  return pack(">BI4", wide32, count)
end

local function text(s, lenient)
  if not utf8len(s) then
    if not lenient then
      error("a string that is not UTF-8 text", 0)
    end
    return pack(">BI4", 0xc6, #s) .. s
  end
  if #s < 32 then
    return char(0xa0 + #s) .. s
  end
  return pack(">BI4", 0xdb, #s) .. s
end

-- The length of a list, or nil for a table with other keys. Holes make it no list.
local function list_length(t)
  local length, count = rawlen(t), 0
  for key in next, t do
    if mathtype(key) ~= "integer" or key < 1 or key > length then
      return nil
    end
    count = count + 1
  end
  if count ~= length or (count == 0 and not lists[t]) then
    return nil
  end
  return length
end

local function key_name(key)
  return type(key) == "string" and "." .. key or "[" .. tostring(key) .. "]"
end

-- Encodes `root`. `what` names it in errors. With `lenient`, bytes that are not text may cross.
function wire.encode(root, what, lenient)
  local out, n, size, open, path = {}, 0, 0, {}, {}

  local function fail(reason)
    local place = #path > MAX_PATH and concat(path, "", 1, MAX_PATH) .. "..." or concat(path)
    error(what .. place .. ": " .. reason, 0)
  end

  local function emit(s)
    n = n + 1
    out[n] = s
    size = size + #s
    if size > MAX_BYTES then
      fail("too large to hand over (32 MiB is the limit)")
    end
  end

  local put

  local function put_text(s)
    if not lenient and not utf8len(s) then
      fail("a string that is not UTF-8 text")
    end
    emit(text(s, lenient))
  end

  local function put_number(v)
    if mathtype(v) == "float" then
      emit(pack(">Bd", 0xcb, v))
    elseif v >= 0 and v < 128 then
      emit(char(v))
    else
      emit(pack(">Bi8", 0xd3, v))
    end
  end

  local function put_table(t, depth)
    if open[t] then
      fail("the table contains itself")
    elseif depth > MAX_DEPTH then
      fail("nested deeper than " .. MAX_DEPTH .. " tables")
    end
    open[t] = true
    local length = list_length(t)
    if length then
      emit(header(length, 0x90, 16, 0xdc, 0xdd))
      for i = 1, length do
        path[depth] = "[" .. i .. "]"
        put(t[i], depth + 1)
      end
    else
      local count = 0
      for _ in next, t do
        count = count + 1
      end
      emit(header(count, 0x80, 16, 0xde, 0xdf))
      for key, value in next, t do
        local kind = type(key)
        if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
          fail("a " .. kind .. " cannot be a key here")
        end
        path[depth] = key_name(key)
        put(key, depth + 1)
        put(value, depth + 1)
      end
    end
    path[depth] = nil
    open[t] = nil
  end

  function put(v, depth)
    local kind = type(v)
    if kind == "nil" then
      emit("\xc0")
    elseif kind == "boolean" then
      emit(v and "\xc3" or "\xc2")
    elseif kind == "number" then
      put_number(v)
    elseif kind == "string" then
      put_text(v)
    elseif kind == "table" then
      put_table(v, depth)
    elseif kind == "function" then
      emit(pack(">BBi8", 0xd7, FUNCTION, wire.function_number(v)))
    else
      fail("a " .. kind .. " cannot be handed over")
    end
  end

  put(root, 1)
  return concat(out)
end

-- Several values, nils among them, as one list.
function wire.encode_values(what, lenient, count, ...)
  local parts = { header(count, 0x90, 16, 0xdc, 0xdd) }
  local values = { ... }
  for i = 1, count do
    parts[i + 1] = wire.encode(values[i], count > 1 and what .. " " .. i or what, lenient)
  end
  return concat(parts)
end

local decode

local function decode_list(s, at, count)
  local t = {}
  for i = 1, count do
    t[i], at = decode(s, at)
  end
  if count == 0 then
    lists[t] = true
  end
  return t, at
end

local function decode_map(s, at, count)
  local t = {}
  for _ = 1, count do
    local key, value
    key, at = decode(s, at)
    value, at = decode(s, at)
    if key ~= nil and key == key then
      t[key] = value
    end
  end
  return t, at
end

local readers = {
  [0xc0] = function(_, at) return nil, at end,
  [0xc2] = function(_, at) return false, at end,
  [0xc3] = function(_, at) return true, at end,
  [0xc4] = function(s, at) return unpack(">s1", s, at) end,
  [0xc5] = function(s, at) return unpack(">s2", s, at) end,
  [0xc6] = function(s, at) return unpack(">s4", s, at) end,
  [0xca] = function(s, at) return unpack(">f", s, at) end,
  [0xcb] = function(s, at) return unpack(">d", s, at) end,
  [0xcc] = function(s, at) return unpack(">I1", s, at) end,
  [0xcd] = function(s, at) return unpack(">I2", s, at) end,
  [0xce] = function(s, at) return unpack(">I4", s, at) end,
  [0xcf] = function(s, at)
    local v, after = unpack(">I8", s, at)
    return v < 0 and v + 0x1p64 or v, after -- more than a Lua integer holds
  end,
  [0xd0] = function(s, at) return unpack(">i1", s, at) end,
  [0xd1] = function(s, at) return unpack(">i2", s, at) end,
  [0xd2] = function(s, at) return unpack(">i4", s, at) end,
  [0xd3] = function(s, at) return unpack(">i8", s, at) end,
  [0xd7] = function(s, at)
    local _, number, after = unpack(">Bi8", s, at)
    return functions[number], after
  end,
  [0xd9] = function(s, at) return unpack(">s1", s, at) end,
  [0xda] = function(s, at) return unpack(">s2", s, at) end,
  [0xdb] = function(s, at) return unpack(">s4", s, at) end,
  [0xdc] = function(s, at)
    local count, after = unpack(">I2", s, at)
    return decode_list(s, after, count)
  end,
  [0xdd] = function(s, at)
    local count, after = unpack(">I4", s, at)
    return decode_list(s, after, count)
  end,
  [0xde] = function(s, at)
    local count, after = unpack(">I2", s, at)
    return decode_map(s, after, count)
  end,
  [0xdf] = function(s, at)
    local count, after = unpack(">I4", s, at)
    return decode_map(s, after, count)
  end,
}

-- One value that starts at `at`, and where the next one starts.
function decode(s, at)
  local tag = byte(s, at)
  at = at + 1
  if tag < 0x80 then
    return tag, at
  elseif tag < 0x90 then
    return decode_map(s, at, tag - 0x80)
  elseif tag < 0xa0 then
    return decode_list(s, at, tag - 0x90)
  elseif tag < 0xc0 then
    local stop = at + tag - 0xa0
    return sub(s, at, stop - 1), stop
  elseif tag >= 0xe0 then
    return tag - 0x100, at
  end
  return readers[tag](s, at)
end

-- A list as several values.
function wire.decode_values(s)
  local tag, count, at = byte(s, 1), nil, 2
  if tag == 0xdc then
    count, at = unpack(">I2", s, 2)
  elseif tag == 0xdd then
    count, at = unpack(">I4", s, 2)
  else
    count = tag - 0x90
  end
  local values = {}
  for i = 1, count do
    values[i], at = decode(s, at)
  end
  return unpack_list(values, 1, count)
end

return wire
