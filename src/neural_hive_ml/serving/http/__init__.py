"""What all services share over HTTP: problems, bodies, keys, the shell around an app."""
