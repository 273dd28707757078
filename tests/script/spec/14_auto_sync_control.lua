-- Start auto-sync for all auto_sync=true workflows
gitops.start_auto_sync()

-- Stop auto-sync
gitops.stop_auto_sync()
