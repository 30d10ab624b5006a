-- Lets the operator act again. The field goes, so that the object is again as a manifest without it says.
obj.spec.suspend = nil
return obj
