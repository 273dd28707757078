-- Never deploy to production without diff preview
if environment == "production" then
    local diff = gitops.generate_diff(workflow_id)
    if diff.summary.conflict_count > 0 then
        error("Conflicts detected in production deployment!")
    end
end
