-- Asks for a look right now, and for fresh tries where they are used up. Any new value does.
local os = require("os")
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["oxen.ai/reconcile-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
