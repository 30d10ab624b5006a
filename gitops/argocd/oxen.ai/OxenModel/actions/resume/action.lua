-- Resumes the object. The field is removed so that the object equals a manifest without it.
obj.spec.suspend = nil
return obj
