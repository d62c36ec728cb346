-- The colour of a VersionRollout in Argo CD; docs/gitops.md says what each colour means.
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
-- Time, or what another object comes to be, opens a gate: what may be true now is true. A person's move is another
-- thing, and shows.
if is_true("Waiting") then
  local reason = conditions.Waiting.reason
  local of_a_person = {
    Suspended = true, HeldBack = true, RolledBack = true, Latched = true, ApprovalMissing = true,
    ApprovalUnverified = true,
  }
  if of_a_person[reason] then
    return told("Suspended", conditions.Waiting)
  end
end
return told("Healthy", ready)
