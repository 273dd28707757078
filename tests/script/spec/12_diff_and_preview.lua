-- Generate diff
local diff = gitops.generate_diff(workflow_id)

-- Alias for diff
local preview = gitops.preview_changes(workflow_id)
