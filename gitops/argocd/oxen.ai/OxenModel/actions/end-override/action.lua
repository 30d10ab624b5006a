-- Ends the override in force, so that the spec decides again.
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["oxen.ai/override"] = "none"
return obj
