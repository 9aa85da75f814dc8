"""Teachers: the protocol, one file for each backend, and the dispatcher."""
