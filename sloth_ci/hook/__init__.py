"""Git hooks: what a push or a commit would change, before it is made. They are quick, and a fault of ours stops nobody."""
