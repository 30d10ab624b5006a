-- Lists the actions. `suspend` is disabled while the object is being deleted, because the
-- operator would then release the object and leave the model as it is, possibly active and
-- billing. To do that on purpose, set `deletionPolicy: Retain`. A deletion ignores overrides.
local suspended = obj.spec.suspend == true
local deleting = obj.metadata.deletionTimestamp ~= nil
local overridden = obj.status ~= nil and obj.status.override ~= nil
return {
  reconcile = { disabled = false },
  suspend = { disabled = suspended or deleting },
  resume = { disabled = not suspended },
  ["on-2h"] = { disabled = deleting },
  ["off-2h"] = { disabled = deleting },
  ["end-override"] = { disabled = deleting or not overridden },
}
