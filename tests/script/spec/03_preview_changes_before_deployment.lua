local deploy_task = task("preview_and_deploy")
    :description("Preview changes before deploying")
    :command(function(params, deps)
        local workflow_id = params.workflow_id
        
        -- Generate comprehensive diff
        local diff = gitops.generate_diff(workflow_id)
        
        if not diff then
            log.info(" No changes detected")
            return {success = true, message = "No changes to deploy"}
        end
        
        -- Display change summary
        log.info(" Deployment Summary:")
        log.info("  Total changes: " .. diff.summary.total_changes)
        log.info("  Created: " .. diff.summary.created_resources)
        log.info("  Updated: " .. diff.summary.updated_resources)
        log.info("  Deleted: " .. diff.summary.deleted_resources)
        
        -- Check for conflicts
        if diff.summary.conflict_count > 0 then
            log.warn(" Conflicts detected:")
            for _, conflict in ipairs(diff.conflicts) do
                log.warn("  " .. conflict.resource .. ": " .. conflict.description)
            end
            
            return {success = false, message = "Conflicts must be resolved before deployment"}
        end
        
        -- Check for high-impact changes
        local high_impact_changes = 0
        for _, change in ipairs(diff.changes) do
            if change.impact == "high" or change.impact == "critical" then
                high_impact_changes = high_impact_changes + 1
                log.warn(" High-impact change: " .. change.resource .. " (" .. change.type .. ")")
            end
        end
        
        -- Show warnings
        if #diff.warnings > 0 then
            log.warn(" Warnings:")
            for _, warning in ipairs(diff.warnings) do
                log.warn("  " .. warning)
            end
        end
        
        -- Require confirmation for high-impact changes
        if high_impact_changes > 0 then
            print("Proceed with " .. high_impact_changes .. " high-impact changes? (y/N)")
            local response = io.read()
            if response:lower() ~= "y" then
                return {success = false, message = "Deployment cancelled by user"}
            end
        end
        
        -- Execute deployment
        log.info(" Executing deployment...")
        return gitops.sync_workflow(workflow_id)
    end)
    :build()
