-- Reports the health of an OxenModel. Argo CD runs this script with the object in `obj`, and
-- without the libraries string and math.

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

-- Ready has the full message, which the other conditions only repeat.
local function report(health)
  return { status = health, message = ready.reason .. ": " .. ready.message }
end

-- The conditions of an earlier generation don't apply to this one. In a new object, the observed
-- generation is -1.
if ready == nil or status.observedGeneration ~= obj.metadata.generation then
  local what = deleting and "the deletion" or "this version"
  local message = "The operator has not observed " .. what .. " yet."
  return { status = "Progressing", message = message }
end

if is("Stalled") then
  return report("Degraded")
end

if deleting then
  return report(is("DeletionBlocked") and "Degraded" or "Progressing")
end

-- With --observe-only, the operator reports these reasons although spec.suspend is not set.
local observed_only = ready.reason == "WouldActivate" or ready.reason == "WouldDeactivate"
if obj.spec.suspend == true or observed_only then
  return report("Suspended")
end

if is("Ready") then
  return report("Healthy")
end
return report("Progressing")
