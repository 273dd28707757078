-- workflow.define("name", { tasks = {...}, on_start = ..., ... })

local import = ...
local host = import("host")

local workflow = {}

function workflow.define(name, definition)
  host.call("workflow.define", name, definition, host.where() or "")
end

return host.strict(workflow, "workflow", "function")
