-- The workflow of a repository that has none: preview what the target path holds, and put it back when a sync fails.
-- Nothing is synced unless somebody asks. The destination is the default one.

gitops.workflow({
    name = values.name or "default",
    repo = values.repository or ".",
    target_path = params.target_path or values.target_path,
    environment = params.environment or values.environment,
    auto_sync = false,
    diff_preview = true,
    rollback_on_failure = true,
})
