-- How an OxenModel is. Argo CD runs this with the object in `obj`, and without the libraries string and math.

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready
local deleting = obj.metadata.deletionTimestamp ~= nil

local function is(type)
  return conditions[type] ~= nil and conditions[type].status == "True"
end

-- Ready has the verdict in full; the markers only repeat it.
local function found(health)
  return { status = health, message = ready.reason .. ": " .. ready.message }
end

-- What was found of an earlier generation says nothing about this one. A new object has -1 there.
if ready == nil or status.observedGeneration ~= obj.metadata.generation then
  local what = deleting and "its deletion" or "this version of it"
  return { status = "Progressing", message = "The operator hasn't seen " .. what .. " yet." }
end

if is("Stalled") then
  return found("Degraded")
end

-- A deletion waits for the hub or the key, or because the hub refuses: its message says how to let go. Without
-- any of these the model is on its way to inactive.
if deleting then
  local waits = not is("Synced") or ready.reason == "Rejected"
  return found(waits and "Degraded" or "Progressing")
end

-- The second is what the operator says of every object that it may only look at, as with --observe-only.
if obj.spec.suspend == true or ready.reason == "WouldActivate" or ready.reason == "WouldDeactivate" then
  return found("Suspended")
end

if is("Ready") then
  return found("Healthy")
end
return found("Progressing")
