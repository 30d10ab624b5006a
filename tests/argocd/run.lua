-- Runs a script as Argo CD does:
--
--   lua5.1 tests/argocd/run.lua SCRIPT <object.json
--
-- The script gets the object as `obj`. The table that it returns is printed as JSON on one line,
-- with sorted keys. If the script fails or returns anything else, the exit code is 1 and the error
-- is printed to stderr.
--
-- A script has only what Argo CD provides: the libraries base, package and table, and an `os` that
-- must be required and contains only time and date. Strings have no methods. Null becomes nil.

local io, os, string, table, math = io, os, string, table, math

-- An empty table could be an object or an array. This remembers the empty objects of the input, so
-- that they are not printed as arrays.
local empty_objects = setmetatable({}, { __mode = "k" })

local escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function utf8(code)
  if code < 0x80 then
    return string.char(code)
  end
  local tail, limit = "", 0x40
  repeat
    tail = string.char(0x80 + code % 0x40) .. tail
    code = math.floor(code / 0x40)
    limit = limit / 2
  until code < limit
  return string.char(0x100 - 2 * limit + code) .. tail
end

local function decode(text)
  local at = 1

  local function take(pattern)
    local from, to, found = string.find(text, "^%s*" .. pattern, at)
    if from then
      at = to + 1
      return found or true
    end
  end

  local function need(pattern)
    return take(pattern) or error("invalid JSON at byte " .. at, 0)
  end

  local function hex()
    return tonumber(need("(%x%x%x%x)"), 16)
  end

  local function unescape(letter)
    if letter ~= "u" then
      return escapes[letter] or letter
    end
    local code = hex()
    if code >= 0xD800 and code < 0xDC00 then
      need("\\u")
      code = 0x10000 + (code - 0xD800) * 0x400 + hex() - 0xDC00
    end
    return utf8(code)
  end

  -- Reads a string after its opening quote. It can't use `take`, which skips leading white space.
  local function quoted()
    local parts = {}
    while true do
      local to = string.find(text, '["\\]', at) or error("the JSON contains an unterminated string", 0)
      table.insert(parts, string.sub(text, at, to - 1))
      at = to + 1
      if string.sub(text, to, to) == '"' then
        return table.concat(parts)
      end
      table.insert(parts, unescape(need("(.)")))
    end
  end

  local value

  local function array()
    local items, count = {}, 0
    if take("%]") then
      return items
    end
    repeat
      count = count + 1
      items[count] = value()
    until not take(",")
    need("%]")
    return items
  end

  local function object()
    local fields = {}
    if take("}") then
      empty_objects[fields] = true
      return fields
    end
    repeat
      need('"')
      local name = quoted()
      need(":")
      fields[name] = value()
    until not take(",")
    need("}")
    return fields
  end

  function value()
    if take("{") then
      return object()
    elseif take("%[") then
      return array()
    elseif take('"') then
      return quoted()
    elseif take("true") then
      return true
    elseif take("false") then
      return false
    elseif take("null") then
      return nil
    end
    return tonumber(need("(-?%d[%d.eE+-]*)"))
  end

  local read = value()
  need("$")
  return read
end

local function quote(text)
  local function escape(letter)
    return string.format("\\u%04x", string.byte(letter))
  end
  return '"' .. string.gsub(text, '[%c"\\]', escape) .. '"'
end

local function encode(value)
  if type(value) == "string" then
    return quote(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  if #value > 0 or (next(value) == nil and not empty_objects[value]) then
    for _, item in ipairs(value) do
      table.insert(parts, encode(item))
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local names = {}
  for name in pairs(value) do
    table.insert(names, name)
  end
  table.sort(names)
  for _, name in ipairs(names) do
    table.insert(parts, quote(name) .. ":" .. encode(value[name]))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function library(from, names)
  local copy = {}
  for name in string.gmatch(names, "%S+") do
    copy[name] = from[name]
  end
  return copy
end

local function environment(obj)
  local safe_os = library(os, "date time")
  local scope = library(_G, "assert error getmetatable ipairs next pairs pcall rawequal rawget rawset select setmetatable tonumber tostring type unpack")
  scope._G = scope
  scope.obj = obj
  scope.table = library(table, "concat insert maxn remove sort")
  function scope.require(name)
    return name == "os" and safe_os or error("module " .. name .. " not found", 2)
  end
  return scope
end

local function main(path)
  local script = assert(loadfile(path or error("usage: run.lua SCRIPT <object.json", 0)))
  local obj = decode(io.read("*a"))
  getmetatable("").__index = nil
  local result = setfenv(script, environment(obj))()
  if type(result) ~= "table" then
    error(path .. " did not return a table", 0)
  end
  print(encode(result))
end

local ok, problem = pcall(main, ...)
if not ok then
  io.stderr:write("error: ", tostring(problem), "\n")
  os.exit(1)
end
