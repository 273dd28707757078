-- gitops: the functions of the host, and the object that gitops.workflow returns.

local import = ...
local host = import("host")

local FUNCTIONS = {
  "create_workflow", "register_repository", "sync_workflow", "rollback_workflow", "generate_diff", "preview_changes",
  "get_workflow_status", "list_workflows", "start_auto_sync", "stop_auto_sync",
}

local gitops = {}
for _, name in ipairs(FUNCTIONS) do
  local full = "gitops." .. name
  gitops[name] = function(...)
    return host.call(full, ...)
  end
end

-- Declares a workflow and returns it as an object: workflow.workflow_id, workflow.repository_id, workflow.name, ...
function gitops.workflow(...)
  local fields, absent = host.call("gitops.workflow", ...)
  local allowed = {}
  for _, name in ipairs(absent) do
    allowed[name] = true
  end
  return host.strict(fields, "a workflow", "field", allowed)
end

return host.strict(gitops, "gitops", "function")
