local manual_rollback = task("manual_rollback")
    :description("Manual rollback to previous state")
    :command(function(params, deps)
        local workflow_id = params.workflow_id
        local reason = params.reason or "Manual rollback requested"
        
        log.info(" Initiating manual rollback...")
        log.info(" Reason: " .. reason)
        
        local rollback_result = gitops.rollback_workflow(workflow_id, reason)
        
        if rollback_result then
            log.info(" Manual rollback completed successfully")
            
            -- Verify rollback
            local status = gitops.get_workflow_status(workflow_id)
            log.info(" Current status: " .. status.status)
            
            return {success = true, message = "Manual rollback completed"}
        else
            log.error(" Manual rollback failed!")
            return {success = false, message = "Manual rollback failed"}
        end
    end)
    :build()
