-- Requests an override: the model is to be active for two hours, whatever the spec declares.
local os = require("os")
local ends = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + 7200)
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["oxen.ai/override"] = "active until " .. ends
return obj
