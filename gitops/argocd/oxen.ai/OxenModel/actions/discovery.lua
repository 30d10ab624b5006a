-- The actions that make sense now. Suspending an object lets its deletion go and leaves the model as it is, which
-- may go on billing: an action of that name must not do so. `deletionPolicy: Retain` says what it does.
local suspended = obj.spec.suspend == true
local deleting = obj.metadata.deletionTimestamp ~= nil
return {
  reconcile = { disabled = false },
  suspend = { disabled = suspended or deleting },
  resume = { disabled = not suspended },
}
