"""The Lua side: a sandboxed runtime, what a script may call, and the tasks it declares."""
