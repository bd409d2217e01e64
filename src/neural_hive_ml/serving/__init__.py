"""The services: small ASGI apps over scorers, never over trainers."""
