-- The colour of a WaveApproval in Argo CD; docs/gitops.md says what each colour means.
local health = {status = "Progressing", message = "Not looked at yet"}
if obj.metadata.deletionTimestamp ~= nil then
  health.message = "Being deleted"
  return health
end

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready
-- What an older spec led to says nothing of this one.
if status.observedGeneration ~= obj.metadata.generation or ready == nil then
  return health
end

local function is_true(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

local function told(as, condition)
  return {status = as, message = condition.reason .. ": " .. condition.message}
end

if is_true("Stalled") then
  return told("Degraded", conditions.Stalled)
end
if ready.reason == "Suspended" then
  return told("Suspended", ready)
end
if is_true("Reconciling") then
  return told("Progressing", conditions.Reconciling)
end
if ready.status ~= "True" then
  return told("Progressing", ready)
end
-- Also one for an earlier plan, which may be left in git.
return told("Healthy", ready)
