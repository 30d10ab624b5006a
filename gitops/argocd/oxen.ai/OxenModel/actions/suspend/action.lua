-- Suspends the object: the operator keeps observing the model and makes no calls.
obj.spec.suspend = true
return obj
